"""Exercises of lesson 06: right answers pass, and each usual slip gets its own hint."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from made_networks import make_tiny_backbone
from torch import nn

from tlkit.lessons import check

RANK = 3


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone()


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
    assert repr(check_count(backbone, lambda *given: float(count(*given)))) == repr(check_count(backbone, count))
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
            lambda weight, rank: count(weight, rank) + 0.5,
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


@pytest.fixture(scope="module")
def memory():
    """Return the MiB of a step of 8 pictures, as lesson 06 measures them."""
    rows = {"linear_probe": (13.4, 0, 0, 0), "lora": (13.4, 0.4, 0.8, 314.1), "lp_ft": (13.0, 13.0, 26.0, 310.0)}
    return pd.DataFrame(rows, ["parameters", "gradients", "optimizer", "activations"]).T


def find_batch(parts, n_pictures, room_mib):
    fixed = parts["parameters"] + parts["gradients"] + parts["optimizer"]
    return max(0, int((room_mib - fixed) // (parts["activations"] / n_pictures)))


def check_batch(memory, answer):
    return check("06_batch", answer, memory=memory, n_pictures=8)


def test_the_largest_batch_passes_as_any_whole_number(memory):
    for kind in (int, float, np.int64):
        result = check_batch(memory, lambda *given, kind=kind: kind(find_batch(*given)))
        assert repr(result) == "Passed: in 300 MiB fit 6 with lp_ft, 7 with lora."


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda parts, n, room: int(room // (parts.sum() / n)), "only activations do"),
        (lambda parts, n, room: find_batch(parts, 1, room), "are those of 8 pictures: divide them by 8"),
        (lambda parts, n, room: int(room // (parts["activations"] / n)), "need room first"),
        (
            lambda parts, n, room: max(0, int((room - parts["parameters"]) // (parts["activations"] / n))),
            "Gradients and AdamW's means need room too",
        ),
        (
            lambda parts, n, room: max(
                0, int((room - parts["parameters"] - parts["gradients"]) // (parts["activations"] / n))
            ),
            "AdamW's means need room too",
        ),
        (lambda parts, n, room: find_batch(parts, n, room) + 1, "Round down"),
        (lambda parts, n, room: max(0, find_batch(parts, n, room) - 1), "one more picture the step still fits"),
        (
            lambda parts, n, room: int(
                (room - parts[["parameters", "gradients", "optimizer"]].sum()) // (parts["activations"] / n)
            ),
            "Not even one fits, so the answer is 0",
        ),
        (lambda parts, n, room: room / (parts["activations"] / n), "pictures, rounded down, is a whole number"),
        (lambda parts, n, room: 3, "Take the fixed parts from the room"),
        (lambda parts, n, room: "3 pictures", "pictures, rounded down, is a whole number"),
        (lambda parts, n, room: None, "pictures, rounded down, is a whole number"),
        (lambda parts, n, room: parts["momentum"], "the function ended in KeyError"),
        (lambda parts: 3, "the function ended in TypeError"),
        (7, "should be your function, without brackets after it, and is a int"),
        (..., "no answer yet; replace the three dots with the name of your function"),
    ],
)
def test_each_slip_of_a_batch_gets_its_own_hint(memory, answer, hint):
    result = check_batch(memory, answer)
    assert not result.passed
    assert hint in result.sentence


def test_a_function_that_changes_its_parts_changes_nothing_here(memory):
    before = memory.copy()

    def spend(parts, n_pictures, room_mib):
        number = find_batch(parts, n_pictures, room_mib)
        parts[:] = 0
        return number

    assert check_batch(memory, spend).passed
    pd.testing.assert_frame_equal(memory, before)
