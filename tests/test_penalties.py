"""L2-SP against a loop over NumPy values, and its gradient against finite differences."""

import functools
import math

import numpy as np
import pytest
import torch
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.strategies.penalties import l2_sp


@pytest.fixture
def moved():
    """Return (backbone, start): the stem is frozen, everything has moved by up to 0.1."""
    backbone = make_tiny_backbone()
    start = {name: value.detach().clone() for name, value in backbone.named_parameters()}
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in backbone.parameters():
            value += 0.2 * torch.rand(value.shape, generator=generator) - 0.1
    backbone.body["stem"].requires_grad_(False)
    return backbone, start


def slow_l2_sp(backbone, start, penalty_weight):
    """Return the penalty of Li et al. 2018, a number at a time; the stem is frozen."""
    total = 0.0
    for name, value in backbone.named_parameters():
        if name.startswith("body.stem."):
            continue
        for now, before in zip(value.detach().numpy().ravel(), start[name].numpy().ravel(), strict=True):
            total += (float(now) - float(before)) ** 2
    return penalty_weight / 2 * total


@pytest.mark.parametrize("penalty_weight", [0.0, 0.1, 3.0])
def test_the_penalty_equals_a_loop_over_what_is_trained(moved, penalty_weight):
    backbone, start = moved
    penalty = l2_sp(backbone, start, penalty_weight=penalty_weight)
    assert penalty.shape == ()
    assert penalty.item() == pytest.approx(slow_l2_sp(backbone, start, penalty_weight), rel=1e-5)


def test_its_gradient_equals_finite_differences(moved):
    backbone, start = moved
    backbone.double()
    start = {name: value.double() for name, value in start.items()}
    l2_sp(backbone, start, penalty_weight=0.3).backward()
    assert backbone.body["stem"][0].weight.grad is None
    step = 1e-4
    for value in backbone.body["stage1"].parameters():
        for place in range(0, value.numel(), 7):
            flat = value.data.view(-1)
            penalties = []
            for change in (step, -2 * step):
                flat[place] += change
                penalties.append(slow_l2_sp(backbone, start, 0.3))
            flat[place] += step
            difference = (penalties[0] - penalties[1]) / (2 * step)
            assert value.grad.view(-1)[place].item() == pytest.approx(difference, rel=1e-6, abs=1e-9)


def test_nothing_is_pulled_at_the_start_and_where_nothing_is_trained(moved):
    backbone, start = moved
    with torch.no_grad():
        for name, value in backbone.named_parameters():
            value.copy_(start[name])
    penalty = l2_sp(backbone, start, penalty_weight=5.0)
    penalty.backward()
    assert penalty.item() == 0
    assert all(not value.grad.any() for value in backbone.body["stage1"].parameters())
    assert l2_sp(backbone.requires_grad_(False), start, penalty_weight=5.0).item() == 0


def test_in_a_training_it_keeps_the_backbone_near_its_start_and_leaves_the_head():
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(4)
    backbone = make_tiny_backbone()

    def train(**settings):
        phase = tl.Phase(["all"], 10, 1e-2, **settings)
        return tl.transfer(backbone, images, tl.Strategy([phase]), optimizer="sgd", weight_decay=0.0, progress=False)

    def distance(run):
        start = dict(backbone.named_parameters())
        moves = [(value - start[name]).detach().numpy().ravel() for name, value in run.backbone.named_parameters()]
        return np.linalg.norm(np.concatenate(moves))

    free, held = train(), train(penalty=functools.partial(l2_sp, penalty_weight=30.0))
    assert distance(held) < 0.5 * distance(free)
    same = train(penalty=functools.partial(l2_sp, penalty_weight=0.0))
    assert all(
        torch.equal(value, same.backbone.state_dict()[name]) for name, value in free.backbone.state_dict().items()
    )
    assert held.head.weight.norm() > 0.5 * free.head.weight.norm()


def test_a_penalty_weight_below_zero_is_refused(moved):
    for penalty_weight in (-0.1, math.nan):
        with pytest.raises(ValueError, match=f"penalty_weight: {penalty_weight!r}, expected a number of at least 0"):
            l2_sp(*moved, penalty_weight=penalty_weight)
