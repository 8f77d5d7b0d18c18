"""A `Claim`: a sentence of a lesson, the result that it expects, and the table of its replications. Without torch."""

import dataclasses
import functools
import html
import math
import numbers
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tlkit.arguments import check_known
from tlkit.evaluation.gains import VERDICTS, give_verdict
from tlkit.evaluation.intervals import t_interval
from tlkit.languages import translate


@dataclasses.dataclass(frozen=True)
class Claim:
    """An empirical sentence and the result that it expects of each replication; displays with its rate.

    Parameters
    ----------
    sentence : str
        What is claimed, and for which data and networks.
    expected : str or tuple of (float or None)
        A verdict on the effect's interval, such as "helps", or bounds for the interval, None for an open end.
    effect : str
        Name of the effect, for the axis of a figure.
    ignores : sequence of str
        Choices of its measurement on which the effect doesn't depend; replications that differ only in them are one.
    name, lesson, choices, path : str, str, dict of str to list, and Path
        Name, number of the lesson, levels of the choices that enter it, and its table; `measurement` sets them.

    Attributes
    ----------
    replications : DataFrame
        One row per replication, with a column per choice and these:

        - effect, low, high : float, the effect and its 95 % interval
        - holds : bool
        - processor, version : str, of the machine and of tlkit
        - duration_s : float, of the measurement, which other claims may share
    n_holding, rate : int and float
        Number of replications in which the claim holds, and their share, NaN without replications.

    Raises
    ------
    ValueError
        If the expected result is neither a verdict nor a pair of bounds.

    Examples
    --------
    >>> Claim("The probe is better than from scratch.", "helps").holds(0.01, 0.2)
    True
    >>> Claim("It takes less than half of the time.", (0, 0.5)).holds(0.4, 0.6)
    False
    """

    sentence: str
    expected: str | tuple[float | None, float | None]
    effect: str = "difference in accuracy"
    ignores: Sequence[str] = ()
    name: str = ""
    lesson: str = ""
    choices: Mapping[str, list] = dataclasses.field(default_factory=dict)
    path: Path | None = None

    def __post_init__(self):
        if isinstance(self.expected, str):
            check_known("expected", self.expected, VERDICTS)
        elif not (isinstance(self.expected, tuple) and len(self.expected) == 2):
            raise ValueError(f"expected: {self.expected!r}, expected a verdict or a pair (lowest, highest)")

    def holds(self, low: float, high: float) -> bool:
        """Return whether an interval is the expected result.

        Parameters
        ----------
        low, high : float
            Ends of the interval; NaN if there is none.

        Returns
        -------
        bool
            True if it has the expected verdict, or lies within the bounds.
        """
        if isinstance(self.expected, str):
            return give_verdict(low, high) == self.expected
        lowest, highest = self.expected
        return bool((lowest is None or low >= lowest) and (highest is None or high <= highest) and low <= high)

    @functools.cached_property
    def replications(self) -> pd.DataFrame:
        """Table of the replications; see the class."""
        columns = [*self.choices, "effect", "low", "high", "holds", "processor", "version", "duration_s"]
        if self.path is None or not self.path.exists():
            return pd.DataFrame(columns=columns)
        return pd.read_csv(self.path)[columns]

    @property
    def n_holding(self) -> int:
        """Number of replications in which the claim holds."""
        return int(self.replications["holds"].sum())

    @property
    def rate(self) -> float:
        """Share of the replications in which the claim holds."""
        return self.n_holding / len(self.replications) if len(self.replications) else math.nan

    def __repr__(self):
        rate = translate(f"(holds in {self.n_holding} of {len(self.replications)} replications)")
        return f"{translate(self.sentence)} {translate('(not replicated yet)') if self.replications.empty else rate}"

    def _repr_html_(self):
        """Return the sentence with its rate, which folds out the specification curve."""
        line = html.escape(repr(self))
        if self.replications.empty:
            return f"<p>{line}</p>"
        from tlkit.plots.specification_curve import render_specification_curve

        return f"<details><summary>{line}</summary>{render_specification_curve(self)}</details>"


def summarise_effect(name, result):
    """Return (effect, low, high) of a measurement's result: paired differences (n,), three numbers or one number."""
    if isinstance(result, tuple) and len(result) == 3:
        return tuple(map(float, result))
    if isinstance(result, numbers.Real):
        return float(result), float(result), float(result)
    differences = np.asarray(result, dtype=float)
    if differences.ndim != 1 or len(differences) < 2:
        raise ValueError(f"{name}: {result!r}, expected two or more differences, one number or (effect, low, high)")
    return float(differences.mean()), *map(float, t_interval(differences))
