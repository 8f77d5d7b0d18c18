"""Heads as torch modules: they say what `predict` says, and can be tuned from there."""

import dataclasses

import numpy as np
import pytest
import torch
from made_features import N_FEATURES, make_features_for
from torch import nn

import tlkit as tl
from tlkit.heads import KINDS

TUNABLE = [kind for kind in KINDS if kind != "knn"]


def ask(module, values):
    with torch.no_grad():
        return module(torch.from_numpy(values)).softmax(dim=1).numpy()


@pytest.mark.parametrize(("n_classes", "absent"), [(2, ()), (3, ()), (5, (0, 3)), (4, (1, 2))])
@pytest.mark.parametrize("scale", [1e-2, 3.0, 1e2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_module_says_what_the_head_says(kind, scale, n_classes, absent):
    head = tl.fit_head(make_features_for(kind, n_classes=n_classes, absent=absent, scale=scale), kind)
    asked = 5 * make_features_for(kind, seed=9, scale=scale).values
    probabilities = ask(head.module(), asked)
    assert probabilities.shape == (40, n_classes)
    assert np.abs(probabilities - head.predict(asked)).max() < 1e-5
    assert probabilities[:, list(absent)].max(initial=0) < 1e-9


@pytest.mark.parametrize("kind", ["logistic", "ridge", "prototype"])
def test_a_linear_head_is_one_layer(kind):
    head = tl.fit_head(make_features_for(kind), kind)
    module = head.module()
    assert type(module) is nn.Linear
    weight, bias = head.linear()
    assert np.array_equal(module.weight.detach().numpy(), weight)
    assert np.array_equal(module.bias.detach().numpy(), bias)


@pytest.mark.parametrize("kind", ["prototype", "mlp", "conv"])
def test_scores_lie_around_zero_so_that_an_absent_class_lies_below(kind):
    head = tl.fit_head(make_features_for(kind, n_classes=5, absent=(0, 3), n_pictures=33), kind)
    assert np.abs(head.weight.mean(axis=0)).max() < 1e-6 * np.abs(head.weight).max()
    assert abs(head.bias.mean()) < 1e-6 * np.abs(head.bias).max()


@pytest.mark.parametrize("kind", ["prototype", "cosine"])
def test_an_absent_class_stays_absent_in_a_very_sure_head(kind):
    features = make_features_for(kind, n_classes=5, absent=(0, 3))
    module = tl.fit_head(features, kind, sharpness=300).module()
    assert ask(module, 5 * make_features_for(kind, seed=9).values)[:, [0, 3]].max() < 1e-9


@pytest.mark.parametrize("kind", TUNABLE)
def test_a_module_is_tuned_from_where_the_head_stopped(kind):
    features = make_features_for(kind)
    head = tl.fit_head(features, kind)
    before = head.predict(features.values)
    module = head.module()
    values, labels = torch.from_numpy(features.values), torch.from_numpy(features.labels)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(values), labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    right = before[np.arange(40), features.labels]
    assert losses[0] == pytest.approx(-np.log(right).mean(), abs=1e-4)
    assert losses == sorted(losses, reverse=True)
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert np.array_equal(head.predict(features.values), before)  # the head itself is left as it was


def test_the_neighbours_vote_has_no_parameters_but_a_gradient_in_what_it_is_asked():
    # With two neighbours one class or two get no vote: the logarithm of 0 has no slope.
    module = tl.fit_head(make_features_for("knn"), "knn", n_neighbors=2).module()
    assert not list(module.parameters())
    assert set(module.state_dict()) == {"kept", "votes"}
    values = torch.from_numpy(make_features_for("knn", seed=3).values).requires_grad_()
    scores = module(values)
    assert (scores.detach() < -60).any()
    scores.sum().backward()
    assert torch.isfinite(values.grad).all()
    assert values.grad.abs().sum() > 0


def test_the_neighbours_vote_tells_near_copies_apart_as_the_head_does():
    features = make_features_for("knn")
    random = np.random.default_rng(0)
    values = np.repeat(features.values[:8], 5, axis=0)
    values += 1e-3 * random.normal(size=values.shape).astype(np.float32)
    copies = dataclasses.replace(features, values=values, labels=np.arange(40) % 3)
    head = tl.fit_head(copies, "knn")
    assert np.abs(ask(head.module(), features.values[:8]) - head.predict(features.values[:8])).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_making_a_module_draws_no_random_numbers(kind):
    state = torch.random.get_rng_state()
    tl.fit_head(make_features_for(kind), kind).module()
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_a_convolutional_head_is_a_convolution_by_hand(kernel_size):
    features = make_features_for("conv", n_classes=4, absent=(2,))
    head = tl.fit_head(features, "conv", kernel_size=kernel_size, n_channels=5, n_epochs=3)
    margin = kernel_size // 2
    for maps, row in zip(features.values[:6].astype(float), head.predict(features.values[:6]), strict=True):
        padded = np.pad(maps, ((0, 0), (margin, margin), (margin, margin)))
        means = np.zeros(5)
        for channel in range(5):
            for y in range(3):
                for x in range(3):
                    patch = padded[:, y : y + kernel_size, x : x + kernel_size]
                    response = (patch * head.kernel[channel]).sum() + head.kernel_bias[channel]
                    means[channel] += max(response, 0) / 9
        scores = np.exp(head.weight @ means + head.bias)
        assert row[[0, 1, 3]] == pytest.approx(scores / scores.sum(), abs=1e-5)


def test_a_convolutional_head_sees_what_the_mean_over_the_map_hides():
    random = np.random.default_rng(0)
    features = make_features_for("conv", n_classes=2, n_pictures=120, scale=0.1)
    values = 0.1 * random.normal(size=(120, N_FEATURES, 4, 4)).astype(np.float32)
    # Class 0 is even; class 1 is high on one half and as low on the other: the means are the same.
    values[features.labels == 1, 0, :, :2] += 1
    values[features.labels == 1, 0, :, 2:] -= 1
    made = type(features)(values, features.labels, features.classes, features.names, features.groups, {})
    assert tl.fit_head(made, "conv").score(made) == 1.0
    assert tl.fit_head(made, "logistic").score(made) < 0.8


def test_a_convolutional_head_has_no_state_but_its_parameters():
    module = tl.fit_head(make_features_for("conv"), "conv").module()
    assert [type(layer) for layer in module] == [nn.Conv2d, nn.ReLU, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]
    assert not list(module.buffers())
    values = torch.from_numpy(make_features_for("conv", seed=2).values)
    with torch.no_grad():
        assert torch.equal(module.train()(values), module.eval()(values))
