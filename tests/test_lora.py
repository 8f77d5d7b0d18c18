"""Low-rank adapters: where they are put, that they start from nothing, and that merging keeps what they learned."""

import copy
import functools
import sys

import numpy as np
import pytest
import torch
from made_networks import TINY_RECIPE, copy_state, make_batch, make_tiny_backbone, same_bits
from made_training import make_training
from timm.layers import Conv2dSame, StdConv2d
from torch import nn

import tlkit as tl
from tlkit.backbones.backbone import Backbone
from tlkit.training.lora import insert_lora, merge, merge_lora
from tlkit.training.optimizer import apply_phase, count_frozen_stages

RATES = {"adapter": 5e-3, "head": 1e-2}


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).few(4)


@pytest.fixture(scope="module")
def lite0():
    return tl.load_backbone("efficientnet_lite0", image_size_px=64)


def make_strategy(n_epochs=2, train=("adapter", "head"), rates=RATES, norm_statistics="frozen", **settings):
    phase = tl.Phase(train, n_epochs, rates, norm_statistics=norm_statistics)
    return tl.Strategy([phase], functools.partial(insert_lora, **settings), merge_lora, name="lora")


def transfer(backbone, images, strategy, **settings):
    return tl.transfer(backbone, images, strategy, progress=False, **settings)


def list_adapted(backbone):
    return sorted({name.partition(".lora_")[0] for name in backbone.state_dict() if "lora_" in name})


class Bypassed(nn.Module):
    """A layer whose weights are used past it, as Swin does."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, batch):
        return nn.functional.linear(batch.mean((2, 3)), self.linear.weight, self.linear.bias)


def make_backbone_of_all_kinds():
    """A backbone with each kind of layer that takes an adapter, and of those that can't be merged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        stages = {
            "alone": nn.Conv2d(3, 8, 3, stride=2, padding=1),
            "kinds": nn.Sequential(
                Conv2dSame(8, 8, 3, stride=2),
                nn.Conv2d(8, 8, 3, padding=1, groups=8),
                nn.Conv2d(8, 8, 3, padding=2, dilation=2),
                nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"),
                StdConv2d(8, 8, 3, padding=1),
                nn.Conv2d(8, 6, 1, bias=False),
            ),
            "bypassed": Bypassed(),
            "linear": nn.Linear(6, 7),
        }
    return Backbone("kinds", stages, nn.Identity(), TINY_RECIPE, {"source": "a test"}).eval()


def test_adapters_are_put_where_they_can_be_merged():
    adapted = insert_lora(make_backbone_of_all_kinds(), 0, rank=2)
    assert list_adapted(adapted) == ["body.alone", "body.kinds.0", "body.kinds.5", "body.linear"]


@pytest.mark.parametrize(
    ("name", "n_adapted"),
    [
        pytest.param("efficientnet_lite0", 33, marks=pytest.mark.slow),
        pytest.param("timm:vit_tiny_patch16_224", 49, marks=pytest.mark.slow),
        pytest.param("vit_b_32", 25, marks=pytest.mark.slow),
        pytest.param("swin_t", 28, marks=pytest.mark.slow),
    ],
)
def test_networks_of_the_catalogue_start_as_they_were(name, n_adapted):
    backbone = tl.load_backbone(name, weights=None)
    adapted = insert_lora(backbone, 0)
    batch = make_batch(1, backbone.image_size_px)
    with torch.no_grad():
        assert torch.equal(adapted(batch), backbone(batch))
    assert len(list_adapted(adapted)) == n_adapted


def test_the_given_backbone_and_torch_random_state_are_left_alone():
    backbone = make_tiny_backbone()
    fingerprint, state = backbone.fingerprint(), torch.random.get_rng_state()
    adapted = insert_lora(backbone, 3)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert backbone.fingerprint() == fingerprint
    assert list_adapted(adapted) == ["body.stage1.0", "body.stem.0"]


def test_the_seed_decides_what_is_drawn_and_b_is_zero():
    states = [copy_state(insert_lora(make_tiny_backbone(), seed)) for seed in (1, 1, 2)]
    assert same_bits(states[0], states[1])
    drawn = [name for name in states[0] if "lora_A" in name]
    assert drawn
    assert not [name for name in drawn if torch.equal(states[0][name], states[2][name])]
    assert not [name for name, value in states[0].items() if "lora_B" in name and value.any()]


@pytest.mark.parametrize("make", [make_tiny_backbone, make_backbone_of_all_kinds])
def test_an_adapted_layer_adds_scale_times_b_after_a(make):
    rank, scale = 3, 0.7
    adapted = insert_lora(make(), 0, rank=rank, scale=scale)
    generator = torch.Generator().manual_seed(1)
    n_checked = 0
    for path in list_adapted(adapted):
        layer = adapted.get_submodule(path)
        down, up = layer.lora_A["default"], layer.lora_B["default"]
        assert down.weight.shape[0] == up.weight.shape[1] == rank
        with torch.no_grad():
            up.weight.normal_(generator=generator)
            n_input = down.weight.shape[1]
            batch = torch.randn((2, n_input, 9, 9) if down.weight.ndim == 4 else (2, n_input), generator=generator)
            expected = layer.base_layer(batch) + scale * up(down(batch))
            assert torch.allclose(layer(batch), expected, atol=1e-6)
        n_checked += 1
    assert n_checked


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1, 1), (5, 4, 3, 2)])
def test_merging_equals_a_slow_sum(shape):
    rank = 3
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=generator)
    down = torch.randn((rank, *shape[1:]), generator=generator)
    up = torch.randn((shape[0], rank, *(1 for _ in shape[2:])), generator=generator)
    merged = merge(weight, down, up).numpy()
    for place in np.ndindex(shape):
        change = sum(float(up[place[0], k].sum()) * float(down[(k, *place[1:])]) for k in range(rank))
        assert merged[place] == pytest.approx(float(weight[place]) + change, abs=1e-5)


@pytest.mark.parametrize("kind", ["lite0", "tiny", "kinds"])
def test_merged_equals_unmerged_and_is_an_ordinary_backbone(kind, lite0, images):
    made = {"lite0": lambda: lite0, "tiny": make_tiny_backbone, "kinds": make_backbone_of_all_kinds}
    backbone = made[kind]()
    batch = make_batch(4, backbone.image_size_px)
    adapted = []

    def finish(training):
        adapted.append(copy.deepcopy(training.backbone))
        merge_lora(training)

    prepare = functools.partial(insert_lora, scale=0.7)
    strategy = tl.Strategy([tl.Phase(["adapter", "head"], 2, RATES)], prepare, finish)
    run = transfer(backbone, images, strategy)
    unmerged, merged = adapted[0].eval(), run.backbone
    by_peft = copy.deepcopy(unmerged)
    for module in by_peft.modules():
        if hasattr(module, "lora_A"):
            module.merge()
    with torch.no_grad():
        assert (backbone(batch) - merged(batch)).abs().max() > 1e-3
        largest = merged(batch).abs().max()
        assert (unmerged(batch) - merged(batch)).abs().max() < 1e-5 * max(1, largest)
        # In float64, so that only the merging differs; in float32 Lite0's last bits alone make 1e-5.
        networks = [network.double() for network in (unmerged, copy.deepcopy(merged), by_peft)]
        features = [network(batch.double()) for network in networks]
    assert (features[0] - features[1]).abs().max() < 1e-5
    assert (features[2] - features[1]).abs().max() < 1e-5
    assert run.backbone.state_dict().keys() == backbone.state_dict().keys()
    assert repr(run.backbone.body) == repr(backbone.body)
    assert not hasattr(run.backbone, "peft_config")
    assert type(run.backbone) is Backbone


def test_only_adapters_and_head_learn(images):
    backbone, n_classes = make_tiny_backbone(), len(images.classes)
    strategy = make_strategy()
    training = make_training(insert_lora(backbone, 0), nn.Linear(6, n_classes), strategy, images)
    head = copy_state(training.head)
    groups = apply_phase(training.backbone, training.head, strategy.phases[0])
    learning = sum(value.numel() for _, values in groups for value in values)
    training = make_training(training.backbone, training.head, tl.Strategy(strategy.phases), images)
    before = copy_state(training.backbone)
    training.run()
    after = training.backbone.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if "lora_" in name}
    assert not same_bits(head, training.head.state_dict())
    assert learning == training.n_trained
    rank = 4
    assert learning == rank * (3 * 9 + 4) + rank * (4 * 9 + 6) + 7 * n_classes


def test_no_stage_with_trained_adapters_counts_as_frozen():
    adapted, head = insert_lora(make_tiny_backbone(), 0), nn.Linear(6, 3)
    apply_phase(adapted, head, tl.Phase(["head"], 1, 1e-3))
    assert count_frozen_stages(adapted) == 2
    apply_phase(adapted, head, tl.Phase(["adapter", "head"], 1, 1e-3))
    assert count_frozen_stages(adapted) == 0


@pytest.mark.parametrize("head_first", [False, True])
def test_rank_0_is_the_strategy_without_adapters_bit_for_bit(images, monkeypatch, head_first):
    monkeypatch.setitem(sys.modules, "peft", None)
    backbone = make_tiny_backbone()
    first = [tl.Phase(["head"], None)] if head_first else []
    without = tl.Strategy([*first, tl.Phase(["head"], 3, 1e-2)])
    phase = tl.Phase(["adapter", "head"], 3, {"adapter": 5e-3, "head": 1e-2})
    rank_0 = tl.Strategy([*first, phase], functools.partial(insert_lora, rank=0), merge_lora)
    runs = [transfer(backbone, images, strategy) for strategy in (without, rank_0)]
    assert same_bits(runs[0].head.state_dict(), runs[1].head.state_dict())
    assert runs[0].backbone.fingerprint() == runs[1].backbone.fingerprint() == backbone.fingerprint()
    assert runs[0].history == runs[1].history
    assert runs[1].adapters == {}
    assert runs[1].changed == []


def test_without_peft_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModuleNotFoundError, match=r"LoRA needs peft, .* pip install peft"):
        insert_lora(make_tiny_backbone(), 0)


@pytest.mark.slow
def test_a_merged_run_needs_no_peft(images, tmp_path, monkeypatch):
    run = transfer(tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32), images, make_strategy())
    monkeypatch.setitem(sys.modules, "peft", None)
    predicted = run.predict(images)
    run.save(tmp_path)
    assert np.array_equal(tl.load_run(tmp_path).predict(images), predicted)


def test_a_run_holds_the_adapters_that_its_weights_were_merged_from(images):
    backbone = make_tiny_backbone()
    run = transfer(backbone, images, make_strategy(rank=2, scale=0.3, norm_statistics="moving"))
    paths = ("body.stage1.0", "body.stem.0")
    assert sorted(run.adapters) == [f"{path}.lora_{matrix}" for path in paths for matrix in "AB"]
    before, after = backbone.state_dict(), run.backbone.state_dict()
    for path in paths:
        merged = merge(before[f"{path}.weight"], run.adapters[f"{path}.lora_A"], run.adapters[f"{path}.lora_B"])
        assert torch.equal(merged, after[f"{path}.weight"])
    weights = {f"{path}.weight" for path in paths}
    moved = {name for name in before if "running_" in name or "num_batches" in name}
    assert len(moved) == 6
    assert set(run.changed) == weights | moved


def test_adapters_of_weights_that_learned_too_are_not_held(images):
    train = ("adapter", "stage1", "head")
    run = transfer(make_tiny_backbone(), images, make_strategy(train=train, rates=1e-2))
    assert sorted(run.adapters) == ["body.stem.0.lora_A", "body.stem.0.lora_B"]
    assert {"body.stem.0.weight", "body.stage1.0.weight"} <= set(run.changed)


@pytest.mark.parametrize("stop_after", [1, 3, 4])
def test_a_training_that_was_stopped_goes_on_to_the_same_bits(images, tmp_path, stop_after):
    backbone = make_tiny_backbone()
    strategy = make_strategy(n_epochs=3, norm_statistics="moving")
    settings = {"batch_size": 6, "seed": 5}
    whole = transfer(backbone, images, strategy, **settings)
    n_steps = [0]

    def stop(training):
        n_steps[0] += 1
        return n_steps[0] == stop_after

    kept = {"checkpoint": tmp_path, "checkpoint_every_s": 0}
    stopped = transfer(backbone, images, strategy, callbacks=[stop], **settings, **kept)
    assert not stopped.completed
    resumed = transfer(backbone, images, strategy, **settings, **kept)
    assert resumed.completed
    assert resumed.backbone.fingerprint() == whole.backbone.fingerprint() != stopped.backbone.fingerprint()
    assert same_bits(resumed.head.state_dict(), whole.head.state_dict())
    assert same_bits(resumed.adapters, whole.adapters)
    assert resumed.n_trained == whole.n_trained


@pytest.mark.slow
def test_a_training_that_was_stopped_gives_an_ordinary_backbone(images, tmp_path):
    backbone = tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)
    run = transfer(backbone, images, make_strategy(), callbacks=[lambda training: True])
    assert not run.completed
    assert run.backbone.state_dict().keys() == backbone.state_dict().keys()
    assert run.adapters
    run.save(tmp_path)
    assert np.array_equal(tl.load_run(tmp_path).predict(images), run.predict(images))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rank": -1}, ValueError, "rank: -1, expected a whole number of at least 0"),
        ({"rank": 2.0}, TypeError, r"rank: 2\.0 is a float, expected a whole number"),
        ({"rank": True}, ValueError, "rank: True, expected a whole number"),
        ({"scale": 0}, ValueError, r"scale: 0, expected a number above 0; for no adapters take rank=0"),
        ({"scale": float("nan")}, ValueError, "scale: nan, expected a number above 0"),
        ({"scale": "1"}, TypeError, "scale: '1', expected a number"),
    ],
)
def test_bad_settings_are_named(settings, error, message):
    with pytest.raises(error, match=message):
        insert_lora(make_tiny_backbone(), 0, **settings)


def test_a_network_without_a_layer_for_it_is_named():
    stages = {"stem": nn.Conv2d(3, 3, 3, groups=3)}
    tail = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
    backbone = Backbone("grouped", stages, tail, TINY_RECIPE, {"source": "a test"})
    with pytest.raises(ValueError, match="backbone: grouped has no linear layer or convolution that could take an"):
        insert_lora(backbone, 0)
