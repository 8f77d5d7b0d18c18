"""timm's networks: recipes equal timm's own transforms, entries, and stages that are verified."""

import dataclasses
import functools

import numpy as np
import pytest
import timm
import torch
from made_networks import copy_state, make_batch, same_bits
from made_pictures import make_picture
from timm.data import create_transform
from torch import nn

import tlkit as tl
from tlkit.backbones.networks import WHOLE
from tlkit.backbones.recipe import Recipe
from tlkit.backbones.stages import build_network
from tlkit.backbones.timm_networks import build_timm, compute_costs, find_timm_entry, list_timm_entries, read_tag
from tlkit.backbones.timm_stages import cut_network
from tlkit.backbones.weights.error import WeightsError

FOUR = ("stage1", "stage2", "stage3", "stage4")
# One tiny network for each layout.
LAYOUTS = {
    "test_resnet": ("stem", *FOUR),
    "test_efficientnet": ("stem", *FOUR, "stage5", "conv_head"),
    "mobilenetv3_small_050": ("stem", *FOUR, "stage5", "stage6", "conv_head"),
    "test_convnext": ("stem", *FOUR, "norm"),
    "test_vit3": ("stem", *FOUR, "norm", "head"),
    "vit_tiny_patch16_224": ("stem", *FOUR, "norm"),
    "swin_tiny_patch4_window7_224": ("stem", *FOUR, "norm"),
    "densenet121": (*FOUR, "stage5"),
    "test_nfnet": (*FOUR, "stage5", "stage6", "stage7", "conv_head"),
}


NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name.startswith(("densenet", "swin")) else name for name in LAYOUTS
]


@functools.cache
def pictures():
    return [tl.load_images("styles").read(0), *(make_picture(number, (70, 41 + 60 * number)) for number in range(2))]


@functools.cache
def build(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_timm(f"timm:{name}")


def distinct_configurations():
    found = {}
    for entry in list_timm_entries("timm:*"):
        configuration = timm.get_pretrained_cfg(f"{entry.name.removeprefix('timm:')}.{entry.weights}")
        key = (configuration.input_size, configuration.crop_pct, configuration.crop_mode, configuration.interpolation)
        found.setdefault(key, (entry, configuration))
    return list(found.values())


@pytest.mark.slow
def test_every_kind_of_preprocessing_in_timm_equals_timms_own_transform():
    kinds = distinct_configurations()
    assert len(kinds) > 100
    for entry, configuration in kinds:
        transform = create_transform(
            configuration.input_size,
            interpolation=configuration.interpolation,
            mean=configuration.mean,
            std=configuration.std,
            crop_pct=configuration.crop_pct,
            crop_mode=configuration.crop_mode,
        )
        for picture in pictures() if entry.recipe.crop_size_px < 250 else pictures()[1:2]:
            assert np.array_equal(entry.recipe(picture), transform(picture).numpy()), (entry.name, entry.weights)


def test_a_recipe_that_crops_the_middle_has_the_text_that_old_fingerprints_hash():
    recipe = Recipe(256, 224, "bilinear", (0.5,) * 3, (0.25,) * 3)
    assert repr(recipe) == (
        "Recipe(resize_size_px=256, crop_size_px=224, interpolation='bilinear', "
        "mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))"
    )
    squashed = dataclasses.replace(recipe, crop_mode="squash")
    assert repr(squashed) != repr(recipe)
    assert squashed.at(112) == dataclasses.replace(recipe.at(112), crop_mode="squash")


@pytest.mark.parametrize("name", NAMES)
def test_stages_hold_each_parameter_once_and_compose_to_timms_features(name):
    network, stages, tail, left_out = build(name)
    assert tuple(stages) == LAYOUTS[name]
    classifier = {id(value) for layer in left_out for value in network.get_submodule(layer).parameters()}
    held = [id(value) for part in stages.values() for value in part.parameters()]
    assert classifier
    assert sorted(held) == sorted({id(value) for value in network.parameters()} - classifier)
    side = network.pretrained_cfg["input_size"][1] if network.pretrained_cfg["fixed_input_size"] else 64
    batch = make_batch(2, side, seed=3)
    boundaries = [batch]
    with torch.no_grad():
        for part in (*stages.values(), tail):
            kept = boundaries[-1].clone()
            boundaries.append(part(boundaries[-1]))
            assert torch.equal(boundaries[-2], kept), "a part changed its input"
        wanted = network.forward_head(network.forward_features(batch), pre_logits=True)
    assert torch.equal(boundaries[-1], wanted)
    assert not list(tail.parameters())


def test_verifying_a_cut_leaves_weights_and_random_numbers_as_they_were():
    network = timm.create_model("test_resnet")
    before = copy_state(network)
    state = torch.random.get_rng_state()
    cut_network(network, ("fc",), (64,))
    assert same_bits(copy_state(network), before)
    assert torch.equal(torch.random.get_rng_state(), state)


class Crooked(nn.Module):
    """Two blocks, whose output `forward_features` changes or passes on as `between` says."""

    def __init__(self, between):
        super().__init__()
        self.stem, self.body, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)
        self.between = between
        self.fc = nn.Linear(4, 2)

    def forward_features(self, batch):
        return self.last(self.between(self.body(self.stem(batch))))

    def forward_head(self, batch, pre_logits=False):
        batch = batch.mean((2, 3))
        return batch if pre_logits else self.fc(batch)


def test_what_happens_between_modules_is_noticed_and_the_network_stays_whole():
    assert WHOLE not in cut_network(Crooked(torch.Tensor.clone), ("fc",), (16,))[0]
    stages, tail = cut_network(Crooked(torch.relu), ("fc",), (16,))
    assert list(stages) == [WHOLE]
    assert len(list(stages[WHOLE].parameters())) == 6, "the classifier is part of the backbone"
    assert tail(stages[WHOLE](make_batch(2, 16))).shape == (2, 4)


@pytest.mark.slow
def test_a_network_that_cant_be_cut_gives_features_and_says_why_it_has_no_stages():
    backbone = tl.load_backbone("timm:eva02_tiny_patch14_224", weights=None)
    assert backbone.stages == (WHOLE,)
    for use in (backbone.until, backbone.after, lambda stage: tl.freeze(backbone, up_to=stage)):
        for stage in (-1, "stem"):
            with pytest.raises(ValueError, match=r"couldn't be cut.*names="):
                use(stage)
    tl.freeze(backbone, names=["*.blocks.0.*"])
    frozen = {name for name, value in backbone.named_parameters() if not value.requires_grad}
    assert frozen
    assert all(".blocks.0." in name for name in frozen)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_vit3", "test_nfnet", "test_convnext"])
def test_a_backbone_of_timm_is_loaded_and_cut_like_any_other(name):
    backbone = tl.load_backbone(f"timm:{name}", weights=None)
    costs = compute_costs(find_timm_entry(f"timm:{name}"))
    assert (backbone.n_features, backbone.cost().n_parameters) == (costs.n_features, costs.n_parameters)
    assert backbone.cost().n_flops == costs.n_flops > 0
    batch = make_batch(2, backbone.image_size_px)
    with torch.no_grad():
        middle = backbone.until("stage2")(batch)
        assert torch.equal(backbone.after("stage2")(middle), backbone(batch))
    assert same_bits(backbone.state_dict(), tl.load_backbone(f"timm:{name}", weights=None).state_dict())


@pytest.mark.slow
def test_entries_say_which_weights_are_meant_and_where_they_lie():
    entry = find_timm_entry("timm:resnet18")
    assert entry.weights == timm.get_pretrained_cfg("resnet18").tag
    assert entry == find_timm_entry("timm:resnet18", entry.weights)
    assert entry.weights_url == f"https://huggingface.co/timm/resnet18.{entry.weights}/resolve/main/model.safetensors"
    assert entry.weights_file == f"resnet18.{entry.weights}.safetensors"
    convnext = find_timm_entry("timm:convnext_tiny").weights
    assert convnext == timm.get_pretrained_cfg("convnext_tiny").tag != min(timm.list_pretrained("convnext_tiny.*"))[14:]
    assert find_timm_entry("timm:resnet18.tv_in1k") == find_timm_entry("timm:resnet18", "tv_in1k")
    assert find_timm_entry("timm:gcvit_tiny").weights_file == "gcvit_tiny_224_nvidia-ac783954.pth"
    assert [entry.weights for entry in list_timm_entries("timm:convnext_tiny.fb_in22k")] == ["fb_in22k"]
    assert {entry.name for entry in list_timm_entries("timm:test_vit*")} == {f"timm:test_vit{n}" for n in ("", 2, 3)}


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("timm:resnet81", "pretrained", r"name: 'timm:resnet81'.*nearest: 'resnet18'"),
        ("timm:resnet18.tv_in2k", "pretrained", r"no such weights.*nearest: 'tv_in1k'"),
        ("timm:resnet18", "tv_in2k", r"weights: 'tv_in2k'.*nearest: 'tv_in1k'"),
        ("timm:resnet18.a1_in1k", "tv_in1k", r"give the tag in one of them"),
        ("timm:vit_base_patch16_sapiens2", "pretrained", r"1024 × 768 px"),
        ("timm:deepseek_vit_412m", "pretrained", r"crop mode 'border'"),
    ],
)
def test_what_timm_lacks_or_tlkit_cant_prepare_is_said(name, weights, message):
    with pytest.raises(ValueError, match=message):
        find_timm_entry(name, weights)


def test_tags_say_what_weights_were_trained_on():
    assert read_tag("resnet18", "fb_swsl_ig1b_ft_in1k") == ("Instagram, then ImageNet-1k", "general")
    assert read_tag("vit_base_patch16_sapiens2", "fb") == ("Humans-1B, pictures of people", "domain")
    assert read_tag("x", "pali_ocrvqa")[1] == "task"
    assert read_tag("x", "robbyant") == ("not stated in timm", "general")


@pytest.mark.exhaustive
@pytest.mark.parametrize("module", timm.list_modules())
def test_the_smallest_network_of_each_module_is_cut_or_stays_whole(module):
    with torch.device("meta"):
        sizes = {}
        for name in timm.list_models(module=module)[:8]:
            sizes[name] = sum(value.numel() for value in timm.create_model(name).parameters())
    name = min(sizes, key=sizes.get)
    if sizes[name] > 60e6:
        pytest.skip(f"{name} is too large")
    network, stages, _, left_out = build_timm(f"timm:{name}")
    classifier = {id(value) for layer in left_out for value in network.get_submodule(layer).parameters()}
    assert {id(value) for part in stages.values() for value in part.parameters()} == {
        id(value) for value in network.parameters()
    } - classifier
    assert len(stages) == 1 or 4 <= len(stages) <= 12


def test_a_network_of_which_timm_has_no_weights_says_so():
    with pytest.raises(WeightsError, match="timm has no weights of timm:test_vit4: take weights=None"):
        tl.load_backbone("timm:test_vit4")


def test_the_network_is_built_as_the_tag_of_its_weights_says():
    entry = find_timm_entry("timm:resnet18", "tv_in1k")
    assert entry.weights != find_timm_entry("timm:resnet18").weights
    assert build_network("timm:resnet18", entry)[0].pretrained_cfg["tag"] == "tv_in1k"


@pytest.mark.slow
def test_a_size_that_does_not_fit_the_layers_is_named_with_one_that_does():
    with pytest.raises(ValueError, match=r"image_size_px: 50, which timm:hrnet_w18_small can't take .* 224"):
        tl.load_backbone("timm:hrnet_w18_small", weights=None, image_size_px=50)
