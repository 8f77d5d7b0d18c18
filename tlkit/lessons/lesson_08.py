"""Exercises of lesson 08: the largest weight of a source without shown harm, and the claim that an interval allows."""

import numpy as np

from tlkit.evaluation.gains import MARGIN, VERDICTS, give_verdict
from tlkit.lessons.exercise import NotYet, calling_answer, exercise, expect_function, expect_number

# Intervals near the borders between verdicts, and one that contains zero far from its middle. None ends exactly on a
# border, where "below" and "at most" are both right.
_INTERVALS = [(0.001, 0.3), (-0.3, -0.001), (-0.01, 0.015), (-0.01, 0.3), (-0.3, 0.01), (0.002, 0.01), (-0.019, 0.019)]
_INTERVALS += [(-0.15, 0.05), (-0.05, 0.15), (-0.01, -0.002), (-0.03, 0.001)]


@exercise("08_weight", "a weight", expect_number)
def _check_weight(answer, *, gains, weights):
    """Return the verdict on the largest weight of a source up to which no harm is shown."""
    # Gains are a table of `transfer_gain` at one number of shots, one row per weight, in the order of `weights`.
    rows = dict(zip(weights, gains.to_dict("records"), strict=True))
    harmful = sorted(weight for weight, row in rows.items() if row["gain_high"] < 0)
    right = max((weight for weight in rows if not harmful or weight < harmful[0]), default=None)
    if right is None:
        raise NotYet("every weight harms here; there is nothing to choose.")
    if answer not in rows:
        raise NotYet(f"{answer:g} was not measured; there are {', '.join(f'{weight:g}' for weight in weights)}.")
    if answer == right:
        row = rows[right]
        claim = "which isn't the same as harmless" if row["gain_low"] < -MARGIN else "and hardly any can be"
        return (
            f"at {right:g} the gain lies between {row['gain_low']:+.2f} and {row['gain_high']:+.2f}: no harm is shown, "
            f"{claim}."
        )
    if answer in harmful:
        raise NotYet(f"at {answer:g} the whole interval lies below zero: that is harm.")
    if answer > right:
        raise NotYet(f"a smaller weight, {harmful[0]:g}, is shown to harm already.")
    if answer == max((weight for weight, row in rows.items() if row["gain"] >= 0), default=None):
        raise NotYet("there the mean is still not below zero; look at the interval's upper end instead.")
    raise NotYet("no harm is shown there, nor at the next larger weight; go on to the last one without harm.")


@exercise("08_claim", "a function", expect_function)
def _check_claim(answer, *, gains):
    """Return the verdict on a function (low, high) → one of `VERDICTS`, with a margin of two points."""
    # The function is called with the intervals of a table of `transfer_gain`, and with others.
    own = [(row.gain_low, row.gain_high) for row in gains.itertuples()]
    for low, high in own + _INTERVALS:
        if np.isnan(low):
            continue
        right = give_verdict(low, high)
        with calling_answer():
            given = answer(low, high)
            title = f"for ({low:+.3f}, {high:+.3f}) it returns {given!r}"
        if given is None:
            raise NotYet(f"{title}: is there a return?")
        if not isinstance(given, str) or given not in VERDICTS:
            raise NotYet(f"{title}; expected one of {', '.join(map(repr, VERDICTS))}.")
        if given != right:
            raise NotYet(f"{title}: {_explain(low, high, right, given)}")
    n_open = sum(give_verdict(*interval) == VERDICTS[3] for interval in own)
    return f"of these {len(gains)} intervals, {n_open} allow no claim at all."


def _explain(low, high, right, given):
    """Return the reason for the right verdict on an interval."""
    if right == VERDICTS[3] and given == VERDICTS[2]:
        return f"zero inside the interval does not prove equality; a difference of {max(-low, high):.2f} is possible."
    if right == VERDICTS[3]:
        return "zero isn't excluded, so neither help nor harm may be claimed, whatever the mean."
    if right == VERDICTS[2]:
        return "all of it lies within two points of zero: such a difference doesn't matter."
    return f"all of it lies {'above' if right == VERDICTS[0] else 'below'} zero, even if only by a little."
