"""Backbones: stages, features, seeds, sizes, cost, and the real default weights."""

import numpy as np
import pytest
import torch
from made_networks import SOME_NAMES, TINY_RECIPE, copy_state, make_tiny_backbone, same_bits

import tlkit as tl
from tlkit.backbones.backbone import Backbone
from tlkit.backbones.identity import is_covered
from tlkit.backbones.networks import CATALOGUE
from tlkit.backbones.weights.read import read_weights


def load_random(name="mobilenet_v3_small", image_size_px=64, seed=0):
    return tl.load_backbone(name, weights=None, image_size_px=image_size_px, seed=seed)


def count_resnet18_flops(side):
    """Count 2 × multiply-adds of ResNet-18's convolutions by hand, for a side that is divisible by 32."""
    side //= 2
    total = 2 * side**2 * 64 * 3 * 7**2
    side, n_before = side // 2, 64
    for n_channels in (64, 128, 256, 512):
        if n_channels > 64:
            side //= 2
            total += 2 * side**2 * n_channels * n_before  # the 1 × 1 convolution beside the first block
        total += 2 * side**2 * n_channels * (n_before + 3 * n_channels) * 3**2
        n_before = n_channels
    return total


@pytest.mark.parametrize("name", SOME_NAMES)
def test_random_weights_depend_on_the_seed_alone(name):
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    first = load_random(name, 32, seed=0)
    assert torch.equal(torch.random.get_rng_state(), before), "loading used up the reader's random numbers"
    torch.manual_seed(456)
    assert same_bits(first.state_dict(), load_random(name, 32, seed=0).state_dict())
    other = load_random(name, 32, seed=1)
    weights = [(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True) if a.ndim > 1]
    assert weights
    assert not any(torch.equal(a, b) for a, b in weights)


def test_a_loaded_network_is_in_evaluation_mode_with_nothing_frozen():
    backbone = load_random()
    assert not any(module.training for module in backbone.modules())
    assert all(value.requires_grad for value in backbone.parameters())
    assert backbone.provenance == {
        "source": "random weights, seed 0",
        "file": None,
        "sha256": None,
        "licence": "none needed",
    }


def test_a_backbone_shows_what_it_is():
    text = repr(load_random())
    for part in ("mobilenet_v3_small", "random weights, seed 0", "1.5 M", "1024 features", "64 px", "stem, stage1"):
        assert part in text


def test_preprocessing_is_the_recipe_of_the_weights_at_the_size_of_the_network():
    backbone = load_random(image_size_px=48)
    picture = tl.load_images("styles").read(0)
    values = backbone.preprocess(picture)
    assert values.shape == (3, 48, 48)
    assert backbone.image_size_px == 48
    assert np.array_equal(values, CATALOGUE["mobilenet_v3_small"].recipe.at(48)(picture))
    assert load_random(image_size_px=None).recipe == CATALOGUE["mobilenet_v3_small"].recipe


@pytest.mark.parametrize("image_size_px", [32, 33, 1024])
def test_the_smallest_an_odd_and_the_largest_size_are_taken(image_size_px):
    assert load_random(image_size_px=image_size_px).n_features == 1024


@pytest.mark.parametrize(("image_size_px", "kind"), [(31, ValueError), (1025, ValueError), (0, ValueError)])
def test_a_size_out_of_bounds_is_answered_with_the_bounds(image_size_px, kind):
    with pytest.raises(kind, match=rf"image_size_px: {image_size_px}, expected 32 to 1024"):
        load_random(image_size_px=image_size_px)


@pytest.mark.parametrize("image_size_px", [64.0, "64", True])
def test_a_size_that_is_no_whole_number_is_refused(image_size_px):
    with pytest.raises(TypeError, match=rf"image_size_px: {image_size_px!r}, expected a whole number of pixels"):
        load_random(image_size_px=image_size_px)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"name: 'resnet_18' is not .*; nearest: 'resnet18'"):
        load_random("resnet_18")


def test_an_unknown_stage_is_answered_with_those_there_are():
    backbone = make_tiny_backbone()
    for stage in ("stage2", 0, -3, True):
        with pytest.raises(ValueError, match=r"is not a stage of tiny, nor -1 to -2; .*known: 'stage1', 'stem'"):
            backbone.until(stage)


def test_the_tiny_networks_cost_equals_a_count_by_hand():
    cost = make_tiny_backbone().cost()
    convolutions = (3 * 9 * 4 + 4) + (4 * 9 * 6 + 6)
    norms = 2 * 4 + 2 * 6
    assert cost.n_parameters == convolutions + norms
    assert cost.n_flops == 2 * (7 * 7 * 4 * 3 * 9 + 5 * 5 * 6 * 4 * 9)  # from 16 px to 7, then to 5
    assert cost.parameters_mib == pytest.approx(4 * (convolutions + norms) / 2**20)


def test_resnet18_costs_what_its_layers_add_up_to():
    cost = load_random("resnet18", None).cost()
    assert cost.n_parameters == 11_689_512 - 513_000  # as published, less the classifier
    assert cost.n_flops == count_resnet18_flops(224)
    assert cost.n_flops == pytest.approx(3.6e9, rel=0.02)
    assert load_random("resnet18", 64).cost().n_flops == count_resnet18_flops(64)


def test_building_and_costing_leave_modes_and_bits_as_they_were():
    backbone = make_tiny_backbone()
    backbone.train()
    backbone.body["stage1"].eval()
    modes = [module.training for module in backbone.modules()]
    state = copy_state(backbone)
    backbone.cost()
    backbone.fingerprint()
    assert [module.training for module in backbone.modules()] == modes
    assert same_bits(backbone.state_dict(), state)
    trained = Backbone("again", dict(backbone.body), backbone.tail, TINY_RECIPE, {"source": "a test"})
    assert trained.training
    assert same_bits(trained.state_dict(), state)


def test_the_fingerprint_changes_with_whatever_decides_the_features():
    fingerprint = make_tiny_backbone().fingerprint()
    assert make_tiny_backbone().fingerprint() == fingerprint
    assert make_tiny_backbone(seed=1).fingerprint() != fingerprint
    assert make_tiny_backbone(recipe=TINY_RECIPE.at(17)).fingerprint() != fingerprint
    for path in ("body.stem.0.weight", "body.stage1.1.running_mean"):
        changed = make_tiny_backbone()
        value = changed.state_dict()[path].view(-1)
        value[-1] = torch.nextafter(value[-1], torch.tensor(torch.inf))
        assert changed.fingerprint() != fingerprint, path
    with torch.no_grad():
        trained = make_tiny_backbone()
        trained.train()
        assert trained.fingerprint() == fingerprint, "the mode is no part of what a network is"


def test_the_bundled_weights_are_all_read_and_know_their_source():
    backbone = tl.load_backbone(image_size_px=32)
    assert backbone.name == "efficientnet_lite0"
    provenance = backbone.provenance
    tensors, sha256 = read_weights(provenance["file"])
    assert len(tensors) == 296
    assert (provenance["sha256"], provenance["licence"]) == (sha256, "Apache-2.0")
    assert sha256.startswith("57934424")
    own = list(backbone.state_dict().values())
    assert len(own) == 294  # without the classifier's two
    assert all(torch.equal(a, b) for a, b in zip(own, list(tensors.values())[:294], strict=True))


def test_the_bundled_weights_tell_clip_art_apart_far_better_than_chance():
    images = tl.load_images("styles", domain="clipart").few(7)
    backbone = tl.load_backbone(image_size_px=96)
    features = tl.extract_features(backbone, images, "torch", cache=False, progress=False)
    is_test = np.isin(images.names, images.split(test_fold=0)[1].names)
    accuracy = tl.fit_head(features[~is_test], "knn").score(features[is_test])
    # Random weights reach about twice the chance.
    assert accuracy > 4 / len(np.unique(images.labels))


class Scaled(torch.nn.Module):
    """A module of a user: a number and a buffer that no state holds, and code of its own."""

    def __init__(self, number=1.0, buffer=1.0, activation=torch.nn.functional.relu):
        super().__init__()
        self.number, self.activation = number, activation
        self.register_buffer("unsaved", torch.full((1,), buffer), persistent=False)

    def forward(self, batch):
        return self.activation(batch) * self.number * self.unsaved


def make_scaled(cls=Scaled, **settings):
    backbone = make_tiny_backbone()
    stages = {"stem": backbone.body["stem"], "scaled": cls(**settings), "stage1": backbone.body["stage1"]}
    return Backbone("scaled", stages, backbone.tail, TINY_RECIPE, {"source": "a test"})


def define(line, helper="abs(x)"):
    """Return a class with this line in its forward pass, as if its cell in a notebook had been run (again)."""
    code = (
        f"def help_out(x):\n    return {helper}\n"
        f"class Scaled(Base):\n    def forward(self, batch):\n        return {line}\n"
    )
    names = {"Base": Scaled, "__name__": "__main__"}
    exec(compile(code, f"<cell {id(names)}>", "exec"), names)
    return names["Scaled"]


@pytest.mark.parametrize("change", [{"number": 2.0}, {"buffer": 2.0}, {"activation": torch.nn.functional.gelu}])
def test_the_fingerprint_covers_values_that_no_state_holds(change):
    fingerprint = make_scaled().fingerprint()
    assert make_scaled().fingerprint() == fingerprint != make_scaled(**change).fingerprint()
    changed = make_scaled()
    changed.body["scaled"].tensor = torch.ones(1)
    assert changed.fingerprint() != fingerprint


def test_the_fingerprint_covers_the_code_of_a_users_own_modules():
    line = "self.unsaved * help_out(batch)"
    fingerprint = make_scaled(define(line)).fingerprint()
    assert make_scaled(define(line)).fingerprint() == fingerprint, "the same cell, run again"
    for other in (define("self.unsaved * help_out(batch) + 1"), define(line, "abs(x) + 1"), define(line, "x.relu()")):
        assert make_scaled(other).fingerprint() != fingerprint


def test_the_fingerprint_covers_a_method_that_a_librarys_class_was_given(monkeypatch):
    fingerprint = make_tiny_backbone().fingerprint()
    monkeypatch.setattr(torch.nn.ReLU, "forward", lambda self, batch: batch.abs())
    assert make_tiny_backbone().fingerprint() != fingerprint


def add_hook(backbone):
    return backbone.body["stem"].register_forward_hook(lambda module, inputs, output: output + 1)


def replace_forward(backbone):
    backbone.body["stem"].forward = lambda batch: batch


@pytest.mark.parametrize("change", [add_hook, replace_forward])
def test_no_fingerprint_covers_hooks_and_replaced_methods(change):
    backbone = make_tiny_backbone()
    assert is_covered(backbone)
    change(backbone)
    assert not is_covered(backbone)
