"""Where one learning curve overtakes another, and whether that can be told. Without torch."""

import dataclasses
import itertools
import math

import numpy as np

CROSSES, NO_CROSSING, CANNOT_TELL = "crosses", "no crossing", "can't tell"


@dataclasses.dataclass(frozen=True)
class Crossing:
    """A change of the arm that is ahead; `find_crossings` makes them.

    Arguments
    ---------
    shots: float
        Where the mean gain changes its sign; NaN where it doesn't.
    shots_low, shots_high: float
        The 95 % interval; NaN where it is open.
    sign_before, sign_after: int
        Of the gain with fewer and with more shots: 1, -1, or 0 where it can't be told.
    verdict: "crosses", "no crossing" or "can't tell"
    """

    shots: float
    shots_low: float
    shots_high: float
    sign_before: int
    sign_after: int
    verdict: str


def find_crossings(pairs, shots):
    """Find where gains that were measured at several numbers of shots change their sign.

    Between numbers of shots the gain of each seed is taken as a straight line over the logarithm of shots. The interval
    of a crossing holds every number of shots at which the 95 % interval of the mean gain, paired by seed, holds zero
    (Fieller 1954, Some problems in interval estimation, for the place where a line meets zero). Resampling the seeds
    would be narrower than it may with as few as five of them.

    A crossing is only told where the gain is surely above zero on one side of it and surely below on the other.
    Nothing is said of numbers of shots outside those measured.

    Arguments
    ---------
    pairs: list of PairedGains
        A number of shots each.
    shots: list of int
        Ascending.

    Returns a list of `Crossing`: one for each change that can be told; where there is none, a single one that says "no
    crossing" (the same arm is surely ahead at every number of shots) or "can't tell".

    >>> from tlkit.evaluation.paired_gains import PairedGains
    >>> pairs = [PairedGains(np.array([-0.11, -0.1, -0.09])), PairedGains(np.array([0.09, 0.1, 0.11]))]
    >>> (crossing,) = find_crossings(pairs, [2, 8])
    >>> round(crossing.shots), crossing.verdict
    (4, 'crosses')
    """
    places = np.log2(np.asarray(shots, dtype=float))
    means = np.array([pair.mean for pair in pairs])
    signs = [_sign(*pair.interval()) for pair in pairs]
    told = np.flatnonzero(signs)
    changes = [(last, first) for last, first in itertools.pairwise(told) if signs[last] != signs[first]]
    if changes:
        return [
            Crossing(
                _middle_root(places[last : first + 1], means[last : first + 1]),
                _leave(pairs, places, last, 1),
                _leave(pairs, places, first, -1),
                signs[last],
                signs[first],
                CROSSES,
            )
            for last, first in changes
        ]
    low = _leave(pairs, places, told[-1], 1) if signs[0] and not signs[-1] else math.nan
    high = _leave(pairs, places, told[0], -1) if signs[-1] and not signs[0] else math.nan
    verdict = NO_CROSSING if all(signs) else CANNOT_TELL
    return [Crossing(_middle_root(places, means), low, high, signs[0], signs[-1], verdict)]


def _sign(low, high):
    return int(low > 0) - int(high < 0)


def _middle_root(places, means):
    # Where the mean changes its sign an odd number of times, the middle one; NaN where it ends as it began.
    roots = []
    ahead = np.flatnonzero(means)
    for left, right in itertools.pairwise(ahead):
        if means[left] * means[right] > 0:
            continue
        if right - left > 1:  # exactly zero in between
            roots.append((places[left + 1] + places[right - 1]) / 2)
        else:
            share = means[left] / (means[left] - means[right])
            roots.append(places[left] + share * (places[right] - places[left]))
    return float(2 ** roots[len(roots) // 2]) if len(roots) % 2 else math.nan


def _leave(pairs, places, start, step):
    # From where the sign is sure, on to where the interval first holds zero. There is one such place on the way to the
    # next number of shots, at which the sign isn't the same any more: the mean is a straight line there, and the
    # interval's width a convex curve.
    from scipy.optimize import brentq

    here, there = pairs[start], pairs[start + step]
    sign = np.sign(here.mean)

    def bound(share):
        low, high = here.mix(there, share).interval()
        return low if sign > 0 else -high

    share = brentq(bound, 0, 1)
    return float(2 ** (places[start] + share * (places[start + step] - places[start])))
