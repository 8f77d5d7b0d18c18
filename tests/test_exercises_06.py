"""Exercises of lesson 06: what is right passes, each usual slip gets its own hint."""

import copy
import dataclasses

import pytest
import torch
from made_networks import make_tiny_backbone
from torch import nn

import tlkit as tl
from tlkit.lessons import check
from tlkit.training.wise_ft import interpolate_runs

RANK = 3


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone()


@pytest.fixture(scope="module")
def runs(backbone):
    """A probe and a run that was tuned from it, with moved statistics and counters."""
    images = tl.load_images("styles", domain="photo").few(1)
    probe = tl.transfer(backbone, images, "linear_probe", progress=False)
    tuned = copy.deepcopy(probe.backbone)
    torch.manual_seed(0)
    for value in (*tuned.parameters(), *tuned.buffers()):
        value.data += 1 if value.dtype == torch.int64 else torch.rand_like(value)
    return probe, dataclasses.replace(probe, backbone=tuned)


def count(weight, rank):
    n_out, n_in, *kernel = weight.shape
    return rank * (n_in * torch.Size(kernel).numel() + n_out)


def check_count(backbone, answer):
    pytest.importorskip("peft", reason="needs the extra 'adapters'")
    return check("06_count", answer, backbone=backbone, rank=RANK)


def test_the_count_of_a_by_hand_formula_passes_and_is_the_librarys(backbone):
    peft = pytest.importorskip("peft", reason="needs the extra 'adapters'")
    by_hand = RANK * (3 * 9 + 4) + RANK * (4 * 9 + 6)
    assert repr(check_count(backbone, count)) == (
        f"Passed: {by_hand} parameters, next to the {4 * 3 * 9 + 6 * 4 * 9} of the 2 layers that take an adapter."
    )
    for layer in (nn.Linear(7, 5), nn.Conv2d(7, 5, (3, 2))):
        model = nn.ModuleDict({"layer": copy.deepcopy(layer)})
        model = peft.inject_adapter_in_model(peft.LoraConfig(r=RANK, target_modules=["layer"]), model)
        n_trained = sum(value.numel() for name, value in model.named_parameters() if "lora_" in name)
        assert count(layer.weight, RANK) == n_trained


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda weight, rank: weight.numel(), "the layer's own weight, which stays frozen"),
        (lambda weight, rank: rank * weight[0].numel(), "That is A alone"),
        (lambda weight, rank: rank * len(weight), "That is B alone"),
        (lambda weight, rank: rank * (weight.shape[0] + weight.shape[1]), "A has the kernel's height and width"),
        (lambda weight, rank: rank * 9 * sum(weight.shape[:2]), "belong to A alone; B is 1 × 1"),
        (lambda weight, rank: count(weight, 1), "That is right for rank 1"),
        (lambda weight, rank: rank * count(weight, rank), "The rank counts once"),
        (lambda weight, rank: count(weight, rank) + 1, "Add up the numbers in A"),
        (
            lambda weight, rank: float(count(weight, rank)),
            "a number of parameters is a whole number, and this is a float",
        ),
        (lambda weight: 3, "the function ended in TypeError"),
        (93, "should be your function, without brackets after it, and is a int"),
        (..., "no answer yet; replace the three dots with the name of your function"),
    ],
)
def test_each_slip_of_a_count_gets_its_own_hint(backbone, answer, hint):
    result = check_count(backbone, answer)
    assert not result.passed
    assert hint in result.sentence


def interpolate(parent, tuned, mixing_coefficient):
    if mixing_coefficient in (0, 1):
        return tuned if mixing_coefficient else parent
    return {
        name: torch.lerp(parent[name], value, mixing_coefficient) if value.is_floating_point() else value
        for name, value in tuned.items()
    }


def by_formula(formula, *, keeps_counters=False):
    """Return a function that applies a formula to all tensors, or leaves whole numbers as the nearer end has them."""

    def answer(parent, tuned, mixing_coefficient):
        nearer = parent if mixing_coefficient < 0.5 else tuned
        return {
            name: nearer[name]
            if keeps_counters and not value.is_floating_point()
            else formula(parent[name], value, mixing_coefficient)
            for name, value in tuned.items()
        }

    return answer


def take_counters_of_tuned(parent, tuned, mixing_coefficient):
    counters = {name: value for name, value in tuned.items() if not value.is_floating_point()}
    return interpolate(parent, tuned, mixing_coefficient) | counters


def change_given(parent, tuned, mixing_coefficient):
    mixed = {name: value.clone() for name, value in interpolate(parent, tuned, mixing_coefficient).items()}
    parent["head.bias"] += 1
    return mixed


def check_ends(runs, answer):
    return check("06_ends", answer, parent=runs[0], tuned=runs[1])


def test_an_interpolation_that_keeps_its_ends_passes(runs):
    n_tensors = len(runs[0].backbone.state_dict()) + len(runs[0].head.state_dict())
    assert repr(check_ends(runs, interpolate)) == (
        f"Passed: all {n_tensors} tensors keep every bit at both ends, and lie halfway between."
    )


def test_the_kits_own_interpolation_passes(runs):
    def kits(parent, tuned, mixing_coefficient):
        train = tl.load_images("styles", domain="photo").few(1)
        mixed = interpolate_runs(*runs, mixing_coefficient, train=train)
        parts = {"backbone": mixed.backbone, "head": mixed.head}
        tensors = {f"{part}.{name}": value for part, own in parts.items() for name, value in own.state_dict().items()}
        # Statistics are estimated anew where they moved, which no formula for weights does.
        halfway = interpolate(parent, tuned, mixing_coefficient)
        return halfway | {name: value for name, value in tensors.items() if "running" not in name}

    assert check_ends(runs, kits).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (by_formula(lambda a, b, s: a + s * (b - a), keeps_counters=True), "a + (b - a) need not be b"),
        (by_formula(lambda a, b, s: (1 - s) * a + s * b), "It counts in whole numbers"),
        (take_counters_of_tuned, "It counts in whole numbers"),
        (by_formula(lambda a, b, s: (1 - s) * a + s * b, keeps_counters=True), "loses the sign of a negative zero"),
        (
            lambda parent, tuned, mixing_coefficient: interpolate(tuned, parent, mixing_coefficient),
            "are those of the other run",
        ),
        (lambda parent, tuned, mixing_coefficient: tuned if mixing_coefficient == 1 else parent, "isn't halfway"),
        (lambda parent, tuned, mixing_coefficient: tuned, "at mixing_coefficient 0"),
        (
            lambda parent, tuned, mixing_coefficient: {"head.bias": tuned["head.bias"]},
            "return every tensor by its name",
        ),
        (change_given, "the tensors that it was given changed"),
        (lambda parent, tuned: parent, "the function ended in TypeError"),
        (lambda parent, tuned, mixing_coefficient: 3, "the function ended in AttributeError"),
        (0.5, "should be your function, without brackets after it, and is a float"),
        (..., "no answer yet; replace the three dots with the name of your function"),
    ],
)
def test_each_slip_of_an_interpolation_gets_its_own_hint(runs, answer, hint):
    result = check_ends(runs, answer)
    assert not result.passed
    assert hint in result.sentence


def test_checking_changes_no_run(runs):
    before = [run.backbone.fingerprint() for run in runs]
    check_ends(runs, change_given)
    check_ends(runs, interpolate)
    assert [run.backbone.fingerprint() for run in runs] == before
