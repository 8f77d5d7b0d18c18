"""Adaptation losses equal slow versions in NumPy, and reversed gradients what finite differences say."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tlkit.adaptation.losses import (
    conditional_domain_loss,
    confusion_loss,
    coral_loss,
    domain_loss,
    entropy_loss,
    information_maximisation_loss,
    mmd_loss,
    ramp,
    reverse_gradient,
)
from tlkit.adaptation.trained_objectives import make_critic


@pytest.fixture
def rows():
    """Source and target features (7, 3) and (5, 3), float64."""
    random = np.random.default_rng(0)
    return random.normal(size=(7, 3)), random.normal(size=(5, 3)) * [2, 1, 0.5] + 1


@pytest.fixture
def scores():
    """Scores of source and target (7, 4) and (5, 4), float64."""
    random = np.random.default_rng(1)
    return random.normal(size=(7, 4)) * 2, random.normal(size=(5, 4)) * 2


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def softmax_slowly(row):
    powers = [math.exp(score) for score in row]
    return [power / sum(powers) for power in powers]


def entropy_slowly(row):
    return -sum(share * math.log(share) for share in softmax_slowly(row))


def covariance_slowly(values):
    n_rows, n_columns = values.shape
    means = [sum(values[:, column]) / n_rows for column in range(n_columns)]
    return [
        [sum((row[i] - means[i]) * (row[j] - means[j]) for row in values) / (n_rows - 1) for j in range(n_columns)]
        for i in range(n_columns)
    ]


def test_coral_is_the_distance_of_covariances(rows):
    covariances = [covariance_slowly(values) for values in rows]
    expected = sum((covariances[0][i][j] - covariances[1][i][j]) ** 2 for i in range(3) for j in range(3)) / (4 * 3**2)
    assert coral_loss(*tensors(*rows)).item() == pytest.approx(expected, rel=1e-12)


def test_coral_sees_no_shift_of_the_mean(rows):
    source, _ = tensors(*rows)
    assert coral_loss(source, source + 5).item() == pytest.approx(0, abs=1e-25)


def mmd_slowly(source, target, bandwidths):
    rows = [*source, *target]
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
    mean = sum(sum((rows[i] - rows[j]) ** 2) for i, j in pairs) / len(pairs)

    def kernel(x, y):
        return sum(math.exp(-sum((x - y) ** 2) / (bandwidth * mean)) for bandwidth in bandwidths)

    def average(some, others):
        return sum(kernel(x, y) for x in some for y in others) / (len(some) * len(others))

    return average(source, source) + average(target, target) - 2 * average(source, target)


@pytest.mark.parametrize("bandwidths", [(0.25, 0.5, 1.0, 2.0, 4.0), (0.7,)])
def test_mmd_is_that_of_a_loop_over_pairs(rows, bandwidths):
    expected = mmd_slowly(*rows, bandwidths)
    assert mmd_loss(*tensors(*rows), bandwidths).item() == pytest.approx(expected, rel=1e-10)
    # Widths follow the data, so that the unit of the features doesn't matter.
    assert mmd_loss(*(1000 * values for values in tensors(*rows)), bandwidths).item() == pytest.approx(expected)


def test_mmd_takes_its_widths_as_constants(rows):
    source, target = tensors(*rows)
    source.requires_grad_()
    mmd_loss(source, target).backward()
    pairs = torch.cat([source, target]).detach()
    mean = ((pairs[:, None] - pairs) ** 2).sum() / (12 * 11)
    step, place = 1e-6, (2, 1)
    losses = []
    for sign in (1, -1):
        moved = source.detach().clone()
        moved[place] += sign * step
        rows_ = torch.cat([moved, target])
        kernel = sum(
            torch.exp(-((rows_[:, None] - rows_) ** 2).sum(dim=2) / (width * mean)) for width in (0.25, 0.5, 1, 2, 4)
        )
        losses.append(kernel[:7, :7].mean() + kernel[7:, 7:].mean() - 2 * kernel[:7, 7:].mean())
    assert source.grad[place].item() == pytest.approx(((losses[0] - losses[1]) / (2 * step)).item(), rel=1e-6)


def test_mmd_of_rows_that_are_all_alike_is_zero_with_a_gradient():
    rows = torch.ones(4, 2, requires_grad=True)
    loss = mmd_loss(rows, torch.ones(3, 2))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert rows.grad.isfinite().all()


def make_small_critic(n_inputs):
    generator = torch.Generator().manual_seed(3)
    critic = nn.Sequential(nn.Linear(n_inputs, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    with torch.no_grad():
        for value in critic.parameters():
            value.copy_(torch.randn(value.shape, generator=generator, dtype=torch.float64))
    return critic


def criticise_slowly(critic, row):
    first, last = critic[0], critic[2]
    hidden = np.tanh(first.weight.detach().numpy() @ row + first.bias.detach().numpy())
    return float((last.weight.detach().numpy() @ hidden + last.bias.detach().numpy())[0])


def domain_slowly(critic, source, target, source_weights=None, target_weights=None):
    halves = []
    for values, weights, is_source in ((source, source_weights, True), (target, target_weights, False)):
        weights = weights or [1 / len(values)] * len(values)
        chances = [1 / (1 + math.exp(-criticise_slowly(critic, row))) for row in values]
        halves.append(-sum(w * math.log(p if is_source else 1 - p) for w, p in zip(weights, chances, strict=True)))
    return sum(halves) / 2


def test_domain_loss_is_the_mean_cross_entropy_of_both_domains(rows):
    critic = make_small_critic(3)
    expected = domain_slowly(critic, *rows)
    for reversal_scale in (0.0, 0.5, 2.0):
        assert domain_loss(critic, *tensors(*rows), reversal_scale).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("reversal_scale", [0.0, 0.3, 1.0])
def test_the_critic_goes_down_and_the_features_go_up(rows, reversal_scale):
    critic = make_small_critic(3)
    source, target = tensors(*rows)
    domain_loss(critic, source.requires_grad_(), target.requires_grad_(), reversal_scale).backward()
    step = 1e-6
    for values, other, gradient in ((0, 1, source.grad), (1, 0, target.grad)):
        for place in ((0, 0), (4, 2)):
            losses = []
            for sign in (1, -1):
                moved = [array.copy() for array in rows]
                moved[values][place] += sign * step
                losses.append(domain_slowly(critic, *moved))
            slope = (losses[0] - losses[1]) / (2 * step)
            assert gradient[place].item() == pytest.approx(-reversal_scale * slope, rel=1e-5, abs=1e-9)
            assert np.array_equal(moved[other], rows[other])
    weight = critic[0].weight
    for place in ((0, 0), (3, 1)):
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
            losses.append(domain_slowly(critic, *rows))
            with torch.no_grad():
                weight[place] -= sign * step
        assert weight.grad[place].item() == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=1e-5)


def test_reversed_values_are_the_values_bit_for_bit():
    values = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    reversed_values = reverse_gradient(values, 2.0)
    assert torch.equal(reversed_values, values)
    (reversed_values * torch.tensor([1.0, 3.0])).sum().backward()
    assert values.grad.tolist() == [[-2.0, -6.0]] * 3


@pytest.mark.parametrize("weighted", [True, False])
def test_the_conditional_loss_sees_each_feature_times_each_probability(rows, scores, weighted):
    critic = make_small_critic(12)
    joint, weights = [], []
    for values, of_rows in zip(rows, scores, strict=True):
        joint.append(
            np.array([[f * p for f in row for p in softmax_slowly(s)] for row, s in zip(values, of_rows, strict=True)])
        )
        sure = [1 + math.exp(-entropy_slowly(row)) if weighted else 1.0 for row in of_rows]
        weights.append([w / sum(sure) for w in sure])
    expected = domain_slowly(critic, *joint, *weights)
    given = conditional_domain_loss(critic, *tensors(*rows), *tensors(*scores), 0.7, weighted=weighted)
    assert given.item() == pytest.approx(expected, rel=1e-10)


def test_the_conditional_loss_turns_the_gradient_of_features_alone(rows, scores):
    critic = make_small_critic(12)
    gradients = []
    for reversal_scale in (0.5, -1.0):  # at -1 the gradient is the plain one
        source, target, source_scores, target_scores = (
            values.clone().requires_grad_() for values in tensors(*rows, *scores)
        )
        conditional_domain_loss(critic, source, target, source_scores, target_scores, reversal_scale).backward()
        assert source_scores.grad is None and target_scores.grad is None
        gradients.append((source.grad, target.grad))
    for turned, plain in zip(*gradients, strict=True):
        assert plain.abs().min() > 0
        assert torch.allclose(turned, -0.5 * plain, rtol=1e-12)


def confusion_slowly(scores, temperature):
    softened = [[score / temperature for score in row] for row in scores]
    sure = [1 + math.exp(-entropy_slowly(row)) for row in softened]
    weights = [len(scores) * w / sum(sure) for w in sure]
    chances = [softmax_slowly(row) for row in softened]
    classes = range(len(scores[0]))
    table = [[sum(w * p[i] * p[j] for w, p in zip(weights, chances, strict=True)) for j in classes] for i in classes]
    return sum(table[i][j] / sum(table[i]) for i in classes for j in classes if i != j) / len(classes)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_confusion_is_that_of_a_loop(scores, temperature):
    expected = confusion_slowly(scores[1], temperature)
    assert confusion_loss(tensors(scores[1])[0], temperature).item() == pytest.approx(expected, rel=1e-10)


def test_confusion_takes_its_weights_as_constants(scores):
    (values,) = tensors(scores[1])
    values.requires_grad_()
    confusion_loss(values).backward()
    softened = values.detach() / 2.5
    logarithms = softened.log_softmax(dim=1)
    sure = 1 + torch.exp((logarithms.exp() * logarithms).sum(dim=1))
    step, place, losses = 1e-6, (1, 2), []
    for sign in (1, -1):
        moved = values.detach().clone()
        moved[place] += sign * step
        chances = (moved / 2.5).softmax(dim=1)
        table = chances.T @ (chances * sure[:, None])
        losses.append(1 - (table.diag() / table.sum(dim=1)).mean())
    assert values.grad[place].item() == pytest.approx(((losses[0] - losses[1]) / (2 * step)).item(), rel=1e-5)


def test_entropy_and_information_are_those_of_a_loop(scores):
    (values,) = tensors(scores[1])
    entropies = [entropy_slowly(row) for row in scores[1]]
    chances = [softmax_slowly(row) for row in scores[1]]
    mean = [sum(row[column] for row in chances) / len(chances) for column in range(4)]
    expected = sum(entropies) / len(entropies)
    assert entropy_loss(values).item() == pytest.approx(expected, rel=1e-12)
    expected += sum(share * math.log(share) for share in mean)
    assert information_maximisation_loss(values).item() == pytest.approx(expected, rel=1e-12)


def test_certain_predictions_have_finite_losses_and_gradients():
    for loss in (entropy_loss, information_maximisation_loss, confusion_loss):
        scores = torch.tensor([[1000.0, 0.0, -1000.0], [1000.0, 0.0, -1000.0]], requires_grad=True)
        value = loss(scores)
        value.backward()
        assert value.isfinite() and scores.grad.isfinite().all(), loss


def test_the_ramp_rises_from_zero_to_one():
    values = [ramp(place / 10) for place in range(11)]
    assert values[0] == 0 and values == sorted(values)
    assert values[-1] == pytest.approx(2 / (1 + math.exp(-10)) - 1)


def test_a_critic_is_made_by_its_seed_and_draws_nothing_from_others():
    state = torch.random.get_rng_state()
    critics = [make_critic(3, 4, seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(critics[0][0].weight, critics[1][0].weight)
    assert not torch.equal(critics[0][0].weight, critics[2][0].weight)
