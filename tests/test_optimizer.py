"""How a step is made: optimisers and schedule against hand-written updates, balance, and which arithmetic is taken."""

import types
from collections import Counter

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_batch, make_tiny_backbone, same_bits
from made_training import make_training
from torch import nn

import tlkit as tl
from tlkit.heads.numerics import weigh_classes
from tlkit.training import optimizer as optimizer_module
from tlkit.training import phase_start
from tlkit.training.batches import TrainingPictures, order_pictures
from tlkit.training.optimizer import is_bfloat16_faster, schedule


@pytest.fixture(scope="module")
def images():
    """Ten pictures of the classes 0, 1 and 3: five, three and two; none of class 2."""
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"])
    images = images.with_classes(["bird", "bug", "mammal", "tool"])
    return images[np.concatenate([np.flatnonzero(images.labels == label)[:n] for label, n in ((0, 5), (1, 3), (3, 2))])]


def schedule_slowly(n_steps):
    n_warm = max(1, n_steps // 10)
    shares = [(step + 1) / n_warm for step in range(n_warm)]
    for step in range(n_warm, n_steps):
        shares.append((1 + np.cos(np.pi * (step - n_warm) / (n_steps - n_warm))) / 2)
    return shares


def measure_slowly(values, labels, weight, bias, smoothing, class_weights):
    """The loss over all pictures and its gradients, in float64 and loops: sum of weight × target × -log probability."""
    loss, weight_gradient, bias_gradient = 0.0, np.zeros_like(weight), np.zeros_like(bias)
    n_classes = len(bias)
    sum_of_weights = sum(class_weights[label] for label in labels)
    for row, label in zip(values, labels, strict=True):
        scores = np.array([sum(w * x for w, x in zip(weight[c], row, strict=True)) + bias[c] for c in range(n_classes)])
        probabilities = np.exp(scores) / sum(np.exp(scores))
        for target_class in range(n_classes):
            target = smoothing / n_classes + (1 - smoothing) * (target_class == label)
            part = class_weights[target_class] * target / sum_of_weights
            loss -= part * np.log(probabilities[target_class])
            for c in range(n_classes):
                slope = part * (probabilities[c] - (c == target_class))
                weight_gradient[c] += slope * row
                bias_gradient[c] += slope
    return loss, [weight_gradient, bias_gradient]


def train_slowly(values, labels, head, n_steps, learning_rate, optimizer, weight_decay, smoothing, weights, largest):
    parameters = [head.weight.detach().double().numpy().copy(), head.bias.detach().double().numpy().copy()]
    first, second = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    losses, norms = [], []
    for step, share in enumerate(schedule_slowly(n_steps), start=1):
        rate = learning_rate * share
        loss, gradients = measure_slowly(values, labels, *parameters, smoothing, weights)
        losses.append(loss)
        norms.append(sum(float(g) ** 2 for gradient in gradients for g in gradient.ravel()) ** 0.5)
        if largest is not None and norms[-1] > largest:
            gradients = [gradient * largest / norms[-1] for gradient in gradients]
        for i, gradient in enumerate(gradients):
            if optimizer == "sgd":
                slope = gradient + weight_decay * parameters[i]
                first[i] = 0.9 * first[i] + slope
                parameters[i] = parameters[i] - rate * (slope + 0.9 * first[i])
            else:
                first[i] = 0.9 * first[i] + 0.1 * gradient
                second[i] = 0.999 * second[i] + 0.001 * gradient**2
                corrected = first[i] / (1 - 0.9**step), second[i] / (1 - 0.999**step)
                shrunk = parameters[i] * (1 - rate * weight_decay)
                parameters[i] = shrunk - rate * corrected[0] / (corrected[1] ** 0.5 + 1e-8)
    return losses, norms, parameters


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("balance", [None, "weights"])
@pytest.mark.parametrize("largest", [None, 0.25])
def test_training_equals_hand_written_updates(images, optimizer, smoothing, balance, largest):
    backbone, n_steps = make_tiny_backbone(), 21
    head = nn.Linear(6, 4)
    nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(5))
    nn.init.zeros_(head.bias)
    values = tl.extract_features(backbone, images, engine="torch", progress=False).values.astype(np.float64)
    # Five, three, none and two of ten pictures of three classes that are there: 10 / 3 shared by a class's pictures.
    class_weights = [10 / 15, 10 / 9, 0, 10 / 6] if balance else [1, 1, 1, 1]
    losses, norms, expected = train_slowly(
        values, images.labels, head, n_steps, 0.05, optimizer, 0.1, smoothing, class_weights, largest
    )
    if largest:
        assert max(norms) > largest > min(norms)  # some steps are shortened, some aren't

    made = make_training(
        backbone,
        head,
        tl.Strategy([tl.Phase(["head"], n_steps, 0.05)]),
        images,
        batch_size=len(images),
        optimizer=optimizer,
        weight_decay=0.1,
        label_smoothing=smoothing,
        balance=balance,
        max_grad_norm=largest,
    )
    made.run()
    assert [row["loss"] for row in made.history] == pytest.approx(losses, rel=1e-5)
    assert [row["learning_rate"] for row in made.history] == pytest.approx([0.05 * s for s in schedule_slowly(n_steps)])
    for value, slow in zip((head.weight, head.bias), expected, strict=True):
        assert np.allclose(value.detach().numpy(), slow, rtol=0, atol=2e-5)
    assert losses[-1] < losses[0]


def test_the_learning_rate_warms_up_and_falls_to_nothing():
    for n_steps in (1, 2, 3, 10, 19, 20, 50):
        assert [schedule(step, n_steps) for step in range(n_steps)] == pytest.approx(schedule_slowly(n_steps))
    assert [schedule(step, 50) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert 0 < schedule(49, 50) < 0.01


def test_class_weights_have_a_mean_of_one_over_the_pictures(images):
    weights = weigh_classes(images.labels, 4)
    assert weights.tolist() == pytest.approx([10 / 15, 10 / 9, 0, 10 / 6])
    assert weights[images.labels].mean() == pytest.approx(1)
    sums = [weights[label].item() * n for label, n in Counter(images.labels.tolist()).items()]
    assert sums == pytest.approx([10 / 3] * 3)  # each class that is there counts as much as the others
    assert weigh_classes(np.array([1, 0]), 2).tolist() == [1, 1]


def test_sampling_draws_all_classes_equally_often_in_the_long_run(images):
    drawn = np.concatenate([order_pictures(images.labels, epoch, 3, "sampling") for epoch in range(3000)])
    shares = np.bincount(drawn, minlength=10) / len(drawn)
    for label in (0, 1, 3):
        members = images.labels == label
        # 30,000 draws: a standard error of 0.0027 for a class; within it all pictures have the same chance.
        assert shares[members].sum() == pytest.approx(1 / 3, abs=0.011)
        assert np.allclose(shares[members], 1 / 3 / members.sum(), atol=0.011)


@pytest.mark.parametrize("balance", [None, "weights", "sampling"])
def test_the_order_repeats_by_seed_and_changes_with_seed_and_epoch(images, balance):
    labels = np.tile(images.labels, 5)
    orders = [order_pictures(labels, epoch, seed, balance) for epoch, seed in ((0, 1), (0, 1), (1, 1), (0, 2))]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0], orders[3])
    assert not np.array_equal(orders[2], orders[3])
    if balance != "sampling":
        assert [sorted(order) for order in orders] == [list(range(50))] * 4


def test_what_is_sampled_is_trained_on_with_the_loss_unweighted(images, monkeypatch):
    seen, real = [], TrainingPictures.batch

    def watched(self, indices, policy, epoch):
        seen.append((epoch, list(indices)))
        return real(self, indices, policy, epoch)

    monkeypatch.setattr(TrainingPictures, "batch", watched)
    strategy = tl.Strategy([tl.Phase(["all"], 2, 1e-3)])
    made = make_training(make_tiny_backbone(), nn.Linear(6, 4), strategy, images, balance="sampling", batch_size=10)
    made.run()
    assert seen == [(epoch, list(order_pictures(images.labels, epoch, 0, "sampling"))) for epoch in (0, 1)]
    assert made.class_weights is None


class Clock(nn.Module):
    """A layer by which time passes: so many seconds in bfloat16, so many in float32. Its weight is of no use."""

    def __init__(self, fast_s, exact_s):
        super().__init__()
        self.durations_s, self.now_s, self.n_trials = {True: fast_s, False: exact_s}, [0.0], Counter()
        self.n_pictures = set()

    def __deepcopy__(self, memo):
        return self  # the copy that is tried moves the same clock

    def forward(self, batch):
        enabled = torch.is_autocast_enabled("cpu")
        self.now_s[0] += self.durations_s[enabled]
        self.n_trials[enabled] += 1
        self.n_pictures.add(len(batch))
        return batch


@pytest.fixture
def set_clock(monkeypatch):
    def set_clock(fast_s, exact_s):
        clock = Clock(fast_s, exact_s)
        monkeypatch.setattr(optimizer_module, "time", types.SimpleNamespace(perf_counter=lambda: clock.now_s[0]))
        return clock

    return set_clock


@pytest.mark.parametrize(("fast_s", "exact_s"), [(1, 2), (2, 1)])
def test_the_trial_picks_the_faster_and_leaves_the_network_alone(set_clock, fast_s, exact_s):
    clock = set_clock(fast_s, exact_s)
    network = nn.Sequential(clock, make_tiny_backbone(), nn.Linear(6, 3))
    batch, labels = make_batch(4), torch.tensor([0, 1, 2, 0])
    nn.functional.cross_entropy(network(batch), labels).backward()
    before, gradients = copy_state(network), [value.grad.clone() for value in network.parameters()]
    assert is_bfloat16_faster(network, batch, labels) is (fast_s < exact_s)
    assert clock.n_trials == {True: 3, False: 3 + 1}  # and one is the pass above
    assert same_bits(copy_state(network), before)
    assert all(torch.equal(value.grad, g) for value, g in zip(network.parameters(), gradients, strict=True))
    assert [module.training for module in network] == [True, False, True]


def train_with_clock(images, clock, **settings):
    """Train a network that drops features, with a clock in it; returns the Training."""
    backbone = make_tiny_backbone()
    backbone.tail.append(clock)
    head = nn.Linear(6, 4)
    nn.init.ones_(head.weight)
    nn.init.zeros_(head.bias)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = make_training(backbone, head, tl.Strategy([tl.Phase(["all"], 2, 1e-2)]), images, **settings)
        made.run()
    return made


def test_fast_where_exact_is_faster_gives_the_same_bits_as_exact(images, set_clock):
    fast = train_with_clock(images, set_clock(2, 1), mixed_precision=True)
    exact = train_with_clock(images, set_clock(2, 1))
    assert [row["mixed_precision"] for row in fast.history] == [False, False]
    assert fast.history == exact.history
    assert same_bits(copy_state(fast.backbone), copy_state(exact.backbone))
    assert same_bits(copy_state(fast.head), copy_state(exact.head))


def test_fast_trains_in_bfloat16_and_keeps_float32_weights(images, set_clock):
    clock = set_clock(1, 2)
    fast = train_with_clock(images, clock, mixed_precision=True, batch_size=10)
    assert [row["mixed_precision"] for row in fast.history] == [True, True]
    assert clock.n_trials == {True: 3 + 2, False: 3}  # two steps were taken
    state = copy_state(fast.backbone) | copy_state(fast.head)
    assert {value.dtype for value in state.values()} == {torch.float32, torch.int64}
    exact = train_with_clock(images, set_clock(1, 2), batch_size=10)
    losses, others = ([row["loss"] for row in made.history] for made in (fast, exact))
    assert losses == pytest.approx(others, rel=0.02)
    assert losses != others


def test_exact_tries_nothing(images, set_clock, monkeypatch):
    monkeypatch.setattr(phase_start, "is_bfloat16_faster", lambda *arguments: pytest.fail("tried"))
    clock = set_clock(1, 2)
    exact = train_with_clock(images, clock, batch_size=10)
    assert clock.n_trials == {False: 2}
    assert [row["mixed_precision"] for row in exact.history] == [False, False]


def test_the_trial_takes_no_more_pictures_at_once_than_training_does(images, set_clock):
    clock = set_clock(1, 2)
    train_with_clock(images, clock, mixed_precision=True, batch_size=10, micro_batch_size=4)
    assert max(clock.n_pictures) == 4


def test_a_phase_of_parameters_that_the_network_lacks_is_refused(images):
    strategy = tl.Strategy([tl.Phase(["adapter"], 1, 1e-3)])
    with pytest.raises(ValueError, match=r"train: \['adapter'\], but .* has no such parameters"):
        tl.transfer(make_tiny_backbone(), images, strategy, progress=False)
