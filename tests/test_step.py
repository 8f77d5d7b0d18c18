"""One step: parts of a batch equal the whole, gradients are shortened, and what can't go on stops with a clear word."""

import copy
import itertools

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_tiny_backbone, same_bits
from made_training import make_training
from torch import nn

import tlkit as tl
from tlkit.training.batches import TrainingPictures, order_pictures
from tlkit.training.frozen_prefix import PrefixOutputs
from tlkit.training.step import TrainingError

N_STEPS, LEARNING_RATE = 4, 0.5


@pytest.fixture(scope="module")
def images():
    """Ten pictures of three classes: five, three and two."""
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])
    images = images.with_classes(["bird", "bug", "tool"])
    return images[np.concatenate([np.flatnonzero(images.labels == label)[:n] for label, n in ((0, 5), (1, 3), (2, 2))])]


@pytest.fixture(scope="module")
def backbone():
    """Without dropout, whose draws depend on how many pictures are computed at once."""
    backbone = make_tiny_backbone()
    backbone.body["stage1"][3].p = 0.0
    return backbone


def make_head(n_classes=3):
    head = nn.Linear(6, n_classes)
    with torch.no_grad():
        head.weight.copy_(torch.linspace(-1, 1, 6 * n_classes).reshape(n_classes, 6))
        head.bias.zero_()
    return head


def pull_back(network, start):
    return 0.2 * sum(((value - start[name]) ** 2).sum() for name, value in network.named_parameters())


def train(backbone, images, *, penalty=None, train=("all",), norms="frozen", rate=LEARNING_RATE, **settings):
    """Train a copy for N_STEPS steps, one an epoch by default; returns the Training."""
    backbone = copy.deepcopy(backbone)
    phase = tl.Phase(list(train), N_STEPS, rate, penalty=penalty, norm_statistics=norms)
    defaults = {"batch_size": 10, "optimizer": "sgd", "weight_decay": 0.0}
    made = make_training(backbone, make_head(), tl.Strategy([phase]), images, **defaults | settings)
    made.run()
    return made


def train_slowly(backbone, images, *, smoothing, class_weights, penalty):
    """Picture by picture in float64, a loop over classes for the loss, and SGD with Nesterov momentum by hand."""
    network, head = copy.deepcopy(backbone).double().eval(), make_head().double()
    start = {name: value.detach().clone() for name, value in network.named_parameters()}
    learning = [*network.parameters(), *head.parameters()]
    momenta, losses = [torch.zeros_like(value) for value in learning], []
    inputs = torch.from_numpy(np.stack([backbone.preprocess(picture) for picture, _ in images])).double()
    for share in (1, 1, 0.75, 0.25):  # (1 + cos(π k / 3)) / 2 after a first step that warms up
        loss = 0.0
        for picture, label in zip(inputs, images.labels, strict=True):
            chances = torch.softmax(head(network(picture[None])), dim=1)[0]
            for target_class, weight in enumerate(class_weights):
                target = smoothing / 3 + (1 - smoothing) * (target_class == label)
                loss = loss - weight * target * chances[target_class].log()
        loss = loss / sum(class_weights[label] for label in images.labels)
        if penalty:
            loss = loss + pull_back(network, start)
        losses.append(loss.item())
        slopes = torch.autograd.grad(loss, learning)
        with torch.no_grad():
            for value, slope, momentum in zip(learning, slopes, momenta, strict=True):
                momentum.mul_(0.9).add_(slope)
                value -= LEARNING_RATE * share * (slope + 0.9 * momentum)
    return losses, copy_state(network), copy_state(head)


CASES = list(itertools.product([0.0, 0.2], [None, "weights"], [None, pull_back]))


@pytest.mark.parametrize(("smoothing", "balance", "penalty"), CASES)
def test_parts_of_any_size_and_the_whole_equal_a_slow_loop(backbone, images, smoothing, balance, penalty):
    weights = [10 / 15, 10 / 9, 10 / 6] if balance else [1, 1, 1]
    losses, network, head = train_slowly(backbone, images, smoothing=smoothing, class_weights=weights, penalty=penalty)
    for micro_batch_size in (None, 4, 1):  # 4: parts of four, three and three
        made = train(
            backbone,
            images,
            penalty=penalty,
            label_smoothing=smoothing,
            balance=balance,
            micro_batch_size=micro_batch_size,
        )
        assert [row["loss"] for row in made.history] == pytest.approx(losses, rel=1e-5)
        for state, slow in ((copy_state(made.backbone), network), (copy_state(made.head), head)):
            for name, value in state.items():
                assert torch.allclose(value.double(), slow[name].double(), rtol=0, atol=1e-5), name
    moved = max((network[name] - value.double()).abs().max() for name, value in copy_state(backbone).items())
    assert moved > 0.01  # far more than the tolerance


# AdamW's first step is as long as the rate for every weight, so a large one makes rounding errors choose the class.
@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", LEARNING_RATE), ("adamw", LEARNING_RATE / 10)])
def test_parts_equal_the_whole_with_everything_at_once(backbone, images, optimizer, rate):
    settings = {"label_smoothing": 0.1, "balance": "weights", "penalty": pull_back}
    settings |= {"max_grad_norm": 0.5, "optimizer": optimizer, "rate": rate, "batch_size": 5}  # two steps an epoch
    whole, parts = (train(backbone, images, micro_batch_size=size, **settings) for size in (None, 3))
    for row, other in zip(whole.history, parts.history, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert row["accuracy"] == other["accuracy"]
    states = [copy_state(made.backbone) | copy_state(made.head) for made in (whole, parts)]
    assert all(torch.allclose(value, states[1][name], rtol=0, atol=1e-3) for name, value in states[0].items())


def test_nine_pictures_in_parts_of_four(backbone, images, monkeypatch):
    sizes, real = [], TrainingPictures.batch

    def watched(self, indices, policy, epoch):
        sizes.append(len(indices))
        return real(self, indices, policy, epoch)

    monkeypatch.setattr(TrainingPictures, "batch", watched)
    whole, parts = (train(backbone, images[:9], micro_batch_size=size) for size in (None, 4))
    assert sizes == [9] * N_STEPS + [3] * 3 * N_STEPS
    assert [row["loss"] for row in parts.history] == pytest.approx([row["loss"] for row in whole.history], rel=1e-5)


def test_gradients_are_shortened_to_the_largest_norm_and_short_ones_left(backbone, images, monkeypatch):
    norms, real = [], torch.optim.SGD.step

    def watched(self, *arguments):
        learning = [value for group in self.param_groups for value in group["params"]]
        norms.append(sum(float(g) ** 2 for value in learning for g in value.grad.double().ravel()) ** 0.5)
        return real(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", watched)
    for settings in ({}, {"micro_batch_size": 3}):
        norms.clear()
        train(backbone, images, **settings)
        longest = norms[0]
        train(backbone, images, max_grad_norm=0.5 * longest, **settings)
        train(backbone, images, max_grad_norm=2.0 * longest, **settings)
        assert norms[N_STEPS] == pytest.approx(0.5 * longest, rel=1e-4)
        assert norms[2 * N_STEPS] == longest


def make_bad_batches(monkeypatch, pictures, bad, value):
    real = pictures.batch

    def batch(self, indices, policy, epoch):
        values, labels = real(self, indices, policy, epoch)
        values[torch.from_numpy(np.isin(indices, bad))] = value
        return values, labels

    monkeypatch.setattr(pictures, "batch", batch)


@pytest.mark.parametrize("micro_batch_size", [None, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_stop_the_step_that_sees_them(
    backbone, images, monkeypatch, value, micro_batch_size
):
    steps = np.array_split(order_pictures(images.labels, 0, 0, None), 2)
    bad = steps[1][-1]  # in the last part of the second step
    make_bad_batches(monkeypatch, TrainingPictures, [bad], value)
    before = copy_state(backbone)
    phase = tl.Phase(["all"], 3, 1e-3)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step 2 of 6 \(epoch 1\): take a learning_rate"):
        tl.transfer(
            backbone,
            images,
            tl.Strategy([phase]),
            batch_size=5,
            micro_batch_size=micro_batch_size,
            progress=False,
        )
    assert same_bits(copy_state(backbone), before)


def test_values_of_the_front_that_are_not_finite_stop_at_once(backbone, images, monkeypatch):
    make_bad_batches(monkeypatch, PrefixOutputs, list(range(10)), np.nan)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 1 of 4 \(epoch 1\): nothing was learned yet"):
        train(backbone, images, train=("head",))


def test_a_loss_that_overflows_stops_and_says_where(backbone, images):
    with pytest.raises(
        TrainingError, match=r"the loss is \S+ at step \d+ of 50 .*: take a learning_rate below 1000000"
    ):
        tl.transfer(backbone, images, tl.Strategy([tl.Phase(["all"], 50, 1e6)]), batch_size=10, progress=False)


def distance(network, start):
    """A penalty whose gradient at the start is NaN, as that of any square root at 0, while its value is fine."""
    return sum(((value - start[name]) ** 2).sum() for name, value in network.named_parameters()).sqrt()


def test_weights_are_looked_at_where_the_last_loss_was_fine(backbone, images):
    phase = tl.Phase(["all"], 1, 1e-3, penalty=distance)
    with pytest.raises(TrainingError, match=r"the weights are not finite after step 1 of 1 \(epoch 1\): take a learn"):
        tl.transfer(backbone, images, tl.Strategy([phase]), batch_size=10, progress=False)


def test_a_gradient_that_is_to_be_shortened_must_be_finite(backbone, images):
    with pytest.raises(TrainingError, match=r"the gradient is nan at step 1 of 4 \(epoch 1\)"):
        train(backbone, images, penalty=distance, max_grad_norm=1.0)


def test_running_statistics_that_overflow_are_found_though_the_loss_is_fine(backbone, images, monkeypatch):
    real = TrainingPictures.batch

    def batch(self, indices, policy, epoch):
        values, labels = real(self, indices, policy, epoch)
        return values * 1e25, labels

    monkeypatch.setattr(TrainingPictures, "batch", batch)
    with pytest.raises(TrainingError, match="the weights are not finite after step 1 of 4"):
        train(backbone, images, norms="moving")


def test_a_batch_of_one_is_refused_where_norm_statistics_move(backbone, images):
    for batch_size, n_pictures in ((1, 10), (2, 3), (8, 1)):
        message = f"batch_size: {batch_size} with {n_pictures} pictures makes a batch of one, which has no statistics"
        with pytest.raises(TrainingError, match=message):
            train(backbone, images[:n_pictures], norms="moving", batch_size=batch_size)
        assert len(train(backbone, images[:n_pictures], batch_size=batch_size).history) == N_STEPS


@pytest.mark.parametrize(("micro_batch_size", "batch_size", "size"), [(1, 10, 10), (2, 5, 5), (2, 8, 5)])
def test_a_part_of_one_picture_is_refused_too(backbone, images, micro_batch_size, batch_size, size):
    settings = {"batch_size": batch_size, "micro_batch_size": micro_batch_size}
    message = (
        f"micro_batch_size: {micro_batch_size} leaves one picture of a batch of {size} alone, which has no statistics"
    )
    with pytest.raises(TrainingError, match=message):
        train(backbone, images, norms="moving", **settings)
    assert len(train(backbone, images, **settings).history) == N_STEPS


def test_parts_of_two_and_more_are_taken(backbone, images):
    # Ten pictures make batches of four, of two parts of two, and of three.
    assert len(train(backbone, images, norms="moving", batch_size=4, micro_batch_size=3).history) == N_STEPS


def test_a_batch_of_one_is_refused_before_the_first_phase(backbone, images):
    steps = []
    phases = [tl.Phase(["head"], 1, 1e-3), tl.Phase(["all"], 1, 1e-3, norm_statistics="moving")]
    with pytest.raises(TrainingError, match="micro_batch_size: 1 leaves one picture of a batch of 5 alone"):
        tl.transfer(
            backbone,
            images,
            tl.Strategy(phases),
            micro_batch_size=1,
            callbacks=[lambda training: steps.append(training.step)],
            progress=False,
        )
    assert steps == []


def run_out(error):
    def penalty(network, start):
        raise error

    return penalty


def ask_torch(network, start):
    return torch.empty(2**48, dtype=torch.uint8).sum()  # more than a process can have addresses for


def ask_numpy(network, start):
    return np.empty(2**48, dtype=np.uint8).sum()


OUT_OF_MEMORY = {
    "a GPU's": run_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")),
    "a GPU's with other words": run_out(torch.OutOfMemoryError("no more")),
    "Linux": run_out(RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you")),
    "Windows": run_out(RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate")),
    "Python's": run_out(MemoryError()),
    "torch's own": ask_torch,
    "NumPy's own": ask_numpy,
}


@pytest.mark.parametrize("name", OUT_OF_MEMORY)
def test_memory_that_ran_out_is_explained(backbone, images, name):
    before = copy_state(backbone)
    phase = tl.Phase(["all"], 1, 1e-3, penalty=OUT_OF_MEMORY[name])
    for micro_batch_size, n_at_once, advice in ((None, 10, 5), (4, 4, 2), (3, 3, 1)):
        message = f"memory ran out with {n_at_once} pictures at once: take micro_batch_size={advice}, which gives the"
        with pytest.raises(TrainingError, match=message) as caught:
            tl.transfer(
                backbone,
                images,
                tl.Strategy([phase]),
                batch_size=10,
                micro_batch_size=micro_batch_size,
                progress=False,
            )
        assert isinstance(caught.value.__cause__, (RuntimeError, MemoryError))
    assert same_bits(copy_state(backbone), before)


def test_no_smaller_part_is_advised_than_one_picture(backbone, images):
    with pytest.raises(TrainingError, match="memory ran out with 1 picture at once: take smaller pictures, or a strat"):
        train(backbone, images, penalty=run_out(MemoryError()), micro_batch_size=1)


@pytest.mark.parametrize("error", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("memory")])
def test_other_errors_pass_as_they_are(backbone, images, error):
    with pytest.raises(type(error)) as caught:
        train(backbone, images, penalty=run_out(error))
    assert caught.value is error
