"""Where one learning curve overtakes another, with its uncertainty. Without torch."""

import itertools
import math
from typing import NamedTuple

import numpy as np

CROSSES, NO_CROSSING, CANNOT_TELL = "crosses", "no crossing", "can't tell"


class Crossing(NamedTuple):
    """A change of the leading arm at a number of shots, with its 95 % interval; NaN if unknown or open."""

    shots: float
    shots_low: float
    shots_high: float
    # Sign of the gain with fewer and with more shots: 1, -1, or 0 if the interval contains zero.
    sign_before: int
    sign_after: int
    verdict: str


def find_crossings(pairs, shots):
    """Return one `Crossing` per certain sign change of gains, a `PairedGains` per ascending number of shots."""
    # Between measured numbers of shots, the gain of each seed is a straight line over log2(shots). The interval of a
    # crossing contains every number of shots at which the 95 % interval of the mean gain, paired by seed, contains zero
    # (Fieller 1954, Some problems in interval estimation). A bootstrap over only five seeds would be too narrow. A
    # crossing counts if the gain is certainly positive on one side and certainly negative on the other. If there is
    # none, a single `Crossing` has the verdict "no crossing" (the same arm leads everywhere) or "can't tell".
    log_shots = np.log2(np.asarray(shots, dtype=float))
    means = np.array([pair.mean for pair in pairs])
    # Of each interval; 0 if it contains zero or is unknown.
    signs = [int(low > 0) - int(high < 0) for low, high in (pair.interval() for pair in pairs)]
    certain = np.flatnonzero(signs)
    changes = [(last, first) for last, first in itertools.pairwise(certain) if signs[last] != signs[first]]
    crossings = []
    for last, first in changes:
        root = _find_middle_root(log_shots[last : first + 1], means[last : first + 1])
        bounds = _find_bound(pairs, log_shots, last, 1), _find_bound(pairs, log_shots, first, -1)
        crossings.append(Crossing(root, *bounds, signs[last], signs[first], CROSSES))
    if crossings:
        return crossings
    low = _find_bound(pairs, log_shots, certain[-1], 1) if signs[0] and not signs[-1] else math.nan
    high = _find_bound(pairs, log_shots, certain[0], -1) if signs[-1] and not signs[0] else math.nan
    verdict = NO_CROSSING if all(signs) else CANNOT_TELL
    return [Crossing(_find_middle_root(log_shots, means), low, high, signs[0], signs[-1], verdict)]


def _find_middle_root(log_shots, means):
    """Return the shots at the middle sign change of the mean gains (n_shots,); NaN if it ends with its first sign."""
    roots = []
    nonzero = np.flatnonzero(means)
    for left, right in itertools.pairwise(nonzero):
        if means[left] * means[right] > 0:
            continue
        if right - left > 1:  # exactly zero in between
            roots.append((log_shots[left + 1] + log_shots[right - 1]) / 2)
        else:
            share = means[left] / (means[left] - means[right])
            roots.append(log_shots[left] + share * (log_shots[right] - log_shots[left]))
    return float(2 ** roots[len(roots) // 2]) if len(roots) % 2 else math.nan


def _find_bound(pairs, log_shots, start, step):
    """Return the shots at which the interval first contains zero, from a certain sign at `start` towards `step`."""
    # There is exactly one such point before the next number of shots, where the sign is no longer certain: the mean is
    # a straight line there, and the width of the interval a convex curve.
    from scipy.optimize import brentq

    here, there = pairs[start], pairs[start + step]
    sign = np.sign(here.mean)

    def compute_margin(share):
        low, high = here.mix(there, share).interval()
        return low if sign > 0 else -high

    share = brentq(compute_margin, 0, 1)
    return float(2 ** (log_shots[start] + share * (log_shots[start + step] - log_shots[start])))
