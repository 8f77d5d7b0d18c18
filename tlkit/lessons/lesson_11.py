"""Exercises of lesson 11: the threshold that rejects a share of known pictures, and what is left among the accepted."""

import math

import numpy as np

from tlkit.lessons.exercise import compare_number, exercise, expect_number


@exercise("11_threshold", "a number", expect_number)
def _check_threshold(answer, *, familiarity, share):
    """Return the verdict on a threshold below which a share of the known pictures lies; (n,) familiarities."""
    known = np.asarray(familiarity, float)
    n_rejected = int((known < answer).sum())
    if abs(n_rejected - share * len(known)) <= 1:
        return f"{n_rejected} of {len(known)} known pictures lie below it, a share of {n_rejected / len(known):.2f}."
    slips = {
        "that rejects the most familiar pictures; low familiarity is suspicious.": np.quantile(known, 1 - share),
        "that is the lowest familiarity of all; no known picture lies below it.": known.min(),
        "that is a share of the mean; sort the values, and count from the lowest.": share * known.mean(),
        "that is the mean; about half of the known pictures lie below it.": known.mean(),
        "that is the median; half of the known pictures lie below it.": np.median(known),
        "that cuts the range of the values, not the number of pictures.": known.min() + share * np.ptp(known),
        "that is two standard deviations below the mean, which fits only a bell curve.": known.mean() - 2 * known.std(),
        "that is the share itself; you need a familiarity.": share,
    }
    otherwise = f"{n_rejected} of {len(known)} known pictures lie below it, and {share:g} of them should."
    compare_number(answer, math.nan, slips, otherwise, share=1e-3)


@exercise("11_strangers", "a number between 0 and 1", expect_number)
def _check_strangers(answer, *, n_known, n_strangers, share, false_acceptance):
    """Return the verdict on the share of strangers among the accepted pictures (Bayes' rule in counts)."""
    accepted_known, accepted = (1 - share) * n_known, false_acceptance * n_strangers
    right = accepted / (accepted + accepted_known)
    slips = {
        "that is the number of accepted strangers; divide by all accepted pictures.": accepted,
        "that is the share of strangers that are accepted; the question starts from the accepted.": false_acceptance,
        "that is the share of strangers before anything is rejected.": n_strangers / (n_strangers + n_known),
        "divide by the accepted pictures only, not by all.": accepted / (n_known + n_strangers),
        "some known pictures are rejected, too; leave them out.": accepted / (accepted + n_known),
        "those strangers are rejected; count the accepted ones.": (n_strangers - accepted)
        / (n_strangers - accepted + accepted_known),
        "that counts the rejected known pictures as the accepted ones.": accepted / (accepted + share * n_known),
        "that is the share of known pictures; strangers are the rest.": 1 - right,
    }
    otherwise = "count strangers and known among the accepted."
    if answer > 1:
        otherwise = f"a share lies between 0 and 1, and this is {answer:g}; divide by all accepted pictures."
    compare_number(answer, right, slips, otherwise, tolerance=5.1e-3)
    return f"{accepted:.0f} of {accepted + accepted_known:.0f} accepted pictures are strangers: {right:.3f}."
