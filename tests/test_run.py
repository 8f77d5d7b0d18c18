"""Runs: predictions, evaluations that are counted, saving and loading."""

import json

import numpy as np
import pytest
import torch

import tlkit as tl
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.training.checkpoints import hash_facts


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])


@pytest.fixture(scope="module")
def train(images):
    return images.split()[0].few(3)


@pytest.fixture(scope="module")
def test_images(images):
    return images.split()[1]


@pytest.fixture(scope="module")
def backbone():
    return tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)


@pytest.fixture(scope="module")
def run(backbone, train):
    strategy = tl.Strategy([tl.Phase(["all"], 1, 1e-3)], name="short")
    return tl.transfer(backbone, train, strategy, seed=4, progress=False)


def test_probabilities_sum_to_one_and_agree_with_a_plain_forward_pass(run, test_images):
    import torch

    probabilities = run.predict(test_images)
    assert probabilities.shape == (len(test_images), len(test_images.classes))
    assert np.allclose(probabilities.sum(axis=1), 1)
    batch = torch.from_numpy(np.stack([run.backbone.preprocess(picture) for picture, _ in test_images]))
    with torch.no_grad():
        plain = torch.softmax(run.head(run.backbone(batch)), dim=1).numpy()
    assert np.allclose(probabilities, plain, atol=1e-5)


def test_pictures_and_paths_are_taken_as_well(run, test_images, tmp_path):
    expected = run.predict(test_images[:2])
    pictures = [test_images.read(0), test_images.read(1)]
    pictures[0].save(tmp_path / "one.png")
    assert np.allclose(run.predict(pictures), expected, atol=1e-6)
    for one in ([tmp_path / "one.png"], tmp_path / "one.png", str(tmp_path), pictures[0]):
        assert np.allclose(run.predict(one), expected[:1], atol=1e-6)
    pictures[1].save(tmp_path / "older.png")
    assert np.allclose(run.predict(tmp_path), expected[::-1], atol=1e-6)  # sorted by path
    with pytest.raises(TypeError, match="pictures: a int, expected an ImageSet, a path, a picture or a list"):
        run.predict(7)


@pytest.mark.slow
def test_scores_on_training_pictures_are_warned_of(run, train, test_images, tmp_path):
    run.save(tmp_path)
    again = tl.load_images([(train.read(0), "bird"), (test_images.read(0), "bug")])  # in memory
    for one in (run, tl.load_run(tmp_path)):
        with pytest.warns(UserWarning, match=f"images: {len(train)} of {len(train)} pictures were trained on"):
            one.evaluate(train)
        with pytest.warns(UserWarning, match=f"9 of {len(test_images) + 9} pictures were .* held out") as caught:
            one.evaluate(test_images + train)
        assert caught[0].filename == __file__
        one.evaluate(test_images)
        one.predict(train)
    run = tl.transfer(run.backbone, again, "linear_probe", progress=False)
    with pytest.warns(UserWarning, match="images: 2 of 2 pictures"):
        run.evaluate(again)


def test_a_run_saved_before_its_pictures_were_recorded_is_loaded(run, train, tmp_path):
    run.save(tmp_path)
    described = json.loads((tmp_path / "run.json").read_text())
    del described["trained_on"], described["sha256"]
    (tmp_path / "run.json").write_text(json.dumps(described | {"sha256": hash_facts(described)}))
    tl.load_run(tmp_path).evaluate(train)


def test_scores_equal_a_slow_count(run, test_images):
    evaluation = run.evaluate(test_images)
    right_by_class, n_right = {}, 0
    for row in evaluation.predictions.itertuples():
        right_by_class.setdefault(row.label, []).append(row.label == row.predicted)
        n_right += row.label == row.predicted
    assert evaluation.accuracy == pytest.approx(n_right / len(test_images))
    shares = [sum(rights) / len(rights) for rights in right_by_class.values()]
    assert evaluation.balanced_accuracy == pytest.approx(sum(shares) / len(shares))
    assert evaluation.confusion.sum() == len(test_images)
    assert np.trace(evaluation.confusion) == n_right
    assert list(evaluation.predictions["picture"]) == list(test_images.names)
    assert list(evaluation.predictions["group"]) == list(test_images.groups)


def test_looks_at_a_test_set_are_counted(backbone, train, test_images):
    run = tl.transfer(backbone, train, "linear_probe", progress=False)
    assert [run.evaluate(test_images).n_looks for _ in range(3)] == [1, 2, 3]
    assert run.evaluate(test_images[:-1]).n_looks == 1
    assert "look number 4" in repr(run.evaluate(test_images))


def test_a_test_set_with_another_order_of_classes_is_mapped(run, test_images):
    renamed = test_images.with_classes(sorted(test_images.classes, reverse=True))
    assert run.evaluate(renamed).accuracy == run.evaluate(test_images).accuracy


def test_a_class_that_was_not_trained_for_is_refused(backbone, test_images, train):
    two = train.select(classes=["bird", "bug"]).with_classes(["bird", "bug"])
    run = tl.transfer(backbone, two, "linear_probe", progress=False)
    with pytest.raises(ValueError, match="tool"):
        run.evaluate(test_images)


def test_a_saved_run_predicts_the_same_bits(run, test_images, tmp_path):
    run.save(tmp_path / "run")
    loaded = tl.load_run(tmp_path / "run")
    assert np.array_equal(loaded.predict(test_images), run.predict(test_images))
    assert repr(loaded) == repr(run)
    assert loaded.strategy == json.loads(json.dumps(run.strategy))


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no run\.json, expected the folder of a saved run"):
        tl.load_run(tmp_path)


def test_cost_names_steps_time_memory_and_size(run):
    cost = run.cost()
    head = run.head.weight.numel() + run.head.bias.numel()
    assert cost["n_parameters"] == run.backbone.cost().n_parameters + head
    assert cost["n_steps"] == run.n_steps == 2
    assert cost["duration_s"] > 0
    assert cost["peak_memory_mib"] > 50


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_a_head_that_is_not_finite_is_not_scored(backbone, train, test_images, part):
    run = tl.transfer(backbone, train, "linear_probe", progress=False)
    with torch.no_grad():
        getattr(run.head, part).flatten()[0] = float("nan")
    for use in (run.predict, run.evaluate):
        with pytest.raises(ValueError, match=f"head.{part}: some values are NaN or infinite"):
            use(test_images)
    assert run.looks == {}
    with pytest.raises(ValueError, match="probabilities: some values are NaN"):
        evaluate_probabilities(np.full((len(test_images), len(test_images.classes)), np.nan), test_images)
