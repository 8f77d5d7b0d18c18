"""Exercises of lesson 03: right answers pass, and each usual slip gets its own hint."""

import pytest
import torch
from made_networks import copy_state, make_tiny_backbone, same_bits
from torch import nn

import tlkit as tl
from tlkit.lessons import check


def train_carefully(network, head, batches):
    tl.freeze(network)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    train_on(network, head, batches, optimizer)


def train_on(network, head, batches, optimizer, prepare=None):
    for pictures, labels in batches:
        (prepare or network.train)()
        loss = nn.functional.cross_entropy(head(network(pictures)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train_in_training_mode(network, head, batches):
    train_on(network.requires_grad_(False), head, batches, torch.optim.SGD(head.parameters(), lr=0.1))


def train_with_eval_before(network, head, batches):
    network.eval()
    train_on(network, head, batches, torch.optim.SGD(head.parameters(), lr=0.1), prepare=lambda: None)


def train_with_eval_each_time(network, head, batches):
    train_on(network, head, batches, torch.optim.SGD(head.parameters(), lr=0.1), prepare=network.eval)


def train_all(network, head, batches):
    optimizer = torch.optim.SGD([*network.parameters(), *head.parameters()], lr=0.1)
    train_on(network, head, batches, optimizer, prepare=network.eval)


def do_nothing(network, head, batches):
    return head


def train_without_gradients(network, head, batches):
    with torch.no_grad():
        train_on(network, head, batches, torch.optim.SGD(head.parameters(), lr=0.1), prepare=network.eval)


def train_another_head(network, head, batches):
    other = nn.Linear(head.in_features, head.out_features)
    train_on(network, other, batches, torch.optim.SGD(other.parameters(), lr=0.1), prepare=network.eval)
    return other


def train_without_batches(network, head):
    network.eval()


def train_wrongly_shaped(network, head, batches):
    for pictures, _ in batches:
        head(pictures)


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone()


@pytest.mark.parametrize("function", [train_carefully, train_with_eval_each_time])
def test_a_loop_that_moves_nothing_frozen_passes(backbone, function):
    result = check("03_loop", function, backbone=backbone)
    assert repr(result) == "Passed: all 6 buffers and all weights kept every bit, and the head learned."


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (
            train_in_training_mode,
            "6 of 6 buffers changed, such as body.stem.1.running_mean: norm layers in training mode update",
        ),
        (train_with_eval_before, "a single network.eval() before the loop is undone"),
        (train_all, "8 weights and biases changed: pass only those of the head"),
        (do_nothing, "the head didn't learn either"),
        (train_wrongly_shaped, "the function ended in RuntimeError: mat1 and mat2"),
        (train_without_gradients, "the function ended in RuntimeError: element 0 of tensors does not require grad"),
        (train_another_head, "the head didn't learn either"),
        (train_without_batches, "the function ended in TypeError"),
        ("my_train_head", "should be your function, without brackets after it, and is a str"),
        (3, "should be your function, without brackets after it, and is a int"),
        (..., "no answer yet; replace the three dots with the name of your function"),
    ],
)
def test_each_slip_of_a_loop_gets_its_own_hint(backbone, answer, hint):
    result = check("03_loop", answer, backbone=backbone)
    assert not result.passed
    assert hint in result.sentence


def test_a_loop_in_training_mode_is_not_blamed_on_others(backbone):
    assert "something called" not in check("03_loop", train_in_training_mode, backbone=backbone).sentence


def test_checking_a_loop_changes_neither_the_backbone_nor_the_random_state(backbone):
    before, state = copy_state(backbone), torch.random.get_rng_state()
    check("03_loop", train_all, backbone=backbone)
    assert same_bits(before, copy_state(backbone))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(parameter.requires_grad for parameter in backbone.parameters())


STEM, STAGE1, HEAD = 3 * 4 * 9 + 4 + 8, 4 * 6 * 9 + 6 + 12, 6 * 7 + 7


def check_count(backbone, answer):
    return check("03_count", answer, backbone=backbone, up_to="stem", n_classes=7)


def test_the_count_by_hand_passes(backbone):
    result = check_count(backbone, STAGE1 + HEAD)
    assert repr(result) == f"Passed: {STAGE1 + HEAD} of {STEM + STAGE1 + HEAD} parameters learn."
    frozen = tl.freeze(make_tiny_backbone(), up_to="stem")
    learn = [value for value in (*frozen.parameters(), *nn.Linear(6, 7).parameters()) if value.requires_grad]
    assert check_count(backbone, sum(value.numel() for value in learn)).passed


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (STAGE1, "the new head learns too"),
        (STAGE1 + 6 * 7, "a bias for each of the 7 classes"),
        (STAGE1 + HEAD + 6 + 6 + 1, "are buffers, not parameters"),
        (STEM + STAGE1 + HEAD, "that is everything"),
        (STEM, "that is the number of frozen parameters"),
        (HEAD, "that is the head alone; the stages after stem learn too"),
        (1, "add up the parameters of the stages after the frozen ones"),
        (1.5, "is a whole number, and this is a float"),
        (True, "and this is a bool"),
        (..., "no answer yet; replace the three dots with a whole number"),
    ],
)
def test_each_slip_of_a_count_gets_its_own_hint(backbone, answer, hint):
    result = check_count(backbone, answer)
    assert not result.passed
    assert hint in result.sentence


def test_a_count_that_leaves_out_the_named_stage_is_told_so(backbone):
    real = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    learn = sum(value.numel() for stage in ("stage3", "stage4") for value in real.body[stage].parameters())
    result = check("03_count", learn + 512 * 2 + 2, backbone=real, up_to="stage3", n_classes=2)
    assert "up_to includes the stage that it names: stage3 is frozen too" in result.sentence


def test_a_count_without_the_last_stage_and_a_count_of_tensors_get_their_hints():
    real = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    sizes = {stage: [value.numel() for value in real.body[stage].parameters()] for stage in ("stage3", "stage4")}

    def hint(answer):
        return check("03_count", answer, backbone=real, up_to="stage2", n_classes=2).sentence

    assert "leaves out stage4, which comes after the frozen stages too" in hint(sum(sizes["stage3"]) + 512 * 2 + 2)
    assert "count their values with .numel()" in hint(sum(map(len, sizes.values())) + 2)
