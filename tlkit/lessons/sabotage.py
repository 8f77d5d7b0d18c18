"""The sabotage lab: `case` returns a small pipeline that may have a flaw, and marks whoever looks for it."""

import dataclasses
import functools
import hashlib

import numpy as np
import pandas as pd

from tlkit.arguments import check_count, check_known
from tlkit.evaluation.intervals import t_interval
from tlkit.languages import translate
from tlkit.lessons.audits import AUDITS, MAPS, OTHER_SEEDS, measure_effect, specimens
from tlkit.lessons.enrolment import enrol
from tlkit.notices import show_progress

N_COINS, N_FALSE, N_FLAW, N_EFFECT, N_MISSED = 40, 10, 20, 10, 40
_MOST_WIDTH, _MOST_WIDTH_OF_MAPS = 0.15, 0.8  # of intervals; maps are few, and correlations range from -1 to 1


@dataclasses.dataclass(frozen=True)
class Evidence:
    """The result of an audit; displays as a sentence."""

    audit: str
    statistic: float
    limit: float  # nearly all clean cases stay at or below it
    description: str
    quantity: str
    effect: float = np.nan  # of the repair, if the statistic is above its limit, with its 95 % interval
    low: float = np.nan
    high: float = np.nan

    def __repr__(self):
        start = f"{self.statistic:.3g}, {self.description} (nearly all clean cases: {self.limit:.3g} at most)."
        if np.isnan(self.effect):
            return f"{self.audit}: {translate(start)}"
        change = f"{self.effect:+.3f} ({self.low:+.3f} to {self.high:+.3f})"
        compared = f"{start} Compared with a repaired pipeline, the {self.quantity} changes by {change}."
        return f"{self.audit}: {translate(compared)}"


@dataclasses.dataclass(frozen=True)
class Mark:
    """The mark of an accusation or acquittal; displays as a sentence."""

    right: bool  # the flaw, or that there is none
    covered: bool  # whether the interval contains the effect, is narrow enough, and its audit was bought
    points: int
    sentence: str

    def __repr__(self):
        return " ".join(map(translate, (self.sentence, f"Points: {self.points}.")))


class Case:
    """A small pipeline that compares two networks on drawings, with or without one flaw; see `tl.lessons.case`."""

    def __init__(self, number, seed, flaw):
        self.number, self.coins, self._bought, self._mark = number, N_COINS, {}, None
        # The name of the flaw is nowhere in the case: accusations are compared with its hash.
        self._seal = self._hash(seed, flaw)
        self._pipeline = pipeline = specimens.build(seed, flaw)
        self.train, self.test, self.source = pipeline.train, pipeline.test, pipeline.source
        self.code = pipeline.read_code()
        rows = [(name, flaw.sentence, flaw.audit, AUDITS[flaw.audit].cost) for name, flaw in specimens.FLAWS.items()]
        self.flaws = pd.DataFrame(rows, columns=["flaw", "sentence", "audit", "cost"])
        self.flaws["sentence"] = self.flaws["sentence"].map(translate)
        arms = show_progress(None, f"case {number}", "network", iterable=specimens.ARMS)
        rows = [(arm, seed, pipeline.run(seed, arm).score) for arm in arms for seed in pipeline.seeds]
        self.results = pd.DataFrame(rows, columns=["arm", "seed", "accuracy"])

    def __repr__(self):
        means = self.results.groupby("arm", sort=False)["accuracy"].mean()
        listed = ", ".join(f"{arm} {mean:.3f}" for arm, mean in means.items())
        return translate(
            f"Case {self.number}: {len(self.train)} training, {len(self.source)} source and {len(self.test)} test "
            f"pictures of {', '.join(self.train.classes)}. Mean accuracy: {listed}. {self.coins} coins left."
        )

    @functools.cached_property
    def heat_maps(self) -> np.ndarray:
        """The reported heat maps of some test pictures, (n, height, width) float32 from 0 to 1."""
        return self._pipeline.explain(*self._pipeline.fit_run())

    def audit(self, name: str) -> Evidence:
        """Buy one of the audits in `flaws`; to look at it again is free."""
        check_known("name", [name], list(AUDITS))
        if name not in self._bought:
            if (audit := AUDITS[name]).cost > self.coins:
                raise ValueError(f"name: {name!r} costs {audit.cost} coins, but you have {self.coins}: give a verdict")
            self.coins -= audit.cost
            with show_progress(None, f"audit {name}", "step"):
                statistic = float(audit.look(self._pipeline))
                values = measure_effect(audit, self._pipeline, OTHER_SEEDS) if statistic > audit.limit else ()
            effect = (float(values.mean()), *t_interval(values)) if statistic > audit.limit else ()
            self._bought[name] = Evidence(name, statistic, audit.limit, audit.statistic, audit.quantity, *effect)
        return self._bought[name]

    def accuse(self, flaw: str, effect: tuple[float, float]) -> Mark:
        """Accuse the pipeline of one of `flaws`, with an interval of its effect, the accuracy that it adds."""
        check_known("flaw", [flaw], list(specimens.FLAWS))
        low, high = map(float, effect if np.shape(effect) == (2,) else (1, 0))
        if not low <= high:
            raise ValueError(f"effect: {effect}, expected two numbers, the lower one first")
        if self._mark is not None:
            return self._mark
        if self._hash(self._pipeline.seed, flaw) != self._seal:
            self.coins -= N_FALSE
            sentence = f"Not {flaw}: a false accusation costs {N_FALSE} coins, and an open case earns no points."
            return Mark(False, False, 0, sentence)
        with show_progress(None, "verdict", "step"):
            truth, widest = _measure_truth(self._pipeline, flaw)
        measured = (audit := specimens.FLAWS[flaw].audit) in self._bought  # a guess is no evidence
        covered = measured and low <= truth <= high and high - low <= widest
        place = f"and your interval should contain it, at most {widest} wide, after the audit {audit!r}"
        place = "in your interval" if covered else place
        points = self.coins + N_FLAW + (N_EFFECT if covered else 0)
        self._mark = Mark(True, covered, points, f"Right: {flaw}. The effect is {truth:+.3f}, {place}.")
        return self._mark

    def acquit(self) -> Mark:
        """Declare the pipeline clean, and close the case."""
        if self._mark is None:
            found = [name for name in specimens.FLAWS if self._hash(self._pipeline.seed, name) == self._seal]
            sentence = f"Wrong: the flaw is {found[0]}." if found else "Right: there is no flaw."
            points = self.coins + (-N_MISSED if found else N_FLAW + N_EFFECT)
            self._mark = Mark(not found, not found, points, sentence)
        return self._mark

    @staticmethod
    def _hash(seed, flaw):
        """Return the hash that an accusation is compared with."""
        return hashlib.sha256(f"{seed}\n{flaw}".encode()).hexdigest()


_open = functools.lru_cache(maxsize=8)(Case)  # a cell that runs again gives no coins back; a case takes 35 MiB


def _measure_truth(pipeline, flaw):
    """Return the mean effect over other seeds, and how wide its interval may be."""
    audit = AUDITS[specimens.FLAWS[flaw].audit]
    # Changed pictures are repaired by the record of the changes, not by the findings of an audit.
    changed = flaw in ("near_duplicates", "permuted_labels")
    mended = pipeline.repair(collect=specimens.Pipeline.collect) if changed else None
    truth = float(measure_effect(audit, pipeline, range(2 * 10**6, 2 * 10**6 + 20), mended).mean())
    return truth, _MOST_WIDTH_OF_MAPS if audit.quantity == MAPS else _MOST_WIDTH


def case(number: int = 0) -> Case:
    """Return a small pipeline with its pictures, results and code: clean half of the time, else with one flaw.

    Read the code, buy audits, then accuse or acquit. After `enrol`, each student gets cases of their own.
    A case that is opened again keeps its coins, and the first verdict counts.

    Parameters
    ----------
    number : int
        Number of the case.

    Returns
    -------
    Case
        Its attributes and methods:

        - train, test, source (ImageSet): pictures of the task, and those of another domain that are trained on as well.
        - results (DataFrame): arm (str), seed (int), accuracy (float); `heat_maps` are those of some test pictures.
        - code (str): source of the steps that ran.
        - flaws (DataFrame): flaw and sentence (str), and the audit that reveals it with its cost (str, int).
        - coins (int): left for audits, 40 at first.
        - audit(name): buys an audit and returns the evidence: a `statistic`, and its `limit` in clean cases. If it is
          exceeded, `effect` is the reported score minus that of a repaired pipeline, `low` to `high` its 95 % interval.
        - accuse(flaw, effect=(low, high)): names a flaw and its effect on the accuracy; for "unequal_budgets" on the
          gain over random weights, for "random_heat_maps" on their rank correlation. A false accusation costs 10 coins.
          The right one closes the case. Its `points` are the coins left, 20 for the flaw, and 10 for an interval that
          contains the mean effect over 20 other seeds, at most 0.15 wide (0.8 for heat maps), if its audit was bought.
        - acquit(): declares the pipeline clean. The `points` are the coins left, and 30 more if it is; else 40 less.

        Looking pays. Acquitting at once earns 35 points on average, and accusing at random fewer. If the intervals
        hold, buying audits from cheap to dear until one finds something earns 49. Reading the code and buying the audit
        that it suggests, or those of the pictures, earns 64.

    Raises
    ------
    ValueError
        If the number is negative. Methods raise it for unknown names and missing coins.

    Examples
    --------
    >>> first = case(0)
    >>> first.audit("metric").limit
    1e-09
    >>> first.coins
    39
    """
    number = check_count("number", number, 0)
    random = np.random.default_rng([number, enrol(...).draw])
    flaw = random.choice(list(specimens.FLAWS)) if random.random() < 0.5 else None
    return _open(number, int(random.integers(100_000)), flaw)
