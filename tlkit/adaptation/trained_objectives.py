"""Objectives of phases: what a step adds to the loss to bring source and target together."""

import dataclasses
import math

import torch
from torch import nn

from tlkit.adaptation.losses import (
    TEMPERATURE,
    conditional_domain_loss,
    confusion_loss,
    coral_loss,
    domain_loss,
    mmd_loss,
    ramp,
)

N_HIDDEN = 128


@dataclasses.dataclass(frozen=True)
class DeepCoral:
    """Strength × `coral_loss` of the features.

    Sun and Saenko 2016 (Deep CORAL: correlation alignment for deep domain adaptation), who align the scores. Features
    say more of how the domains differ, and of few classes scores say little.

    Arguments
    ---------
    loss_weight: float
        At least 0. The loss has the fourth power of the features' unit, and is divided by 4 × n_features².
    """

    loss_weight: float

    def __post_init__(self):
        _check_loss_weight(self.loss_weight)

    def __call__(self, source, target, critic, progress):
        return self.loss_weight * coral_loss(source.features, target.features)


@dataclasses.dataclass(frozen=True)
class Dan:
    """Strength × `mmd_loss` of the features.

    Long et al. 2015 (Learning transferable features with deep adaptation networks), who align the last three layers.

    Arguments
    ---------
    loss_weight: float
        At least 0.
    """

    loss_weight: float

    def __post_init__(self):
        _check_loss_weight(self.loss_weight)

    def __call__(self, source, target, critic, progress):
        return self.loss_weight * mmd_loss(source.features, target.features)


@dataclasses.dataclass(frozen=True)
class Dann:
    """`domain_loss` of the features against a critic, whose reversed gradient grows with `ramp`.

    Ganin et al. 2016 (Domain-adversarial training of neural networks).

    Arguments
    ---------
    loss_weight: float
        Of the reversed gradient at the end, at least 0; the critic itself learns at full loss_weight.
    n_hidden: int
        Of the critic.
    """

    loss_weight: float
    n_hidden: int = N_HIDDEN

    def __post_init__(self):
        _check_loss_weight(self.loss_weight)

    def make_critic(self, n_features, n_classes, seed):
        """Return the critic of a phase."""
        return make_critic(n_features, self.n_hidden, seed)

    def __call__(self, source, target, critic, progress):
        return domain_loss(critic, source.features, target.features, self.loss_weight * ramp(progress))


@dataclasses.dataclass(frozen=True)
class Cdan:
    """`conditional_domain_loss` against a critic, whose reversed gradient grows with `ramp`.

    Long et al. 2018 (Conditional adversarial domain adaptation).

    Arguments
    ---------
    loss_weight: float
        Of the reversed gradient at the end, at least 0.
    weighted: bool
        Whether sure pictures count more.
    n_hidden: int
        Of the critic.
    """

    loss_weight: float
    weighted: bool = True
    n_hidden: int = N_HIDDEN

    def __post_init__(self):
        _check_loss_weight(self.loss_weight)

    def make_critic(self, n_features, n_classes, seed):
        """Return the critic of a phase."""
        return make_critic(n_features * n_classes, self.n_hidden, seed)

    def __call__(self, source, target, critic, progress):
        return conditional_domain_loss(
            critic,
            source.features,
            target.features,
            source.scores,
            target.scores,
            self.loss_weight * ramp(progress),
            weighted=self.weighted,
        )


@dataclasses.dataclass(frozen=True)
class Mcc:
    """Strength × `confusion_loss` of the target's scores.

    Jin et al. 2020 (Minimum class confusion for versatile domain adaptation).

    Arguments
    ---------
    loss_weight: float
        At least 0.
    temperature: float
        Above 0.
    """

    loss_weight: float
    temperature: float = TEMPERATURE

    def __post_init__(self):
        _check_loss_weight(self.loss_weight)
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature: {self.temperature!r}, expected a number above 0, such as {TEMPERATURE}")

    def __call__(self, source, target, critic, progress):
        return self.loss_weight * confusion_loss(target.scores, self.temperature)


def _check_loss_weight(loss_weight):
    if isinstance(loss_weight, bool) or not isinstance(loss_weight, (int, float)):
        raise TypeError(f"loss_weight: {loss_weight!r}, expected a number of at least 0")
    if not 0 <= loss_weight < math.inf:
        raise ValueError(f"loss_weight: {loss_weight!r}, expected a number of at least 0")


def make_critic(n_inputs, n_hidden, seed):
    """Return a critic: (n, n_inputs) to one score a row, (n, 1), with one hidden layer.

    As in Ganin et al. 2016 (Domain-adversarial training of neural networks), but for sizes. Later code adds batch norm,
    which undoes what features lose in size: a direction that gives the domain away then has to vanish altogether
    before the critic sees less of it.

    Arguments
    ---------
    n_inputs, n_hidden: int
    seed: int
        Of its weights; torch's own random state stays as it is.

    >>> make_critic(3, 8, seed=0)(torch.zeros(5, 3)).shape
    torch.Size([5, 1])
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(n_inputs, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 1))
