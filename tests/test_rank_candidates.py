"""Ranking candidates, and whether the ranks agree with measured accuracy."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.selection import Candidate, SelectionWarning, compare_with_accuracy, predict_source, rank
from tlkit.selection.source import NoClassifierError, score_leep, score_nce

LITE = "efficientnet_lite0"
QUIET = {"progress": False, "cache": False, "engine": "torch"}


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "fruit"]).few(14)


@pytest.fixture(scope="module")
def lite():
    return tl.load_backbone(LITE, image_size_px=32)


@pytest.fixture(scope="module")
def table(images):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SelectionWarning)
        tiny = make_tiny_backbone()
        return rank([tiny, Candidate(tiny, "stem"), Candidate(tiny, image_size_px=24)], images, **QUIET)


def test_a_row_a_candidate_the_best_first(table):
    assert set(table["name"]) == {"tiny", "tiny until stem", "tiny at 24 px"}
    assert table["logme"].is_monotonic_decreasing
    assert list(table.columns[:6]) == ["name", "network", "stage", "image_size_px", "constructed", "n_features"]
    assert table[["logme", "h", "knn", "linear_probe", "duration_s"]].notna().all(axis=None)


def test_costs_are_those_of_the_part_that_is_used(images):
    tiny = make_tiny_backbone()
    with pytest.warns(SelectionWarning):
        table = rank([tiny, Candidate(tiny, "stem")], images, scores=["knn", "h"], **QUIET).set_index("name")
    assert table.loc["tiny", "n_flops"] == tiny.cost().n_flops
    assert table.loc["tiny until stem", "n_parameters"] == sum(p.numel() for p in tiny.body["stem"].parameters())
    assert 0 < table.loc["tiny until stem", "n_flops"] < table.loc["tiny", "n_flops"]
    assert table["constructed"].to_dict() == {"tiny": False, "tiny until stem": True}
    assert table["stage"].to_dict() == {"tiny": "stage1", "tiny until stem": "stem"}
    assert table["n_features"].to_dict() == {"tiny": 6, "tiny until stem": 4}


@pytest.mark.slow
def test_scores_are_those_of_the_functions(images, lite):
    features = tl.extract_features(lite, images, "torch", cache=False, progress=False)
    values, labels, groups = features.values, features.labels, features.groups
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SelectionWarning)
        row = rank(lite, images, scores=tl.selection.rank_candidates.SCORES, **QUIET).iloc[0]
        assert row["logme"] == tl.selection.score_logme(values, labels)
        assert row["h"] == tl.selection.score_h(values, labels)
        assert row["knn"] == tl.selection.score_knn(values, labels, groups)
        assert row["linear_probe"] == tl.selection.score_linear_probe(values, labels, groups)
    probabilities = predict_source(lite, images, **QUIET)
    assert row["leep"] == score_leep(probabilities, labels)
    assert row["nce"] == score_nce(probabilities.argmax(axis=1), labels)
    assert row["published_accuracy"] == pytest.approx(0.75, abs=0.01)


def test_inner_features_are_the_mean_over_the_map(images, lite):
    values = Candidate(lite, "stage4").extract(images, **QUIET).values
    batch = torch.from_numpy(np.stack([lite.preprocess(picture) for picture, _ in images]))
    with torch.inference_mode():
        expected = lite.until("stage4")(batch).mean(dim=(2, 3)).numpy()
    assert np.abs(values - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(("n_pictures", "library"), [(499, "torch"), (500, "openvino")])
def test_a_network_is_converted_only_for_many_pictures(n_pictures, library, images, lite):
    many = images[np.arange(n_pictures) % len(images)]
    candidate = Candidate(lite)
    assert candidate.extract(many, cache=False, progress=False).provenance["engine"].startswith(library)
    features = candidate.extract(images[:1], "openvino", cache=False, progress=False)
    assert features.provenance["engine"].startswith("openvino")


def test_the_last_stage_and_the_own_size_are_the_network_itself(lite):
    assert Candidate(lite, -1, 32).build() is lite
    assert Candidate(lite, -1)._find_cut(lite) is None
    resized = Candidate(lite, image_size_px=64).build()
    assert (resized.image_size_px, resized.recipe) == (64, lite.recipe.at(64))
    assert Candidate(LITE, image_size_px=64).build().recipe == tl.load_backbone(LITE, image_size_px=64).recipe


def test_candidates_leave_their_network_as_it_was(images):
    tiny = make_tiny_backbone().train()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SelectionWarning)
        rank([Candidate(tiny, "stem"), Candidate(tiny, image_size_px=24)], images, scores=["knn"], **QUIET)
    assert all(module.training for module in tiny.modules())
    assert tiny.image_size_px == 16


def test_what_fools_scores_is_said_once(images, lite):
    with pytest.warns(SelectionWarning) as caught:
        rank([lite, Candidate(lite, "stage2", 64)], images.few(1), scores=["logme", "h", "knn"], **QUIET)
    said = "\n".join(str(warning.message) for warning in caught)
    assert "3 pictures and up to 1280 features, so that h and logme fit by chance" in said
    assert "24 to 1280 features: h and logme depend on the width, too" in said
    assert f"which costs accuracy: {LITE} at 32 px, {LITE} until stage2 at 64 px" in said
    assert f"over a tenth of the features are the same on all pictures: {LITE} at 32 px" in said
    assert "3 classes have one picture" in said
    assert len(caught) == 5
    assert {warning.filename for warning in caught} == {__file__}


def test_nothing_is_said_where_nothing_fools(images):
    rank([make_tiny_backbone()], images, **QUIET)  # warnings are errors


def test_what_has_no_classifier_has_no_source_scores(images):
    row = rank([make_tiny_backbone()], images, scores=["leep", "knn"], **QUIET).iloc[0]
    assert np.isnan(row["leep"]) and np.isfinite(row["knn"])


@pytest.mark.parametrize(
    ("backbones", "keywords", "error", "message"),
    [
        ([LITE], {"scores": ["logm"]}, ValueError, "scores: 'logm' is unknown; nearest: 'logme'"),
        ([LITE], {"scores": []}, ValueError, "scores: none"),
        ([], {}, ValueError, "backbones: none"),
        (["efficientnet_lite"], {}, ValueError, "nearest: 'efficientnet_lite"),
        ([3], {}, TypeError, "backbones: a int, expected Backbones, their names, or Candidates"),
        ([Candidate(LITE, "stage9")], {}, ValueError, "stage: 'stage9' is not a stage"),
        ([Candidate(LITE, image_size_px=8)], {}, ValueError, "image_size_px: 8"),
    ],
)
def test_what_cannot_be_ranked_is_refused(images, backbones, keywords, error, message):
    with pytest.raises(error, match=message):
        rank(backbones, images, **QUIET, **keywords)


def test_candidates_of_one_name_are_refused_unless_told_apart(images):
    tiny, other = make_tiny_backbone(), make_tiny_backbone(seed=1)
    with pytest.raises(ValueError, match=r"'tiny' occurs twice; name them apart with Candidate\(backbone, name=…\)"):
        rank([tiny, other], images, scores=["knn"], **QUIET)
    table = rank([tiny, Candidate(other, name="another")], images, scores=["knn"], **QUIET)
    assert set(table["name"]) == {"tiny", "another"}


def test_sizes_that_a_network_cannot_take_are_refused(lite):
    with pytest.raises(ValueError, match="image_size_px: 4 for efficientnet_lite0, expected a whole number"):
        Candidate(lite, image_size_px=4).build()
    with pytest.raises(TypeError, match=r"image_size_px: 64\.0, expected a whole number"):
        Candidate(lite, image_size_px=64.0).build()


def test_source_predictions_are_those_of_the_whole_network(images, lite):
    import timm

    from tlkit.backbones.weights.fit import fit_to_network
    from tlkit.backbones.weights.read import read_weights

    network = timm.create_model("tf_efficientnet_lite0").eval()
    tensors, _ = read_weights(lite.provenance["file"])
    network.load_state_dict(fit_to_network(tensors, network, (), lite.provenance["file"], published=True)[0])
    few = images.few(1)
    batch = torch.from_numpy(np.stack([lite.preprocess(few.read(index)) for index in range(len(few))]))
    with torch.inference_mode():
        expected = network(batch).softmax(dim=1).numpy()
    assert np.abs(predict_source(lite, few, **QUIET) - expected).max() < 1e-5


def test_a_network_without_classifier_says_what_to_do(images, tmp_path, lite):
    with pytest.raises(NoClassifierError, match=r"random weights, seed 0\) have no file with a classifier"):
        predict_source(tl.load_backbone("resnet18", weights=None), images)
    import safetensors.torch
    import torchvision

    state = {
        name: tensor
        for name, tensor in torchvision.models.resnet18().state_dict().items()
        if not name.startswith("fc.")
    }
    safetensors.torch.save_file(state, tmp_path / "cut.safetensors")
    backbone = tl.load_backbone("resnet18", weights=tmp_path / "cut.safetensors", image_size_px=32)
    with pytest.raises(NoClassifierError, match=r"cut\.safetensors holds no classifier of resnet18"):
        predict_source(backbone, images)
    state = torchvision.models.squeezenet1_1().state_dict()
    safetensors.torch.save_file(state, tmp_path / "squeezenet.safetensors")
    backbone = tl.load_backbone("squeezenet1_1", weights=tmp_path / "squeezenet.safetensors", image_size_px=64)
    with pytest.raises(NoClassifierError, match="squeezenet1_1 doesn't end with one linear layer on its 512 features"):
        predict_source(backbone, images)


def make_scores(n_candidates=12, seed=0):
    random = np.random.default_rng(seed)
    accuracy = random.uniform(0.3, 0.9, n_candidates)
    return pd.DataFrame(
        {
            "name": [f"network {number}" for number in range(n_candidates)],
            "stage": "stage4",
            "image_size_px": 64,
            "logme": accuracy + random.normal(0, 0.1, n_candidates),
            "knn": -accuracy,
            "n_flops": random.permutation(n_candidates),
            "n_parameters": 5,
            "accuracy": accuracy,
        }
    )


def slow_tau(one, other):
    pairs = list(itertools.combinations(range(len(one)), 2))
    signs = [np.sign(one[i] - one[j]) * np.sign(other[i] - other[j]) for i, j in pairs]
    return sum(signs) / len(pairs)


def slow_weighted_tau(one, other):
    # Hyperbolic weights of both ranks added up, ranks from 0 by the one and then by the other, the mean of both.
    def by(first):
        ranks = {index: place for place, index in enumerate(np.argsort(-np.asarray(first)))}
        total = agreeing = 0.0
        for i, j in itertools.combinations(range(len(one)), 2):
            weight = 1 / (ranks[i] + 1) + 1 / (ranks[j] + 1)
            total += weight
            agreeing += weight * np.sign(one[i] - one[j]) * np.sign(other[i] - other[j])
        return agreeing / total

    return (by(one) + by(other)) / 2


def test_agreement_equals_slow_loops():
    table = make_scores()
    agreement = compare_with_accuracy(table, "accuracy", n_draws=50).set_index("score")
    assert list(agreement.index) == ["logme", "knn", "n_parameters", "n_flops"]
    assert agreement["kind"].tolist() == ["score", "score", "costs nothing", "costs nothing"]
    for score in ("logme", "n_flops"):
        values, accuracy = table[score].to_numpy(float), table["accuracy"].to_numpy()
        assert agreement.loc[score, "tau"] == pytest.approx(slow_tau(values, accuracy), abs=1e-6)
        assert agreement.loc[score, "weighted_tau"] == pytest.approx(slow_weighted_tau(values, accuracy), abs=1e-6)
    assert agreement.loc["knn", ["tau", "tau_low", "tau_high"]].tolist() == pytest.approx([-1, -1, -1])
    assert np.isnan(agreement.loc["n_parameters", "tau"])
    assert (agreement["n_candidates"] == 12).all()


def test_intervals_hold_the_value_and_narrow_with_more_candidates():
    widths = []
    for n_candidates in (12, 100):
        row = compare_with_accuracy(make_scores(n_candidates), "accuracy", scores=["logme"], n_draws=200).iloc[0]
        assert row["tau_low"] < row["tau"] < row["tau_high"]
        assert row["weighted_tau_low"] < row["weighted_tau"] < row["weighted_tau_high"]
        widths.append(row["tau_high"] - row["tau_low"])
    assert widths[1] < widths[0] / 2


def test_accuracies_go_by_name():
    table = make_scores()
    shuffled = table.sample(frac=1, random_state=1)
    by_name = shuffled.set_index("name")["accuracy"]
    expected = compare_with_accuracy(table, "accuracy", n_draws=20)
    for accuracies in (by_name, by_name.to_dict()):
        pd.testing.assert_frame_equal(
            compare_with_accuracy(table.drop(columns="accuracy"), accuracies, n_draws=20), expected
        )


def test_candidates_without_a_value_are_left_out():
    table = make_scores()
    table.loc[:2, "logme"] = np.nan
    table.loc[:9, "knn"] = np.nan
    agreement = compare_with_accuracy(table, "accuracy", n_draws=20).set_index("score")
    assert agreement["n_candidates"].to_dict() == {"logme": 9, "knn": 2, "n_parameters": 12, "n_flops": 12}
    assert np.isnan(agreement.loc["knn", "tau"])


def test_few_candidates_are_warned_of_and_fewer_refused():
    with pytest.warns(SelectionWarning, match="9 candidates: with fewer than 10 the intervals are wide"):
        compare_with_accuracy(make_scores(9), "accuracy", n_draws=20)
    with pytest.raises(ValueError, match="accuracies: of 2 candidates, expected three or more"):
        compare_with_accuracy(make_scores(2), "accuracy")


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"accuracies": "acuracy"}, "accuracies: 'acuracy' is unknown; nearest: 'accuracy'"),
        ({"accuracies": {"network 99": 0.5}}, "accuracies: 'network 99' is unknown"),
        ({"accuracies": "accuracy", "scores": ["leep"]}, "scores: 'leep' is unknown"),
    ],
)
def test_columns_and_names_that_are_not_there_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        compare_with_accuracy(make_scores(), **keywords)
