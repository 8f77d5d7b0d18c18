"""Runs made random from the head down: what is shuffled, what stays, and what heat maps make of it."""

import numpy as np
import pytest
import torch
from made_heat import make_colour_run, make_random_run
from made_networks import copy_state, same_bits
from made_pictures import make_picture
from scipy.stats import spearmanr

from tlkit.inspection import grad_cam, study_heat_maps
from tlkit.inspection.random_weights import correlate_ranks, list_depths, randomize

PICTURES = [make_picture(number, (20, 18)) for number in range(4)]
DEPTHS = ["trained", "head", "stage1", "stem"]


def list_changed_parts(run, other):
    parts = {"head": (run.head, other.head)}
    parts |= {stage: (run.backbone.body[stage], other.backbone.body[stage]) for stage in run.backbone.stages}
    return {name for name, (a, b) in parts.items() if not same_bits(copy_state(a), b.state_dict())}


def test_all_is_shuffled_from_the_head_down_to_the_depth_and_nothing_below():
    run = make_random_run()
    assert list_depths(run.backbone) == DEPTHS
    assert list_changed_parts(run, randomize(run, "trained")) == set()
    assert list_changed_parts(run, randomize(run, "head")) == {"head"}
    assert list_changed_parts(run, randomize(run, "stage1")) == {"head", "stage1"}
    assert list_changed_parts(run, randomize(run, "stem")) == {"head", "stage1", "stem"}


def test_numbers_stay_the_same_in_another_order_and_the_run_stays_as_it_was():
    run = make_random_run()
    before = copy_state(run.backbone), copy_state(run.head)
    random = randomize(run, "stem", seed=3)
    n_moved = 0
    for old, new in ((run.backbone, random.backbone), (run.head, random.head)):
        for name, tensor in new.state_dict().items():
            kept = old.state_dict()[name]
            assert torch.equal(tensor.reshape(-1).sort().values, kept.reshape(-1).sort().values)
            n_moved += not torch.equal(tensor, kept)
    assert n_moved >= 6
    assert same_bits(before[0], run.backbone.state_dict())
    assert same_bits(before[1], run.head.state_dict())
    assert not random.backbone.training


def test_a_seed_shuffles_alike_whatever_the_depth():
    run = make_random_run()
    head, deeper = randomize(run, "head", seed=1), randomize(run, "stem", seed=1)
    assert same_bits(copy_state(head.head), deeper.head.state_dict())
    assert not same_bits(copy_state(head.head), randomize(run, "head", seed=2).head.state_dict())
    with pytest.raises(ValueError, match="depth: 'haed' is unknown; nearest: 'head'"):
        randomize(run, "haed")


def test_a_study_keeps_each_map_and_how_like_the_trained_one_it_is():
    run = make_random_run()
    study = study_heat_maps(run, PICTURES, depths=["stem", "head"], seed=5)
    assert study.depths == ["trained", "head", "stem"]
    labels = run.predict(PICTURES).argmax(axis=1)
    assert study.labels == [run.classes[label] for label in labels]
    assert study.inputs.shape == (4, 16, 16, 3)
    for place, depth in enumerate(study.depths):
        expected = grad_cam(randomize(run, depth, seed=5), PICTURES, label=labels)
        assert np.array_equal(study.maps["Grad-CAM"][place], expected)
    assert set(study.maps) == {"Grad-CAM", "integrated gradients"}
    assert study.maps["integrated gradients"].min() >= 0
    for row in study.correlations.itertuples():
        maps = study.maps[row.method]
        first, other = maps[0, row.picture].ravel(), maps[study.depths.index(row.depth), row.picture].ravel()
        if np.ptp(first) and np.ptp(other):
            assert row.correlation == pytest.approx(spearmanr(first, other).statistic)
        else:
            assert np.isnan(row.correlation)
    assert study.means.loc["trained"].tolist() == pytest.approx([1, 1])
    assert study.means.index.tolist() == study.depths
    of_stem = study.correlations.query("method == 'Grad-CAM' and depth == 'stem'")["correlation"]
    assert study.means.loc["stem", "Grad-CAM"] == pytest.approx(of_stem.mean())


def test_a_map_that_asks_no_network_stays_the_same_to_the_end():
    run = make_colour_run()

    def show_brightness(run, pictures, label):
        return np.stack([np.asarray(pictures.read(place).resize((16, 16)).convert("L")) for place in range(4)])

    study = study_heat_maps(run, PICTURES, {"brightness": show_brightness})
    assert (study.correlations["correlation"] == 1).all()


def test_ranks_are_correlated_and_a_flat_map_has_no_rank():
    random = np.random.default_rng(0)
    first, other = random.integers(0, 4, (2, 5, 6))
    assert correlate_ranks(first, other) == pytest.approx(spearmanr(first.ravel(), other.ravel()).statistic)
    assert correlate_ranks(first, -first) == -1
    assert np.isnan(correlate_ranks(first, np.zeros((5, 6))))


def test_maps_are_correlated_inside_the_object_only():
    run, inside = make_random_run(), np.zeros((4, 16, 16), bool)
    inside[:, 4:12, 4:12] = True
    study = study_heat_maps(run, PICTURES, {"Grad-CAM": grad_cam}, depths=["stem"], inside=inside)
    first, other = (maps[1, 4:12, 4:12].ravel() for maps in study.maps["Grad-CAM"])
    expected = spearmanr(first, other).statistic if np.ptp(first) and np.ptp(other) else np.nan
    found = study.correlations.query("depth == 'stem' and picture == 1")["correlation"].item()
    assert found == pytest.approx(expected, nan_ok=True)
    with pytest.raises(ValueError, match=r"inside: shape \(4, 8, 8\), expected \(4, 16, 16\)"):
        study_heat_maps(run, PICTURES, {"Grad-CAM": grad_cam}, depths=["stem"], inside=inside[:, ::2, ::2])
