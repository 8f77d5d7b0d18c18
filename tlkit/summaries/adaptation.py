"""One adaptation method on one pair of domains: the map before and after, recalls by class, and a summary in words."""

import collections
import dataclasses
import functools
import math

import numpy as np
import pandas as pd

from tlkit.adaptation.domain_inputs import read_domains, read_features, read_methods, split_rows
from tlkit.adaptation.pair_results import BASELINE, ORACLE
from tlkit.adaptation.solved_head import Solved, solve_head
from tlkit.adaptation.validators import detect_collapse
from tlkit.arguments import check_count, check_shape
from tlkit.features.arrays import check_pair
from tlkit.heads.numerics import limit_threads
from tlkit.names import format_strategy


@dataclasses.dataclass(frozen=True, eq=False)
class DomainMap:
    """Pictures of two domains in a plane; `map_domains` makes one."""

    source: np.ndarray  # (n, 2) float64
    target: np.ndarray  # (m, 2) float64
    source_labels: np.ndarray  # (n,) int
    target_labels: np.ndarray  # (m,) int
    classes: list  # of str
    axis_names: tuple  # of two str
    project: object  # function from features (k, d) to their positions in the plane (k, 2)

    def move(self, aligned):
        """Return the map with the source's pictures at their aligned features (n, d); target and plane stay."""
        aligned = np.asarray(aligned, np.float64)
        if len(aligned) != len(self.source):
            raise ValueError(f"aligned: {len(aligned)} pictures, expected {len(self.source)}, those of the source")
        return dataclasses.replace(self, source=self.project(aligned))

    @property
    def class_numbers(self):
        """{class: number from 1} of the source's classes, as short names on a map."""
        return {self.classes[label]: number for number, label in enumerate(np.unique(self.source_labels), 1)}

    def list_class_means(self):
        """Return (class, mean in the source, mean in the target), means (2,), of each class present in both."""
        sides = (self.source, self.source_labels), (self.target, self.target_labels)
        return [
            (self.classes[label], *(positions[labels == label].mean(axis=0) for positions, labels in sides))
            for label in np.intersect1d(self.source_labels, self.target_labels)
        ]


def map_domains(source, source_labels, target, target_labels, classes):
    """Return the `DomainMap` of features (n, d) and (m, d) in the plane of their two principal components."""
    # The plane is that of both domains together, in which domains may overlap; two features are the plane.
    source, target = check_pair(source, target)
    if source.shape[1] < 2:
        raise ValueError(f"source: {source.shape[1]} feature, expected at least two for a plane")
    source_labels = check_shape("source_labels", source_labels, (len(source),), "one label per picture")
    target_labels = check_shape("target_labels", target_labels, (len(target),), "one label per picture")
    labelled = source_labels, target_labels, list(classes)
    if source.shape[1] == 2:
        return DomainMap(source, target, *labelled, ("feature 1", "feature 2"), lambda values: values)
    from sklearn.decomposition import PCA

    both = np.concatenate([source, target])
    with limit_threads(both):
        # ARPACK computes a few components exactly and fast; scikit-learn fixes their signs.
        plane = PCA(2, svd_solver="arpack", random_state=0).fit(both)
        positions = plane.transform(source), plane.transform(target)
    names = tuple(
        f"principal component {axis}: {share:.0%} of the variance".replace("%", " %")
        for axis, share in enumerate(plane.explained_variance_ratio_, 1)
    )
    return DomainMap(*positions, *labelled, names, plane.transform)


_MIN_GAP = 0.02  # between baseline and oracle; the recovered share of a smaller gap would be noise
# A pair of domains and a method of `AdaptationResults`, by name.
AdaptationChoice = collections.namedtuple("AdaptationChoice", "source target method", defaults=(BASELINE,))


class AdaptationResults:
    """Results of adaptation methods on pairs of domains, computed when first used; arguments as in `compare_pairs`."""

    def __init__(self, backbone, images, domains=None, methods=None, *, seed=0):
        self.images, self.seed = images, check_count("seed", seed, 0)
        self.domains, self.methods = read_domains(images, domains), read_methods(methods, may_tune=False)
        self.features = read_features(backbone, images, progress=False)
        # The caches are small: they contain neither features nor heads.
        self._split_rows, self._map = functools.cache(self._split_rows), functools.cache(self._map)
        self.results = {}  # by (source, target, method)

    def check(self, choice):
        """Raise ValueError if source and target of a choice are one domain."""
        if choice.source == choice.target:
            raise ValueError(f"target: {choice.target!r} is the source too, expected another of {self.domains}")

    def split(self, source, target):
        """Return the Features to train on, to adapt to and to test on; see `split_pair`."""
        return [self.features[rows] for rows in self._split_rows(source, target)]

    def _split_rows(self, source, target):
        """Return the rows of the three parts of a pair of domains."""
        columns = self.images.labels, self.images.groups, self.images.domains, self.images.classes
        return split_rows(*columns, source, target, seed=self.seed)

    def _map(self, source, target):
        """Return the `DomainMap` of a pair before adaptation."""
        train, adapt, _test = self.split(source, target)
        return map_domains(train.values, train.labels, adapt.values, adapt.labels, train.classes)

    def compute(self, source, target, method):
        """Return the `AdaptationResult` of a method, or of "oracle" (trained on the target's labels)."""
        if (source, target, method) in self.results:
            return self.results[source, target, method]
        train, adapt, test = self.split(source, target)
        n_classes = len(train.classes)
        if method == ORACLE:
            solved = Solved(*solve_head(adapt.values, adapt.labels, n_classes), train.values)
        else:
            solved = self.methods[method].fit(train.values, train.labels, adapt.values, n_classes, self.seed)
        right = solved.predict(test.values).argmax(axis=1) == test.labels
        n_tested, n_right = (np.bincount(test.labels[rows], minlength=n_classes) for rows in (slice(None), right))
        priors = np.bincount(train.labels, minlength=n_classes) / len(train)
        alarm = detect_collapse(solved.predict(adapt.values), priors)
        before = self._map(source, target)
        result = AdaptationResult(n_tested, n_right, alarm, before, before.move(solved.source))
        return self.results.setdefault((source, target, method), result)


@dataclasses.dataclass(frozen=True, eq=False)
class AdaptationResult:
    """Test results of a method on a pair of domains, and the maps before and after it."""

    n_tested: np.ndarray  # (n_classes,) int: pictures of the test half
    n_right: np.ndarray  # (n_classes,) int: those predicted correctly
    alarm: str | None  # as `detect_collapse` returns it
    before: DomainMap  # of the source, and the half of the target to adapt to
    after: DomainMap

    @property
    def recalls(self):
        """(n_classes,) recall of each class; NaN without pictures."""
        return np.where(self.n_tested > 0, self.n_right / np.maximum(self.n_tested, 1), np.nan)

    @property
    def balanced_accuracy(self):
        """Mean of the recalls."""
        return float(np.nanmean(self.recalls))


@dataclasses.dataclass(frozen=True, eq=False)
class AdaptationSummary:
    """Scores, maps and recalls of a choice; `summarise_adaptation` makes one."""

    choice: AdaptationChoice
    accuracy: float  # balanced accuracy on the test half of the target
    gain: float  # over "source_only"
    oracle: float  # balanced accuracy of a head trained on the target's labels
    recovered: float  # share of the gap between "source_only" and oracle; NaN if there is hardly a gap
    alarm: str | None  # as `detect_collapse` returns it, with the name of the class
    before: DomainMap
    after: DomainMap
    source_names: np.ndarray  # of str: the pictures of the maps
    target_names: np.ndarray
    recalls: object  # DataFrame by class of the test half: class, n, source_only, method

    @property
    def sentence(self):
        """The summary in words."""
        parts = [f"{format_scores(self)}; {format_recovered(self)}."]
        if self.choice.method != BASELINE:
            parts.append(_format_largest_loss(self.recalls))
        parts.append(f"Alarm: {self.alarm}." if self.alarm else "No alarm.")
        return " ".join(parts)


def summarise_adaptation(results, choice):
    """Return the `AdaptationSummary` of a choice of `AdaptationResults`."""
    pair, methods = (choice.source, choice.target), (BASELINE, choice.method, ORACLE)
    base, result, oracle = (results.compute(*pair, method) for method in methods)
    classes, present = result.before.classes, np.flatnonzero(result.n_tested)
    recalls = {"class": [classes[label] for label in present], "n": result.n_tested[present]}
    recalls = pd.DataFrame(recalls | {"source_only": base.recalls[present], "method": result.recalls[present]})
    gain, gap = (other.balanced_accuracy - base.balanced_accuracy for other in (result, oracle))
    recovered = gain / gap if gap >= _MIN_GAP else math.nan
    scores = result.balanced_accuracy, gain, oracle.balanced_accuracy, recovered
    alarm = _name_class(result.alarm, classes)
    names = (part.names for part in results.split(choice.source, choice.target)[:2])
    return AdaptationSummary(choice, *scores, alarm, result.before, result.after, *names, recalls)


def _name_class(alarm, classes):
    """Return an alarm with the name of a class in place of its index."""
    start = "collapse: class "
    if alarm is None or not alarm.startswith(start):
        return alarm
    index, rest = alarm.removeprefix(start).split(" ", 1)
    return f"{start}{classes[int(index)]} {rest}"


def format_scores(summary):
    """Return the balanced accuracy and gain of an `AdaptationSummary` in words."""
    choice = summary.choice
    pair = f"{choice.source} → {choice.target}, {format_strategy(choice.method)}"
    score = f"{pair}: balanced accuracy {summary.accuracy:.2f}"
    return score if choice.method == BASELINE else f"{score}, {summary.gain:+.2f} against source only"


def format_recovered(summary):
    """Return in words which share of the gap to the oracle the method of an `AdaptationSummary` recovers."""
    oracle = f"the target's labels give {summary.oracle:.2f}"
    if summary.choice.method == BASELINE:
        return oracle
    if math.isnan(summary.recovered):
        return f"no gap to recover, {oracle}"
    share = f"{abs(summary.recovered):.0%}".replace("%", " %")
    return f"{share} of the gap recovered, {oracle}" if summary.recovered >= 0 else f"a gap {share} wider, {oracle}"


def _format_largest_loss(recalls):
    """Return in words which class loses most recall."""
    row = recalls.loc[(recalls["method"] - recalls["source_only"]).idxmin()]
    if row["method"] >= row["source_only"]:
        return "No class loses."
    return f"{row['class']} loses most recall, {row['source_only']:.2f} → {row['method']:.2f} on {row['n']} pictures."
