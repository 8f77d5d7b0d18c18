"""One method on one pair of domains: the map before and after, recalls by class, and all of it in words."""

import dataclasses
import functools
import math

import numpy as np

from tlkit.adaptation.collapse import detect_collapse
from tlkit.adaptation.domain_inputs import read_domains, read_features, read_methods
from tlkit.adaptation.pair_results import BASELINE, ORACLE
from tlkit.adaptation.pair_split import split_rows
from tlkit.adaptation.solved_head import Solved, solve_head
from tlkit.arguments import check_count, check_known
from tlkit.names import format_strategy
from tlkit.summaries.domain_map import DomainMap, map_domains

_LEAST_GAP = 0.02  # between baseline and oracle; of a smaller one no share can be told


@dataclasses.dataclass(frozen=True)
class AdaptationChoice:
    """What to look at: two domains by name, and a method of `Adaptations`."""

    source: str
    target: str
    method: str = BASELINE


class Adaptations:
    """Features of several domains, and methods to bring one to another; each is solved when it is first asked for.

    Arguments
    ---------
    backbone, images, domains, methods
        As in `tlkit.adaptation.compare_pairs`, but of methods those only that tune no network; "source_only" is always
        among them. Features are extracted once.
    seed: int
        Of how pairs are split.

    Raises ValueError or TypeError as `compare_pairs` does.
    """

    def __init__(self, backbone, images, domains=None, methods=None, *, seed=0):
        self.images, self.seed = images, check_count("seed", seed, 0)
        self.domains, self.methods = read_domains(images, domains), read_methods(methods, may_tune=False)
        self.features = read_features(backbone, images, progress=False)
        # What is kept is small: neither features nor heads.
        self._place, self._map = functools.cache(self._place), functools.cache(self._map)
        self._measured = {}

    def check(self, choice):
        """Raise ValueError for a choice that isn't there, with the nearest name."""
        check_known("source", [choice.source], self.domains)
        check_known("target", [choice.target], self.domains)
        check_known("method", [choice.method], list(self.methods))
        if choice.source == choice.target:
            raise ValueError(f"target: {choice.target!r} is the source too, expected another of {self.domains}")

    def split(self, source, target):
        """Return the Features to learn from, those to adapt to and those to test on; see `split_pair`."""
        return [self.features[rows] for rows in self._place(source, target)]

    def _place(self, source, target):
        columns = self.images.labels, self.images.groups, self.images.domains, self.images.classes
        return split_rows(*columns, source, target, seed=self.seed)

    def _map(self, source, target):
        learned, adapted, _tested = self.split(source, target)
        return map_domains(learned.values, learned.labels, adapted.values, adapted.labels, learned.classes)

    def is_measured(self, choice):
        """Say whether a choice has been measured, so that reading it takes no time."""
        return (choice.source, choice.target, choice.method) in self._measured

    def measure(self, source, target, method):
        """Return the `Measured` of a method, or of "oracle", a head that learned the half to adapt to with labels."""
        cell = source, target, method
        if cell not in self._measured:
            self._measured[cell] = self._measure(*cell)
        return self._measured[cell]

    def _measure(self, source, target, method):
        learned, adapted, tested = self.split(source, target)
        n_classes = len(learned.classes)
        if method == ORACLE:
            solved = Solved(*solve_head(adapted.values, adapted.labels, n_classes), learned.values)
        else:
            solved = self.methods[method].fit(learned.values, learned.labels, adapted.values, n_classes, self.seed)
        right = solved.predict(tested.values).argmax(axis=1) == tested.labels
        n_tested, n_right = (np.bincount(tested.labels[rows], minlength=n_classes) for rows in (slice(None), right))
        priors = np.bincount(learned.labels, minlength=n_classes) / len(learned)
        alarm = detect_collapse(solved.predict(adapted.values), priors)
        before = self._map(source, target)
        return Measured(n_tested, n_right, alarm, before, before.move(solved.source))


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """What a method did on a pair of domains.

    Arguments
    ---------
    n_tested, n_right: (n_classes,) int
        Pictures of the test half, and those of them that are labelled right.
    alarm: str or None
        As `detect_collapse` gives it.
    before, after: DomainMap
        Of the source and the half of the target to adapt to.
    """

    n_tested: np.ndarray
    n_right: np.ndarray
    alarm: str | None
    before: DomainMap
    after: DomainMap

    @property
    def recalls(self):
        """(n_classes,) shares of the pictures of each class that are labelled right; NaN without pictures."""
        return np.where(self.n_tested > 0, self.n_right / np.maximum(self.n_tested, 1), np.nan)

    @property
    def balanced_accuracy(self):
        """Mean of the recalls."""
        return float(np.nanmean(self.recalls))


@dataclasses.dataclass(frozen=True, eq=False)
class AdaptationSummary:
    """What a choice of two domains and a method comes to; `summarise_adaptation` makes one.

    Arguments
    ---------
    choice: AdaptationChoice
    accuracy, gain, oracle: float
        Balanced accuracy on the test half of the target, what it gains over "source_only", and that of a head which
        learned the target's labels.
    recovered: float
        The share of the gap between "source_only" and the oracle that the method wins back; NaN where there is hardly
        one.
    alarm: str or None
        As `detect_collapse` gives it, with the name of the class.
    before, after: DomainMap
        Of the source and the half of the target that the method saw.
    recalls: DataFrame
        A row a class of the test half: class, n (pictures), source_only, method (shares of them that are labelled
        right).
    """

    choice: AdaptationChoice
    accuracy: float
    gain: float
    oracle: float
    recovered: float
    alarm: str | None
    before: DomainMap
    after: DomainMap
    recalls: object

    @property
    def sentence(self):
        """All of it in words."""
        return _say(self)


def summarise_adaptation(adaptations, choice):
    """Adapt from one domain to another by a method, and read what it did to whom.

    Arguments
    ---------
    adaptations: Adaptations
    choice: AdaptationChoice

    Returns an `AdaptationSummary`. Raises ValueError for a choice that isn't there, or domains that can't be split.
    """
    import pandas as pd

    adaptations.check(choice)
    base, measured, oracle = (
        adaptations.measure(choice.source, choice.target, method) for method in (BASELINE, choice.method, ORACLE)
    )
    classes, present = measured.before.classes, np.flatnonzero(measured.n_tested)
    recalls = pd.DataFrame(
        {
            "class": [classes[label] for label in present],
            "n": measured.n_tested[present],
            "source_only": base.recalls[present],
            "method": measured.recalls[present],
        }
    )
    gain, gap = (other.balanced_accuracy - base.balanced_accuracy for other in (measured, oracle))
    recovered = gain / gap if gap >= _LEAST_GAP else math.nan
    scores = measured.balanced_accuracy, gain, oracle.balanced_accuracy, recovered, _name_class(measured.alarm, classes)
    return AdaptationSummary(choice, *scores, measured.before, measured.after, recalls)


def _name_class(alarm, classes):
    """Return the alarm with the name of the class in the place of its number, where it tells of one."""
    start = "collapse: class "
    if alarm is None or not alarm.startswith(start):
        return alarm
    number, rest = alarm.removeprefix(start).split(" ", 1)
    return f"{start}{classes[int(number)]} {rest}"


def format_scores(summary):
    """Return the balanced accuracy of an `AdaptationSummary` in words, and its gain."""
    choice = summary.choice
    said = (
        f"{choice.source} → {choice.target}, {format_strategy(choice.method)}: balanced accuracy {summary.accuracy:.2f}"
    )
    return said if choice.method == BASELINE else f"{said}, {summary.gain:+.2f} against source only"


def format_recovered(summary):
    """Return in words what share of the gap to the oracle an `AdaptationSummary`'s method wins back."""
    known = f"the target's labels give {summary.oracle:.2f}"
    if summary.choice.method == BASELINE:
        return known
    if math.isnan(summary.recovered):
        return f"no gap to recover, {known}"
    share = f"{abs(summary.recovered):.0%}".replace("%", " %")
    return f"{share} of the gap recovered, {known}" if summary.recovered >= 0 else f"a gap {share} wider, {known}"


def _say(summary):
    parts = [f"{format_scores(summary)}; {format_recovered(summary)}."]
    if summary.choice.method != BASELINE:
        parts.append(_format_loser(summary.recalls))
    parts.append(f"Alarm: {summary.alarm}." if summary.alarm else "No alarm.")
    return " ".join(parts)


def _format_loser(recalls):
    row = recalls.loc[(recalls["method"] - recalls["source_only"]).idxmin()]
    if row["method"] >= row["source_only"]:
        return "No class loses."
    return f"{row['class']} loses most, {row['source_only']:.2f} → {row['method']:.2f} of {row['n']}."
