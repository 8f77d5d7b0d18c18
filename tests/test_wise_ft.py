"""WiSE-FT against a loop over NumPy arrays; both ends are their runs bit for bit; what doesn't fit is refused."""

import copy
import functools

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_tiny_backbone, same_bits

import tlkit as tl
from tlkit.training.batches import TrainingPictures
from tlkit.training.wise_ft import interpolate_with_parent

PROBE = tl.Phase(["head"], None)


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])


@pytest.fixture(scope="module")
def train(images):
    return images.split()[0].few(4)


@pytest.fixture(scope="module")
def test_images(images):
    return images.split()[1]


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone()


def run_phases(backbone, train, *phases, finish=None, seed=0):
    return tl.transfer(backbone, train, tl.Strategy(list(phases), finish=finish), seed=seed, progress=False)


@pytest.fixture(scope="module")
def probe(backbone, train):
    return run_phases(backbone, train, PROBE)


@pytest.fixture(scope="module")
def tuned(backbone, train):
    return run_phases(backbone, train, PROBE, tl.Phase(["stage1", "head"], 2, 1e-2))


@pytest.fixture(scope="module")
def moved(backbone, train):
    return run_phases(backbone, train, PROBE, tl.Phase(["stage1", "head"], 2, 1e-2, norm_statistics="moving"))


def states(run):
    """Copies of the weights of a run: (backbone's, head's)."""
    return copy_state(run.backbone), copy_state(run.head)


@pytest.mark.parametrize("mixing_coefficient", [0.25, 0.5, 0.9])
def test_weights_equal_a_loop_over_arrays(probe, tuned, mixing_coefficient):
    between = tl.training.interpolate_runs(probe, tuned, mixing_coefficient)
    for start, end, found in zip(states(probe), states(tuned), states(between), strict=True):
        assert start.keys() == end.keys() == found.keys()
        for name in start:
            expected = [
                (1 - mixing_coefficient) * float(low) + mixing_coefficient * float(high)
                for low, high in zip(start[name].numpy().ravel(), end[name].numpy().ravel(), strict=True)
            ]
            assert found[name].dtype == start[name].dtype
            assert found[name].numpy().ravel() == pytest.approx(np.array(expected), rel=1e-6, abs=1e-8)
    assert not torch.equal(between.backbone.body["stage1"][0].weight, tuned.backbone.body["stage1"][0].weight)


def test_what_both_have_keeps_its_bits(probe, tuned):
    between = tl.training.interpolate_runs(probe, tuned, 0.3)
    assert same_bits(between.backbone.body["stem"].state_dict(), probe.backbone.body["stem"].state_dict())


def test_both_ends_are_their_runs_bit_for_bit(probe, tuned, moved, test_images):
    low, high = copy.deepcopy(probe), copy.deepcopy(moved)
    with torch.no_grad():
        low.head.bias[0], high.head.bias[1] = -0.0, -0.0
        low.head.bias[2] = high.head.weight[0, 0] = 1e30  # of which a sum of two products would lose the other's digits
    for mixing_coefficient, end in ((0, low), (1, high), (0.0, low), (1.0, high)):
        found = tl.training.interpolate_runs(low, high, mixing_coefficient)
        for state, expected in zip(states(found), states(end), strict=True):
            assert same_bits(state, expected)
            assert all(torch.equal(torch.signbit(state[name]), torch.signbit(expected[name])) for name in state)
        assert np.array_equal(found.predict(test_images), end.predict(test_images))


def test_the_runs_are_left_as_they_were(probe, tuned):
    before = [states(run) for run in (probe, tuned)]
    between = tl.training.interpolate_runs(probe, tuned, 0.5)
    with torch.no_grad():
        for value in (*between.backbone.parameters(), *between.head.parameters()):
            value += 1
    for run, kept in zip((probe, tuned), before, strict=True):
        assert all(same_bits(state, other) for state, other in zip(states(run), kept, strict=True))


def test_counters_are_those_of_the_tuned_run(probe, moved, train):
    between = tl.training.interpolate_runs(probe, moved, 0.5, train=train)
    for run in (probe, moved):
        assert run.backbone.body["stem"][1].num_batches_tracked == 0
    assert moved.backbone.body["stage1"][1].num_batches_tracked == 4
    assert between.backbone.body["stem"][1].num_batches_tracked == 0
    assert between.backbone.body["stage1"][1].num_batches_tracked == 2  # batches that it was estimated anew on
    counted, parent = copy.deepcopy(moved), copy.deepcopy(moved)
    for run, number in ((parent, 11), (counted, 7)):
        run.backbone.body["stage1"][1].num_batches_tracked.fill_(number)
    between = tl.training.interpolate_runs(parent, counted, 0.5)
    assert between.backbone.body["stage1"][1].num_batches_tracked == 7


def test_norm_statistics_that_moved_are_those_of_the_training_pictures(probe, moved, train):
    between = tl.training.interpolate_runs(probe, moved, 0.5, train=train)
    batch = TrainingPictures(train, between.backbone.recipe, 0).batch(np.arange(len(train)), None, 0)[0]
    with torch.no_grad():
        maps = between.backbone.body["stage1"][0](between.backbone.body["stem"](batch)).numpy()
    layer = between.backbone.body["stage1"][1]
    for channel in range(maps.shape[1]):
        values = maps[:, channel].astype(np.float64).ravel()
        mean = values.sum() / len(values)
        assert layer.running_mean[channel].item() == pytest.approx(mean, abs=1e-6)
        assert layer.running_var[channel].item() == pytest.approx(
            ((values - mean) ** 2).sum() / (len(values) - 1), rel=1e-4
        )
    stem = between.backbone.body["stem"][1].state_dict()
    assert same_bits(stem, probe.backbone.body["stem"][1].state_dict())
    with pytest.raises(ValueError, match="train: None, but the runs differ in the running statistics of 1 norm layers"):
        tl.training.interpolate_runs(probe, moved, 0.5)


@pytest.mark.parametrize("norm_statistics", ["frozen", "moving"])
def test_a_training_ends_between_its_probe_and_what_it_tuned(backbone, train, norm_statistics):
    tune = tl.Phase(["stage1", "head"], 2, 1e-2, norm_statistics=norm_statistics)
    finish = functools.partial(interpolate_with_parent, mixing_coefficient=0.3)
    found = run_phases(backbone, train, PROBE, tune, finish=finish, seed=3)
    parent, tuned = run_phases(backbone, train, PROBE, seed=3), run_phases(backbone, train, PROBE, tune, seed=3)
    expected = tl.training.interpolate_runs(parent, tuned, 0.3, train=train)
    assert all(same_bits(state, other) for state, other in zip(states(found), states(expected), strict=True))
    assert same_bits(found.backbone.body["stem"].state_dict(), backbone.body["stem"].state_dict())
    assert set(found.changed) == set(expected.changed)


def test_mixing_coefficient_zero_of_a_training_is_its_probe_and_a_probe_alone_stays(backbone, train, probe):
    finish = functools.partial(interpolate_with_parent, mixing_coefficient=0)
    for phases in ((PROBE, tl.Phase(["all"], 1, 1e-2, norm_statistics="moving")), (PROBE,)):
        found = run_phases(backbone, train, *phases, finish=finish)
        assert all(same_bits(state, other) for state, other in zip(states(found), states(probe), strict=True))


def test_a_run_between_says_what_it_is_and_can_be_kept(probe, tuned, test_images, tmp_path):
    between = tl.training.interpolate_runs(probe, tuned, 0.25)
    assert between.strategy["name"] == "own at 0.25"
    assert between.strategy["interpolated"] == {"mixing_coefficient": 0.25, "parent": probe.strategy}
    assert between.strategy["phases"] == tuned.strategy["phases"]
    stage = [name for name in backbone_names(tuned) if name.startswith("body.stage1.") and "running_" not in name]
    assert sorted(between.changed) == sorted(name for name in stage if "num_batches" not in name)
    assert tl.training.interpolate_runs(probe, tuned, 0).changed == []
    assert sorted(tl.training.interpolate_runs(probe, tuned, 1).changed) == sorted(tuned.changed)
    assert between.tuned
    assert not tl.training.interpolate_runs(probe, tuned, 0).tuned


def backbone_names(run):
    return list(run.backbone.state_dict())


@pytest.mark.slow
def test_a_run_between_is_saved_and_loaded(train, test_images, tmp_path):
    backbone = tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)
    parent, tuned = (run_phases(backbone, train, tl.Phase(list(keys), 1, 1e-3)) for keys in (("head",), (-1, "head")))
    between = tl.training.interpolate_runs(parent, tuned, 0.5)
    between.save(tmp_path)
    loaded = tl.load_run(tmp_path)
    assert np.array_equal(loaded.predict(test_images), between.predict(test_images))
    assert loaded.strategy["interpolated"]["mixing_coefficient"] == 0.5


def test_the_curve_holds_the_scores_of_each_mixing_coefficient_and_counts_the_looks(probe, tuned, test_images):
    before = sum(tuned.looks.values())
    curve = tl.training.interpolation_curve(probe, tuned, test_images, mixing_coefficients=[0, 0.5, 1], progress=False)
    assert list(curve.columns) == ["mixing_coefficient", "accuracy", "balanced_accuracy"]
    assert list(curve.mixing_coefficient) == [0, 0.5, 1]
    assert tuned.evaluate(test_images).n_looks == before + 4
    middle = tl.training.interpolate_runs(probe, tuned, 0.5)
    for row, run in zip(curve.itertuples(), (probe, middle, tuned), strict=True):
        scores = run.evaluate(test_images)
        assert (row.accuracy, row.balanced_accuracy) == (scores.accuracy, scores.balanced_accuracy)
    assert list(tl.training.interpolation_curve(probe, tuned, test_images).mixing_coefficient) == pytest.approx(
        np.arange(11) / 10
    )


def test_runs_that_do_not_fit_are_refused(backbone, probe, tuned, images, train):
    def refused(match, parent=probe, run=tuned, mixing_coefficient=0.5, error=ValueError):
        with pytest.raises(error, match=match):
            tl.training.interpolate_runs(parent, run, mixing_coefficient)

    for mixing_coefficient in (-0.1, 1.1, float("nan")):
        refused(
            f"mixing_coefficient: {mixing_coefficient!r}, expected a number from 0",
            mixing_coefficient=mixing_coefficient,
        )
    refused("mixing_coefficient: '0.5', expected a number", mixing_coefficient="0.5", error=TypeError)
    refused("mixing_coefficient: True, expected a number", mixing_coefficient=True, error=TypeError)
    refused("parent: .*is a str, expected a Run", parent="linear_probe", error=TypeError)
    refused("tuned: .*is a Backbone, expected a Run", run=backbone, error=TypeError)
    other = copy.deepcopy(probe)
    other.classes = ["bird", "bug"]
    refused(r"parent: its classes is \['bird', 'bug'\], that of tuned is \['bird', 'bug', 'building', ", parent=other)
    larger = copy.deepcopy(tuned)
    larger.backbone.recipe = larger.backbone.recipe.at(24)
    refused("parent: its image_size_px is 16, that of tuned is 24", run=larger)
    renamed = copy.deepcopy(tuned)
    renamed.backbone.name = "small"
    refused("parent: its network is tiny, that of tuned is small", run=renamed)
    wider = copy.deepcopy(tuned)
    wider.backbone.body["stage1"][0] = torch.nn.Conv2d(4, 8, 3)
    refused(r"parent: its backbone.body.stage1.0.\w+ is \(6, .*\), that of tuned is \(", run=wider)
