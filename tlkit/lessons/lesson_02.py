"""Exercises of lesson 02: the smallest p that few candidates allow, the best network under a budget."""

import math
import numbers

from tlkit.arguments import suggest
from tlkit.lessons.exercise import Check, exercise


@exercise("02_smallest_p", "a number between 0 and 1")
def _check_smallest_p(answer, *, n_candidates):
    """Two-sided p-value of a perfect rank correlation (Kendall 1938): 2 of the n! orders are as extreme."""
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real):
        return Check(False, f"a p-value is a number, and this is {answer!r}.")
    n_orders = math.factorial(n_candidates)
    right = 2 / n_orders
    # The tau of a perfect ranking in units of its standard deviation, as the normal approximation takes it.
    z = math.sqrt(9 * n_candidates * (n_candidates - 1) / (2 * (2 * n_candidates + 5)))
    if math.isclose(answer, right, abs_tol=5e-4):
        return Check(
            True, f"2 of {n_orders} orders are as extreme as the perfect one: {right:.3f}, and no data can do better."
        )
    slips = {
        1 / n_orders: "that counts the perfect order alone; two-sided, the reversed order is just as extreme.",
        math.erfc(z / math.sqrt(2)): "that is the normal approximation, which needs many candidates; count the orders.",
        0.05: "0.05 is where people draw a line; here, count how small p can get at all.",
        0: "a perfect ranking also happens by chance: count in how many orders of the candidates.",
    }
    for slip, hint in slips.items():
        if math.isclose(answer, slip, abs_tol=5e-4):
            return Check(False, hint)
    if not 0 <= answer <= 1:
        return Check(False, f"a p-value lies between 0 and 1, and this is {answer:g}.")
    return Check(False, f"if nothing but chance ranks {n_candidates} candidates, how many orders are there, all alike?")


@exercise("02_best", "the name of a network, in quotes,")
def _check_best(answer, *, networks, most_flops):
    """Name of the network with the highest published accuracy among those of so many operations a picture at most."""
    table = networks.dropna(subset=["accuracy", "n_flops"]).set_index("name")
    if not isinstance(answer, str):
        return Check(False, f"a network is named by a str, and this is a {type(answer).__name__}.")
    if answer not in table.index:
        return Check(False, f"the table has no {answer!r}; {suggest(answer, table.index)}.")
    row, left = table.loc[answer], table[table["n_flops"] <= most_flops]
    best = left["accuracy"].max()
    if row["n_flops"] > most_flops:
        counted = (
            "; a multiplication with its addition counts as 2 operations" if row["n_flops"] < 2 * most_flops else ""
        )
        return Check(False, f"{answer} needs {row['n_flops'] / 1e9:.2f} GFLOP a picture, too many{counted}.")
    if row["accuracy"] == best:
        return Check(True, f"{best:.3f}, the highest of {len(left)} networks that need no more.")
    n_better = int((left["accuracy"] > row["accuracy"]).sum())
    return Check(False, f"{answer} fits, and {n_better} that fit as well have a higher accuracy.")
