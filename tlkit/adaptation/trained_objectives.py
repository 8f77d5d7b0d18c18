"""Objectives of phases: terms added to the loss of each step to bring source and target together."""

import dataclasses

from torch import nn

from tlkit.adaptation import losses
from tlkit.arguments import check_number
from tlkit.cpu.draws import Draws

N_HIDDEN = 128


@dataclasses.dataclass(frozen=True)
class _Objective:
    """A loss term with its weight, a number of at least 0."""

    loss_weight: float

    def __post_init__(self):
        check_number("loss_weight", self.loss_weight, at_least=0)


@dataclasses.dataclass(frozen=True)
class DeepCoral(_Objective):
    """`loss_weight` times `coral_loss` of the features (Sun and Saenko 2016, Deep CORAL)."""

    # The paper aligns the scores. Features show more of the difference between domains, above all with few classes.
    # The loss has the fourth power of the features' unit, and is divided by 4 n_features².

    def __call__(self, source, target, critic, progress):
        return self.loss_weight * losses.coral_loss(source.features, target.features)


@dataclasses.dataclass(frozen=True)
class Dan(_Objective):
    """`loss_weight` times `mmd_loss` of the features (Long et al. 2015, DAN, who align the last three layers)."""

    def __call__(self, source, target, critic, progress):
        return self.loss_weight * losses.mmd_loss(source.features, target.features)


@dataclasses.dataclass(frozen=True)
class Dann(_Objective):
    """`domain_loss` of the features (Ganin et al. 2016, DANN)."""

    # The reversed gradient grows along `ramp` up to `loss_weight`; the critic itself learns at full weight throughout.
    n_hidden: int = N_HIDDEN

    def make_critic(self, n_features, n_classes, seed):
        """Return the critic of a phase, (n, n_features) to (n, 1)."""
        return make_critic(n_features, self.n_hidden, seed)

    def __call__(self, source, target, critic, progress):
        return losses.domain_loss(critic, source.features, target.features, self.loss_weight * losses.ramp(progress))


@dataclasses.dataclass(frozen=True)
class Cdan(_Objective):
    """`conditional_domain_loss` (Long et al. 2018, CDAN); if `weighted`, confident pictures count more."""

    # `loss_weight` as in `Dann`.
    weighted: bool = True
    n_hidden: int = N_HIDDEN

    def make_critic(self, n_features, n_classes, seed):
        """Return the critic of a phase, (n, n_features × n_classes) to (n, 1)."""
        return make_critic(n_features * n_classes, self.n_hidden, seed)

    def __call__(self, source, target, critic, progress):
        reversal_scale = self.loss_weight * losses.ramp(progress)
        pairs = source.features, target.features, source.scores, target.scores
        return losses.conditional_domain_loss(critic, *pairs, reversal_scale, weighted=self.weighted)


@dataclasses.dataclass(frozen=True)
class Mcc(_Objective):
    """`loss_weight` times `confusion_loss` of the target's scores (Jin et al. 2020, MCC)."""

    temperature: float = losses.TEMPERATURE

    def __post_init__(self):
        super().__post_init__()
        check_number("temperature", self.temperature, above=0, hint=f", such as {losses.TEMPERATURE}")

    def __call__(self, source, target, critic, progress):
        return self.loss_weight * losses.confusion_loss(target.scores, self.temperature)


def make_critic(n_inputs, n_hidden, seed):
    """Return a critic with one hidden layer, (n, n_inputs) to (n, 1), seeded apart from torch's own random state."""
    # As in Ganin et al. 2016, except for sizes. Later code adds batch norm, which undoes any shrinking of the features:
    # a direction that reveals the domain must then vanish altogether before the critic sees less of it.
    with Draws(seed):
        return nn.Sequential(nn.Linear(n_inputs, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 1))
