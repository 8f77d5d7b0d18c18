"""Exercises of lesson 08: the largest weight that isn't shown to harm, and what an interval allows to say."""

import numbers

import numpy as np

from tlkit.evaluation.gains import MARGIN, VERDICTS, give_verdict
from tlkit.lessons.exercise import Check, exercise


@exercise("08_weight", "a weight")
def _check_weight(answer, *, gains, weights):
    """The largest weight of a source at which, with all smaller ones, no harm is shown.

    `gains` is a table of `transfer_gain` at one number of shots, a row a weight; `weights` are these, in its order.
    """
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real):
        return Check(False, f"this should be one of the weights, and is a {type(answer).__name__}.")
    rows = dict(zip(weights, gains.to_dict("records"), strict=True))
    harmful = sorted(weight for weight, row in rows.items() if row["gain_high"] < 0)
    right = max((weight for weight in rows if not harmful or weight < harmful[0]), default=None)
    if right is None:
        return Check(False, "every weight harms here; there is nothing to choose.")
    if answer not in rows:
        return Check(False, f"{answer:g} was not measured; there are {', '.join(f'{weight:g}' for weight in weights)}.")
    if answer == right:
        row = rows[right]
        claim = "which isn't the same as harmless" if row["gain_low"] < -MARGIN else "and hardly any can be"
        return Check(
            True,
            f"at {right:g} the gain lies between {row['gain_low']:+.2f} and {row['gain_high']:+.2f}: no harm is shown, "
            f"{claim}.",
        )
    if answer in harmful:
        return Check(False, f"at {answer:g} the whole interval lies below zero: that is harm.")
    if answer > right:
        return Check(False, f"a smaller weight, {harmful[0]:g}, is shown to harm already.")
    largest_mean = max((weight for weight, row in rows.items() if row["gain"] >= 0), default=None)
    if answer == largest_mean:
        return Check(False, "there the mean is still not below zero; look at the interval's upper end instead.")
    return Check(False, "no harm is shown there, nor at the next larger weight; go on, up to where it is.")


@exercise("08_claim", "a function")
def _check_claim(answer, *, gains):
    """A function (low, high) → one of `VERDICTS`, with a margin of two points.

    `gains` is a table of `transfer_gain`; the function is asked about its intervals, and others beside them.
    """
    if not callable(answer):
        return Check(False, f"this should be a function of low and high, and is a {type(answer).__name__}.")
    asked = [(row.gain_low, row.gain_high) for row in gains.itertuples()]
    asked += [(0.001, 0.3), (-0.3, -0.001), (-0.01, 0.015), (-0.01, 0.3), (-0.3, 0.01), (0.002, 0.01), (-0.02, 0.02)]
    asked += [(-0.15, 0.05), (-0.05, 0.15), (0.0, 0.2), (-0.2, 0.0)]
    for low, high in asked:
        if np.isnan(low):
            continue
        said, right = answer(low, high), give_verdict(low, high)
        if said == right:
            continue
        interval = f"({low:+.3f}, {high:+.3f})"
        if said not in VERDICTS:
            return Check(False, f"for {interval} it says {said!r}; expected one of {', '.join(map(repr, VERDICTS))}.")
        return Check(False, f"for {interval} it says {said!r}: {_explain(low, high, right, said)}")
    n_open = sum(give_verdict(*interval) == VERDICTS[3] for interval in asked[: len(gains)])
    return Check(True, f"of these {len(gains)} intervals, {n_open} allow no claim at all.")


def _explain(low, high, right, said):
    if right == VERDICTS[3] and said == VERDICTS[2]:
        return f"that it holds zero shows no equality; a difference of {max(-low, high):.2f} is possible."
    if right == VERDICTS[3]:
        return "zero isn't excluded, so neither help nor harm may be claimed, wherever the middle lies."
    if right == VERDICTS[2]:
        return "all of it lies within two points of zero: such a difference doesn't matter."
    return f"all of it lies {'above' if right == VERDICTS[0] else 'below'} zero, however little."
