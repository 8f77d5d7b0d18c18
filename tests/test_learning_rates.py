"""Learning rates by stage: the papers' formula, and that the optimizer steps with them."""

import math

import pytest
import torch
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.strategies.phase_schedules import DISCRIMINATIVE, LAYER_DECAY, decay_learning_rates


def test_each_earlier_stage_learns_at_a_fixed_share_of_the_next():
    names = [f"stage{number}" for number in range(1, 6)]
    for decay in (DISCRIMINATIVE, LAYER_DECAY, 1):
        rates = decay_learning_rates(names, 1e-2, decay)
        assert list(rates) == [*names, "head"]
        expected = 1e-2
        for name in reversed(rates):
            assert math.isclose(rates[name], expected, rel_tol=1e-12)
            expected *= decay


def test_rates_are_those_that_the_papers_print():
    # Howard and Ruder 2018, section 3.2: the rate of layer l - 1 is that of layer l over 2.6.
    rates = tl.strategies.decay_learning_rates(["first", "second"], 0.0676)
    assert rates == pytest.approx({"first": 0.01, "second": 0.026, "head": 0.0676})
    # BEiT's layer decay: decay ** (number of layers + 1 - layer), 0 the embedding's, number + 1 the head's.
    n_blocks = 12
    layers = ["embedding", *(f"block{number}" for number in range(1, n_blocks + 1))]
    rates = decay_learning_rates(layers, 4e-3, LAYER_DECAY)
    assert list(rates.values()) == pytest.approx([4e-3 * 0.75 ** (n_blocks + 1 - layer) for layer in range(14)])


def test_a_backbone_gives_its_stages_and_a_part_of_them_leaves_the_rest_frozen():
    backbone = make_tiny_backbone()
    assert list(decay_learning_rates(backbone, 1e-2)) == ["stem", "stage1", "head"]
    assert list(decay_learning_rates(backbone.stages[1:], 1e-2)) == ["stage1", "head"]
    assert list(decay_learning_rates("stage1", 1e-2)) == ["stage1", "head"]


def test_the_optimizer_steps_with_the_rates_of_the_stages(monkeypatch):
    steps = []

    class Watched(torch.optim.AdamW):
        def step(self, closure=None):
            steps.append([(parameter, group["lr"]) for group in self.param_groups for parameter in group["params"]])
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "AdamW", Watched)
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(2)
    backbone = make_tiny_backbone()
    rates = decay_learning_rates(backbone, 1e-2, 0.5)
    run = tl.transfer(backbone, images, tl.Strategy([tl.Phase(list(rates), 1, rates)]), batch_size=4, progress=False)
    stepped = dict(steps[0])  # the only step, at the full rate
    assert len(steps) == 1
    for stage, rate in (("stem", 2.5e-3), ("stage1", 5e-3)):
        assert {stepped.pop(parameter) for parameter in run.backbone.body[stage].parameters()} == {rate}
    assert {stepped.pop(parameter) for parameter in run.head.parameters()} == {1e-2}
    assert not stepped
    # Adam's first step is the learning rate, but for its epsilon and the weight decay.
    for stage, rate in (("stem", 2.5e-3), ("stage1", 5e-3)):
        moved = run.backbone.body[stage][0].weight - backbone.body[stage][0].weight
        assert moved.abs().max().item() == pytest.approx(rate, rel=0.05)


def test_bad_arguments_are_named():
    with pytest.raises(
        ValueError, match=r"stages: 'head' in \['stage1', 'head'\], expected names of stages, each once"
    ):
        decay_learning_rates(["stage1", "head"], 1e-2)
    with pytest.raises(ValueError, match=r"stages: 'stage1' in \['stage1', 'stage1'\], expected"):
        decay_learning_rates(["stage1", "stage1"], 1e-2)
    with pytest.raises(ValueError, match="stages: -1 in"):
        decay_learning_rates([-1], 1e-2)
    with pytest.raises(ValueError, match="stages: empty, expected"):
        decay_learning_rates([], 1e-2)
    for rate in (0, -1e-3, math.inf, math.nan):
        with pytest.raises(ValueError, match=f"learning_rate: {rate!r}, expected a number above 0"):
            decay_learning_rates(["stage1"], rate)
    for decay in (0, 1.1, math.nan):
        with pytest.raises(ValueError, match=f"decay: {decay!r}, expected a number above 0 and at most 1"):
            decay_learning_rates(["stage1"], 1e-2, decay)
    with pytest.raises(TypeError, match="decay: 'fast', expected a number"):
        decay_learning_rates(["stage1"], 1e-2, "fast")
