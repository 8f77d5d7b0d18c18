"""Adaptation as a linear head that is solved: what a phase with `n_epochs=None` takes as its objective. Without torch.

Each has `solve`, which gives a last layer for the target's features as they are: alignments are affine, importance
weights enter the fit, and shares of classes move the biases, so that what comes out is a linear head like any other.
"""

import dataclasses

import numpy as np

from tlkit.adaptation import alignment as alignments
from tlkit.adaptation.importance_weights import LARGEST, weigh_source
from tlkit.adaptation.priors import METHODS as PRIORS
from tlkit.adaptation.priors import estimate_priors
from tlkit.adaptation.solved_head import Solved, balance_classes, solve_head
from tlkit.arguments import check_count, check_known, check_pair, check_positive
from tlkit.heads.logistic import L2_PENALTY
from tlkit.heads.numerics import softmax
from tlkit.images.splits import assign_folds

# What aligns, and what its one setting is called.
ALIGNMENTS = {
    "none": (lambda source, target: source, None),
    "mean": (alignments.align_mean, None),
    "scale": (alignments.align_scale, None),
    "coral": (alignments.align_coral, "shrinkage"),
    "subspace": (alignments.align_subspace, "n_components"),
    "transport": (alignments.align_transport, "entropy"),
}
_LEAST_SHARE = 1e-3  # of a class, so that no estimate rules one out


class _Objective:
    def solve(self, source_values, labels, target_values, n_classes, seed):
        """Return (weight, bias), (n_classes, d) and (n_classes,) float64; arguments as in `fit`."""
        solved = self.fit(source_values, labels, target_values, n_classes, seed)
        return solved.weight, solved.bias


@dataclasses.dataclass(frozen=True)
class Align(_Objective):
    """Align the source with the target, and solve the head on what comes out.

    Arguments
    ---------
    alignment: str
        One of `ALIGNMENTS`; each is a function of `tlkit.adaptation`, "none" leaves the source as it is.
    amount: float, optional
        The one setting of "coral" (shrinkage), "subspace" (n_components) and "transport" (entropy); None is its
        default.
    floor: float, optional
        Each domain is first divided by its own standard deviations, to each of which this share of their mean is added,
        so that silent features aren't blown up. None leaves the features' scales alone.
    balance: bool
        Each class of the source counts the same in the fit. Alignment carries the source's shares of classes into a
        target that has others; a head that wasn't taught any is misled less.
    l2_penalty: float
        Of the head's penalty, as in `fit_logistic`.
    n_rounds: int
        So often the head is solved again with the target's pictures that it is surest of, labelled as it says: of each
        class that it predicts, `share` of them (Zou et al. 2018, Unsupervised domain adaptation for semantic
        segmentation via class-balanced self-training, where the share grows by rounds). They count as much as the
        source, each of their classes the same.
    share: float
        Above 0, up to 1.
    priors: str, optional
        "em" or "confusion" moves the biases by what `estimate_priors` says of the target, where the head has learned
        the source's shares, so without `balance` and rounds only.

    Raises ValueError for settings out of range.
    """

    alignment: str = "coral"
    amount: float | None = None
    floor: float | None = None
    balance: bool = False
    l2_penalty: float = L2_PENALTY
    n_rounds: int = 0
    share: float = 0.5
    priors: str | None = None

    def __post_init__(self):
        check_known("alignment", [self.alignment], ALIGNMENTS)
        check_positive("l2_penalty", self.l2_penalty)
        check_count("n_rounds", self.n_rounds, 0)
        if self.amount is not None and ALIGNMENTS[self.alignment][1] is None:
            raise ValueError(f"amount: {self.amount!r}, but {self.alignment!r} has no setting, expected None")
        if self.floor is not None and not self.floor >= 0:
            raise ValueError(f"floor: {self.floor!r}, expected a number of at least 0, or None")
        if not 0 < self.share <= 1:
            raise ValueError(f"share: {self.share!r}, expected above 0 and up to 1")
        if self.priors is not None:
            check_known("priors", [self.priors], PRIORS)
            if self.balance or self.n_rounds:
                raise ValueError(
                    f"priors: {self.priors!r} corrects the shares that a head learned, expected balance=False and "
                    "n_rounds=0 beside it"
                )

    def fit(self, source_values, labels, target_values, n_classes, seed):
        """Return the `Solved` head.

        Arguments
        ---------
        source_values: (n, d)
        labels: (n,) int
            Of the source; -1 hides a picture's label: it is aligned with the others, but not learned.
        target_values: (m, d)
        n_classes: int
        seed: int
            Of the folds, where `priors` is "confusion"; the rest draws nothing.

        >>> source, labels = np.array([[0.0], [1.0], [3.0], [4.0]]), np.array([0, 0, 1, 1])
        >>> solved = Align("mean").fit(source, labels, source + 100, 2, seed=0)
        >>> solved.predict(source + 100).argmax(axis=1)
        array([0, 0, 1, 1])
        """
        source, target = check_pair(source_values, target_values)
        labels = np.asarray(labels)
        unit, centre = np.ones(target.shape[1]), np.zeros(target.shape[1])
        if self.floor is not None:
            unit, centre = _measure_unit(target, self.floor), target.mean(axis=0)
            source = (source - source.mean(axis=0)) / _measure_unit(source, self.floor)
            target = (target - centre) / unit
        align, setting = ALIGNMENTS[self.alignment]
        source = align(source, target) if self.amount is None else align(source, target, **{setting: self.amount})
        weight, bias = solve_head(
            source,
            labels,
            n_classes,
            l2_penalty=self.l2_penalty,
            weights=balance_classes(labels) if self.balance else None,
        )
        for _ in range(self.n_rounds):
            weight, bias = self._learn_from_target(source, labels, target, weight, bias)
        if self.priors is not None:
            bias = bias + self._shift(source, labels, target, weight, bias, seed)
        weight = weight / unit
        return Solved(weight, bias - weight @ centre, source * unit + centre)

    def _learn_from_target(self, source, labels, target, weight, bias):
        said = softmax(target @ weight.T + bias)
        guessed, surest = said.argmax(axis=1), said.max(axis=1)
        taken = np.zeros(len(target), bool)
        for label in np.unique(guessed):
            members = np.flatnonzero(guessed == label)
            n_taken = int(np.ceil(self.share * len(members)))
            taken[members[np.argsort(-surest[members], kind="stable")][:n_taken]] = True
        n_known = np.sum(labels >= 0)
        return solve_head(
            np.concatenate([source, target[taken]]),
            np.concatenate([labels, guessed[taken]]),
            len(bias),
            l2_penalty=self.l2_penalty,
            weights=np.concatenate(
                [
                    balance_classes(labels) if self.balance else np.ones(len(labels)),
                    balance_classes(guessed[taken]) * n_known / taken.sum(),
                ]
            ),
        )

    def _shift(self, source, labels, target, weight, bias, seed):
        """Return what the biases gain when the source's shares of classes give way to those of the target."""
        known = labels >= 0
        values, labels = source[known], labels[known]
        said = softmax(values @ weight.T + bias)
        if self.priors == "confusion":  # which goes by the mistakes on pictures that weren't learned
            folds = assign_folds(labels, None, 2, seed)
            for fold in range(2):
                held = folds == fold
                part = solve_head(values[~held], labels[~held], len(bias), l2_penalty=self.l2_penalty)
                said[held] = softmax(values[held] @ part[0].T + part[1])
        priors = np.bincount(labels, minlength=len(bias)) / len(labels)
        estimated = estimate_priors(said, labels, softmax(target @ weight.T + bias), self.priors)
        return np.where(priors > 0, np.log(np.maximum(estimated, _LEAST_SHARE) / np.maximum(priors, _LEAST_SHARE)), 0.0)


@dataclasses.dataclass(frozen=True)
class Reweigh(_Objective):
    """Weigh each picture of the source by how much it looks like the target, and solve the head on them.

    Arguments
    ---------
    largest: float
        As in `weigh_source`.
    l2_penalty: float
        Of the head's penalty, as in `fit_logistic`.
    """

    largest: float = LARGEST
    l2_penalty: float = L2_PENALTY

    def fit(self, source_values, labels, target_values, n_classes, seed):
        """Return the `Solved` head; as `Align.fit`, the seed being that of the folds of the domain classifier."""
        source, target = check_pair(source_values, target_values)
        weights = weigh_source(source, target, largest=self.largest, seed=seed)
        return Solved(*solve_head(source, labels, n_classes, l2_penalty=self.l2_penalty, weights=weights), source)


# Chosen on pairs of photo, clipart, emoji and sketch, each time by those whose target was another one.
CORAL_SELF_TRAINING = Align("coral", amount=0.8, floor=0.3, balance=True, l2_penalty=300.0, n_rounds=3)

METHODS = {
    "source_only": Align("none"),
    "align_mean": Align("mean"),
    "align_scale": Align("scale"),
    "coral": Align("coral"),
    "subspace": Align("subspace"),
    "transport": Align("transport"),
    "importance": Reweigh(),
    "priors": Align("none", priors="em"),
    "coral_self_training": CORAL_SELF_TRAINING,
}


def _measure_unit(values, floor):
    """Return the standard deviation of each feature with a share of their mean added, (d,), 1 where both are 0."""
    spread = values.std(axis=0)
    unit = spread + floor * spread.mean()
    return np.where(unit > 0, unit, 1.0)
