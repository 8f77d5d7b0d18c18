"""Distances from the start, by stage, against a slow count and runs whose stages are known to have moved."""

import math

import numpy as np
import pytest

import tlkit as tl
from tlkit.backbones.weights.error import WeightsError
from tlkit.inspection import measure_weight_distance


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(3)


@pytest.fixture(scope="module")
def start():
    return tl.load_backbone("resnet18", weights=None, image_size_px=32)


def train(start, images, stages):
    return tl.transfer(start, images, tl.Strategy([tl.Phase(stages, 1, 1e-3)]), progress=False)


@pytest.mark.slow
def test_distances_equal_a_slow_count(start, images):
    run = train(start, images, ["all"])
    table = measure_weight_distance(run, start).set_index("stage")
    assert list(table.index) == list(start.stages)
    for stage in start.stages:
        squares = start_squares = n_moved = n = 0
        for name, value in run.backbone.body[stage].named_parameters():
            old = dict(start.body[stage].named_parameters())[name].detach().numpy().ravel().tolist()
            for new_number, old_number in zip(value.detach().numpy().ravel()[:2000].tolist(), old, strict=False):
                squares += (new_number - old_number) ** 2
            # The slow loop takes the first numbers of each tensor, NumPy the others.
            rest = value.detach().numpy().ravel()[2000:].astype(float) - np.array(old[2000:])
            squares += (rest**2).sum()
            start_squares += sum(number**2 for number in old)
            n_moved += sum(
                new != number for new, number in zip(value.detach().numpy().ravel().tolist(), old, strict=True)
            )
            n += len(old)
        row = table.loc[stage]
        assert row["distance"] == pytest.approx(math.sqrt(squares), rel=1e-9)
        assert row["relative_distance"] == pytest.approx(math.sqrt(squares / start_squares), rel=1e-9)
        assert row["weights_moved"] == pytest.approx(n_moved / n)
        assert row["n_parameters"] == n


@pytest.mark.slow
def test_only_the_stages_that_learned_have_moved(start, images):
    table = measure_weight_distance(train(start, images, ["head", -1]), start).set_index("stage")
    assert (table["distance"] > 0).tolist() == [False] * (len(table) - 1) + [True]
    assert (table["weights_moved"] > 0.5).tolist() == [False] * (len(table) - 1) + [True]
    assert (table["buffers_moved"].fillna(0) == 0).all()
    assert (table["n_buffers"] > 0).any()


def test_buffers_that_moved_are_counted(start, images):
    run = train(start, images, ["head"])
    stage = start.stages[1]
    buffers = dict(run.backbone.body[stage].named_buffers())
    next(iter(buffers.values())).add_(1)
    table = measure_weight_distance(run, start).set_index("stage")
    assert table.loc[stage, "buffers_moved"] == pytest.approx(1 / len(buffers))
    assert (table["distance"] == 0).all()


def test_another_start_is_refused(start, images):
    run = train(start, images, ["head"])
    with pytest.raises(ValueError, match="start: resnet18 with other weights than those that Run"):
        measure_weight_distance(run, tl.load_backbone("resnet18", weights=None, image_size_px=32, seed=1))


@pytest.mark.slow
def test_a_start_that_is_not_at_hand_is_said(images):
    start = tl.load_backbone("efficientnet_lite0", weights=None, image_size_px=32)
    with pytest.raises(WeightsError, match="the run started from other weights than the pretrained ones"):
        measure_weight_distance(train(start, images, ["head"]))


def test_without_a_start_the_pretrained_one_is_loaded(images):
    run = train(tl.load_backbone("efficientnet_lite0", image_size_px=32), images, ["head", -1])
    assert (measure_weight_distance(run)["distance"] > 0).sum() == 1
