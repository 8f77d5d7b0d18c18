"""Adaptation by a solved linear head: objectives for a phase with `n_epochs=None`. Without torch.

`solve` returns a last layer for the unchanged features of the target. Alignments are affine, importance weights enter
the fit, and class priors shift the biases, so the result is a linear head like any other.
"""

import dataclasses
import math

import numpy as np

from tlkit.adaptation.alignment import ALIGNMENTS
from tlkit.adaptation.priors import METHODS as PRIORS
from tlkit.adaptation.priors import estimate_priors
from tlkit.adaptation.solved_head import Solved, balance_classes, solve_head
from tlkit.adaptation.split_distances import N_FOLDS, describe_single_domain
from tlkit.arguments import check_class_indices, check_count, check_known, check_number
from tlkit.features.arrays import check_groups, check_pair
from tlkit.heads.logistic import L2_PENALTY, solve_logistic
from tlkit.heads.numerics import measure_scale, softmax
from tlkit.images.splits import assign_folds

_CLASSIFIER_L2_PENALTY = 1000.0


def weigh_source(source, target, source_groups=None, target_groups=None, *, clipping_threshold=10.0, seed=0):
    """Return the (n,) density ratios of target to source for each source picture, clipped, with mean 1."""
    # Shimodaira 2000 (Improving predictive inference under covariate shift by weighting the log-likelihood function). A
    # classifier of domains gives the ratio (Bickel, Brückner and Scheffer 2007). It is cross-fitted: it never learns
    # from the group that it scores, or all ratios would be near 0. With a weak penalty, they are all or nothing.
    source, target = check_pair(source, target)
    seed = check_count("seed", seed, 0)
    hint = " (1 is the mean of all weights)"
    check_number("clipping_threshold", clipping_threshold, at_least=1, at_most=math.inf, hint=hint)
    grouped = source_groups is not None
    groups = check_groups(source_groups, target_groups, len(source), len(target))
    values = np.concatenate([source, target])
    values = values / measure_scale(values)
    is_target = np.repeat([0, 1], [len(source), len(target)])
    n_folds = min(N_FOLDS, len(np.unique(groups)), len(source), len(target))
    folds = assign_folds(is_target, groups if grouped else None, n_folds, seed)
    ratios = np.empty(len(source))
    for fold in np.unique(folds):
        training, held_out = folds != fold, folds[: len(source)] == fold
        n_source, n_target = np.bincount(is_target[training], minlength=2)
        if not (n_source and n_target):
            raise ValueError(f"source_groups: {describe_single_domain(fold, n_folds)}")
        weight, bias = solve_logistic(values[training], is_target[training], l2_penalty=_CLASSIFIER_L2_PENALTY)
        scores = values[: len(source)][held_out] @ (weight[1] - weight[0]) + bias[1] - bias[0]
        ratios[held_out] = np.exp(np.clip(scores, -30, 30)) * n_source / n_target
    # Clipping lowers the mean of the ratios, and so the threshold itself: repeat until nothing changes.
    for _ in range(100):
        before, ratios = ratios, np.minimum(ratios, clipping_threshold * ratios.mean())
        if np.array_equal(before, ratios):
            break
    return ratios / ratios.mean()


_LEAST_SHARE = 1e-3  # of a class, so that no estimate excludes one


class _Objective:
    """An objective of a solved head; subclasses have `_fit`."""

    def fit(self, source_values, labels, target_values, n_classes, seed):
        """Return the `Solved` head for (n, d) source and (m, d) target features; labels of -1 are only aligned."""
        source, target = check_pair(source_values, target_values)
        labels = check_class_indices("labels", labels, len(source), n_classes, lowest=-1)
        return self._fit(source, target, labels, n_classes, seed)

    def solve(self, source_values, labels, target_values, n_classes, seed):
        """Return (n_classes, d) weight and (n_classes,) bias; arguments as in `fit`."""
        solved = self.fit(source_values, labels, target_values, n_classes, seed)
        return solved.weight, solved.bias


@dataclasses.dataclass(frozen=True)
class Align(_Objective):
    """Align the source with the target and solve a logistic head on the result.

    Parameters
    ----------
    alignment : str, default "coral"
        "none", "mean", "scale" (mean and standard deviation of each feature), "coral", "subspace" or "transport".
    alignment_parameter : float, optional
        Shrinkage of "coral", number of components of "subspace", or entropy of "transport". None uses the default.
    std_offset : float, optional
        If given, each domain is standardised first, by standard deviations plus this multiple of their mean.
    balance : bool, default False
        Whether all source classes count the same in the fit, which helps if the target has other class shares.
    l2_penalty : float
        L2 penalty of the head, as in `fit_logistic`.
    n_rounds : int, default 0
        Number of self-training rounds. Each one solves the head again on the source and the most confident target
        pictures with their predicted labels. The latter count as much as the source, balanced by class.
    pseudo_label_fraction : float, default 0.5
        Fraction of the target pictures used in each round, per predicted class, above 0 and up to 1.
    priors : {"em", "confusion"}, optional
        Method to estimate the target's class shares, to which biases move; excludes `balance` and `n_rounds`.

    Raises
    ------
    ValueError
        If a setting is out of range.

    References
    ----------
    Zou et al., 2018. Unsupervised domain adaptation for semantic segmentation via class-balanced self-training. There,
    the fraction grows from round to round.

    Examples
    --------
    >>> source, labels = np.array([[0.0], [1.0], [3.0], [4.0]]), np.array([0, 0, 1, 1])
    >>> Align("mean").fit(source, labels, source + 100, 2, seed=0).predict(source + 100).argmax(axis=1)
    array([0, 0, 1, 1])
    """

    alignment: str = "coral"
    alignment_parameter: float | None = None
    std_offset: float | None = None
    balance: bool = False
    l2_penalty: float = L2_PENALTY
    n_rounds: int = 0
    pseudo_label_fraction: float = 0.5
    priors: str | None = None

    def __post_init__(self) -> None:
        check_known("alignment", [self.alignment], ALIGNMENTS)
        check_number("l2_penalty", self.l2_penalty, above=0)
        check_count("n_rounds", self.n_rounds, 0)
        if self.alignment_parameter is not None and ALIGNMENTS[self.alignment].__kwdefaults__ is None:
            why = f"but {self.alignment!r} has no parameter; expected None"
            raise ValueError(f"alignment_parameter: {self.alignment_parameter!r}, {why}")
        if self.std_offset is not None:
            check_number("std_offset", self.std_offset, at_least=0, hint=", or None")
        check_number("pseudo_label_fraction", self.pseudo_label_fraction, above=0, at_most=1)
        if self.pseudo_label_fraction != type(self).pseudo_label_fraction and not self.n_rounds:
            raise ValueError(f"pseudo_label_fraction: {self.pseudo_label_fraction}, but n_rounds is 0: leave one out")
        if self.priors is not None:
            check_known("priors", [self.priors], PRIORS)
            if self.balance or self.n_rounds:
                why = "corrects the class shares that the head learned"
                raise ValueError(f"priors: {self.priors!r} {why}; expected balance=False and n_rounds=0 with it")

    def _fit(self, source, target, labels, n_classes, seed):
        """Return the `Solved` head."""
        unit, centre = np.ones(target.shape[1]), np.zeros(target.shape[1])
        if self.std_offset is not None:
            unit, centre = _measure_unit(target, self.std_offset), target.mean(axis=0)
            source = (source - source.mean(axis=0)) / _measure_unit(source, self.std_offset)
            target = (target - centre) / unit
        align, settings = ALIGNMENTS[self.alignment], {}
        if self.alignment_parameter is not None:
            settings = dict.fromkeys(align.__kwdefaults__, self.alignment_parameter)  # it has one keyword
        source = align(source, target, **settings)
        source_weights = balance_classes(labels) if self.balance else np.ones(len(labels))
        weights = source_weights if self.balance else None
        weight, bias = solve_head(source, labels, n_classes, l2_penalty=self.l2_penalty, weights=weights)
        for _ in range(self.n_rounds):
            weight, bias = self._self_train(source, labels, source_weights, target, weight, bias)
        if self.priors is not None:
            bias = bias + self._shift_bias(source, labels, target, weight, bias, seed)
        # The same head for target features in their own unit.
        weight = weight / unit
        return Solved(weight, bias - weight @ centre, source * unit + centre)

    def _self_train(self, source, labels, source_weights, target, weight, bias):
        """Return the (weight, bias) solved again with pseudo-labels for the most confident target pictures."""
        probabilities = softmax(target @ weight.T + bias)
        predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        chosen = np.zeros(len(target), bool)
        for label in np.unique(predicted):
            members = np.flatnonzero(predicted == label)
            n_chosen = int(np.ceil(self.pseudo_label_fraction * len(members)))
            chosen[members[np.argsort(-confidence[members], kind="stable")][:n_chosen]] = True
        target_weights = balance_classes(predicted[chosen]) * np.sum(labels >= 0) / chosen.sum()
        values, known = np.concatenate([source, target[chosen]]), np.concatenate([labels, predicted[chosen]])
        weights = np.concatenate([source_weights, target_weights])
        return solve_head(values, known, len(bias), l2_penalty=self.l2_penalty, weights=weights)

    def _shift_bias(self, source, labels, target, weight, bias, seed):
        """Return the (n_classes,) shift of the biases from the source's class shares to those of the target."""
        known = labels >= 0
        values, labels = source[known], labels[known]
        probabilities = softmax(values @ weight.T + bias)
        if self.priors == "confusion":  # needs mistakes on pictures that the head was not fitted on
            folds = assign_folds(labels, None, 2, seed)
            for fold in range(2):
                held_out = folds == fold
                part = solve_head(values[~held_out], labels[~held_out], len(bias), l2_penalty=self.l2_penalty)
                probabilities[held_out] = softmax(values[held_out] @ part[0].T + part[1])
        priors = np.bincount(labels, minlength=len(bias)) / len(labels)
        estimated = estimate_priors(probabilities, labels, softmax(target @ weight.T + bias), self.priors)
        return np.where(priors > 0, np.log(np.maximum(estimated, _LEAST_SHARE) / np.maximum(priors, _LEAST_SHARE)), 0.0)


@dataclasses.dataclass(frozen=True)
class Reweigh(_Objective):
    """Weight each source picture by its resemblance to the target and solve a logistic head.

    Parameters
    ----------
    clipping_threshold : float, default 10.0
        Upper limit of the weights, as a multiple of their mean.
    l2_penalty : float
        L2 penalty of the head, as in `fit_logistic`.

    Examples
    --------
    >>> source, labels = np.array([[0.0], [1.0], [3.0], [4.0]]), np.array([0, 0, 1, 1])
    >>> Reweigh().fit(source, labels, source + 1, 2, seed=0).predict(source).argmax(axis=1)
    array([0, 0, 1, 1])
    """

    clipping_threshold: float = 10.0
    l2_penalty: float = L2_PENALTY

    def _fit(self, source, target, labels, n_classes, seed):
        """Return the `Solved` head."""
        weights = weigh_source(source, target, clipping_threshold=self.clipping_threshold, seed=seed)
        return Solved(*solve_head(source, labels, n_classes, l2_penalty=self.l2_penalty, weights=weights), source)


def _measure_unit(values, std_offset):
    """Return (d,) standard deviations of (n, d) features plus the offset times their mean; 1 if both are 0."""
    spread = values.std(axis=0)
    unit = spread + std_offset * spread.mean()
    return np.where(unit > 0, unit, 1.0)
