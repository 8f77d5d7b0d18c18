"""Stages: each network of the catalogue is cut into parts that are together what its library built.

One network a family, the cheapest, is tested every day; all others are exhaustive tests.
"""

import copy
import functools
from types import SimpleNamespace

import psutil
import pytest
import timm
import torch
from made_networks import copy_state, make_batch, make_library_pair, same_bits
from torch import nn
from torchvision.models import WeightsEnum, get_model

import tlkit as tl
from tlkit.backbones.families import FAMILIES
from tlkit.backbones.loader import LARGEST_SIZE_PX
from tlkit.backbones.networks import CATALOGUE, WHOLE, find_entry, find_stage, list_entries
from tlkit.backbones.stages import build_network
from tlkit.backbones.timm_networks import list_classifier
from tlkit.backbones.timm_stages import _cut, _record_calls
from tlkit.names import KEYWORDS
from tlkit.strategies.strategy import resolve_keys
from tlkit.training.optimizer import _list_parameters

N_FEATURES = {"alexnet": 4096, "vgg11": 4096, "mobilenet_v3_small": 1024, "maxvit_t": 512, "squeezenet1_1": 512}
# A network that is built for one size is tested at the smallest of those that it has weights for.
ENTRIES = [
    min(list_entries(name), key=lambda entry: entry.recipe.crop_size_px * entry.fixed_size) for name in CATALOGUE
]
CHEAPEST = [
    min((entry for entry in ENTRIES if entry.family == family), key=lambda entry: entry.n_flops) for family in FAMILIES
]


def choose_size(entry):
    """Return the side in pixels at which a network is tested: small, and more than one pixel at the end."""
    return entry.recipe.crop_size_px if entry.fixed_size else max(64, entry.smallest_size_px)


def give_reason_to_skip(entry):
    """Say why a network can't be tested on this machine; None where it can."""
    needed, free = 4 * 4 * entry.n_parameters, psutil.virtual_memory().available
    return f"{entry.name} needs some {needed / 2**30:.0f} GiB, {free / 2**30:.0f} are free" if needed > free else None


def mark(entry):
    """Return an entry as a parameter of tests, with the markers that its cost calls for."""
    slow = [pytest.mark.slow] if entry.n_flops > 5e9 else []
    return pytest.param(entry, id=entry.name, marks=slow if entry in CHEAPEST else pytest.mark.exhaustive)


@pytest.fixture(scope="module", params=[mark(entry) for entry in ENTRIES])
def pair(request):
    """One network at a time: (entry, backbone, network, names of the layers left out). For reading only."""
    if reason := give_reason_to_skip(request.param):
        pytest.skip(reason)
    return request.param, *make_library_pair(request.param, choose_size(request.param))


def watch_last_layer(network, batch):
    """Return (n, n_features) that enters the last layer that outputs classes, when the whole network runs."""
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers and not hasattr(network, "classifier"):  # out of a wheel; test_packed_networks.py has the publisher's
        with torch.no_grad():
            features = network(batch)
        return features if features.ndim == 2 else features.mean((2, 3))
    last = layers[-1] if layers else network.classifier[1]  # SqueezeNet's is a convolution
    entered = []
    handle = last.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0].clone()))
    with torch.no_grad():
        network(batch)
    handle.remove()
    (features,) = entered
    return features if features.ndim == 2 else features.mean((2, 3))


def assert_near(ours, theirs):
    """Fail where features differ by more than 1e-5 of their largest."""
    assert ours.shape == theirs.shape
    assert theirs.abs().max() > 0
    assert torch.isfinite(theirs).all()
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_stages_hold_every_parameter_and_buffer_once_but_the_classifiers(pair):
    _, backbone, network, left_out = pair
    assert 4 <= len(backbone.stages) <= 12
    for kind in ("parameters", "buffers"):
        held = [id(value) for stage in backbone.body.values() for value in getattr(stage, kind)()]
        of_classifiers = [id(value) for name in left_out for value in getattr(network.get_submodule(name), kind)()]
        assert sorted(held + of_classifiers) == sorted(id(value) for value in getattr(network, kind)())
    assert not list(backbone.tail.state_dict())
    assert all(list(stage.parameters()) for stage in backbone.body.values())


def test_only_layers_that_output_classes_are_left_out(pair):
    _, backbone, network, left_out = pair
    for name in left_out:
        *_, last = (
            module for module in network.get_submodule(name).modules() if isinstance(module, (nn.Linear, nn.Conv2d))
        )
        assert last.weight.shape[0] == 1000
    n_left_out = sum(value.numel() for name in left_out[:1] for value in network.get_submodule(name).parameters())
    assert n_left_out <= 1000 * (backbone.n_features + 1)


def test_features_are_those_that_enter_the_librarys_last_layer(pair):
    entry, backbone, network, _ = pair
    batch = make_batch(2, choose_size(entry), seed=5)
    with torch.no_grad():
        ours = backbone(batch)
    assert_near(ours, watch_last_layer(network, batch))
    assert ours.shape == (2, entry.n_features)
    assert backbone.n_features == entry.n_features == N_FEATURES.get(entry.name, entry.n_features)


def test_until_and_after_make_the_whole_at_every_stage(pair):
    entry, backbone, _, _ = pair
    batch = make_batch(1, choose_size(entry), seed=6)
    with torch.no_grad():
        whole = backbone(batch)
        for number, stage in enumerate(backbone.stages):
            middle = backbone.until(stage)(batch)
            kept = middle.clone()
            assert torch.equal(backbone.after(stage)(middle), whole), stage
            assert torch.equal(middle, kept), f"what follows {stage} changed its input"
            assert backbone.find_stage(number - len(backbone.stages)) == number


def test_a_training_step_changes_no_bit_of_what_is_frozen(pair):
    entry, backbone, _, _ = pair
    backbone = copy.deepcopy(backbone)
    stage = backbone.stages[-2]
    tl.freeze(backbone, up_to=stage).train()
    frozen, trained = backbone.until(stage), backbone.body[backbone.stages[-1]]
    before, moved = copy_state(frozen), copy_state(trained)
    parameters = [value for value in backbone.parameters() if value.requires_grad]
    optimizer = torch.optim.SGD(parameters, 0.1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone(make_batch(2, choose_size(entry), seed=7)).square().mean().backward()
    optimizer.step()
    assert same_bits(frozen.state_dict(), before)
    assert not same_bits(trained.state_dict(), moved)


def test_the_smallest_and_an_odd_size_are_taken_and_a_smaller_one_is_not(pair):
    entry, backbone, network, _ = pair
    smallest = entry.smallest_size_px
    if entry.fixed_size:
        assert smallest == entry.recipe.crop_size_px
        with pytest.raises((RuntimeError, ValueError, AssertionError)), torch.no_grad():
            network(make_batch(1, smallest - 32))
        return
    for side in (smallest, 97):
        batch = make_batch(2, side, seed=8)
        with torch.no_grad():
            assert_near(backbone(batch), watch_last_layer(network, batch))
    if smallest > 32:
        with pytest.raises((RuntimeError, ValueError)), torch.no_grad():
            backbone(make_batch(2, smallest - 1))


@pytest.mark.parametrize(("name", "smallest"), [("alexnet", 63), ("inception_v3", 75), ("squeezenet1_1", 32)])
def test_a_size_out_of_bounds_is_answered_with_the_networks_own_bounds(name, smallest):
    for image_size_px in (smallest - 1, LARGEST_SIZE_PX + 1):
        with pytest.raises(ValueError, match=rf"image_size_px: {image_size_px}, expected {smallest} to 1024: .*{name}"):
            tl.load_backbone(name, None, image_size_px)


def test_a_network_of_one_size_is_answered_with_that_and_with_the_weights_of_other_sizes():
    with pytest.raises(ValueError, match=r"image_size_px: 96, expected 224 or 384: vit_b_16 takes only"):
        tl.load_backbone("vit_b_16", None, 96)
    with pytest.raises(
        ValueError, match=r"384, expected 224: .*; other .* weights 'IMAGENET1K_SWAG_E2E_V1' \(384 px\)"
    ):
        tl.load_backbone("vit_b_16", "pretrained", 384)
    with pytest.raises(ValueError, match=r"96, expected 224: maxvit_t takes only .* built for$"):
        tl.load_backbone("maxvit_t", None, 96)


def test_a_network_of_one_size_is_built_for_the_size_of_its_weights():
    for weights, image_size_px, n_tokens in (("IMAGENET1K_V1", 224, 197), ("IMAGENET1K_SWAG_E2E_V1", 384, 577)):
        entry = find_entry("vit_b_16", weights)
        with torch.device("meta"):
            network, stages, _, _ = build_network("vit_b_16", entry)
        assert network.image_size == image_size_px
        assert stages["stem"].pos_embedding.shape == (1, n_tokens, 768)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_weights_from_a_file_get_the_inputs_that_they_were_trained_with(name, tmp_path, monkeypatch):
    """torchvision rescales the input where it loads the weights itself, and silently doesn't for weights=None."""
    torch.manual_seed(3)
    network, *_ = build_network(name)
    state = network.state_dict()
    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda self, *arguments, **keywords: state)
    published = get_model(name, weights="DEFAULT").eval()
    torch.save(state, tmp_path / "own.pth")
    ours = tl.load_backbone(name, tmp_path / "own.pth", 80)
    batch = make_batch(2, 80, seed=4)
    with torch.no_grad():
        assert_near(ours(batch), watch_last_layer(published, batch))
    rescaled = watch_last_layer(published, batch)
    published.transform_input = False  # as with weights=None
    assert (watch_last_layer(published, batch) - rescaled).abs().max() > 1e-3 * rescaled.abs().max()


@pytest.mark.slow
def test_vgg16s_weights_without_a_classifier_give_what_enters_it():
    """torchvision's file of them holds NaN for the layers behind the convolutions."""
    entry = find_entry("vgg16", "IMAGENET1K_FEATURES")
    backbone, network, left_out = make_library_pair(entry, 32)
    entered = []
    network.classifier.register_forward_pre_hook(lambda _, inputs: entered.append(inputs[0]))
    batch = make_batch(2, 32)
    with torch.no_grad():
        for value in network.classifier.parameters():
            value.fill_(torch.nan)
        network(batch)
        assert_near(backbone(batch), entered[0])
    assert left_out == ("classifier",)
    assert backbone.stages[-1] == "stage5"
    assert backbone.n_features == entry.n_features == 25088


def check_phases(name, stages):
    """Fail if -1, -2 … train anything but one stage each, or if a stage's name trains another stage."""
    find = functools.partial(find_stage, name, tuple(stages))
    backbone = SimpleNamespace(stages=tuple(stages), body=stages, find_stage=find)
    for number in range(-len(stages), 0) if tuple(stages) != (WHOLE,) else ():
        (part,) = resolve_keys([number], backbone)
        assert part not in KEYWORDS
        found, own = _list_parameters(part, backbone, None), stages[backbone.stages[number]].parameters()
        assert [id(value) for value in found] == [id(value) for value in own], (name, number)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", list(CATALOGUE))
def test_no_stage_of_a_network_of_torchvision_is_taken_for_a_keyword(name):
    try:
        with torch.device("meta"):
            _, stages, _, _ = build_network(name)
    except NotImplementedError:  # RegNet computes its widths with tensors
        if CATALOGUE[name].n_parameters > 50e6:
            pytest.skip(f"{name} is built with its values only, and is large")
        _, stages, _, _ = build_network(name)
    check_phases(name, stages)


@pytest.mark.exhaustive
@pytest.mark.parametrize("module", timm.list_modules())
def test_no_stage_of_a_network_of_timm_is_taken_for_a_keyword(module):
    """Cut without values, and so without the proof that the parts compose, which is tested elsewhere."""
    for name in timm.list_models(module=module):
        try:
            with torch.device("meta"), torch.no_grad():
                network = timm.create_model(name).eval()
                side = network.pretrained_cfg["input_size"][1]
                calls, _ = _record_calls(network, torch.zeros(1, 3, side, side))
                stages, _ = _cut(network, list_classifier(network), calls)
        except Exception:  # some need real numbers while they are built, or can't be cut
            continue
        check_phases(name, stages)
