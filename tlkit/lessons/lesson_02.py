"""Exercises of lesson 02: the smallest p-value with few candidates, and the best network within a budget."""

import functools
import math
import numbers

from tlkit.arguments import suggest
from tlkit.lessons.exercise import NotYet, compare, exercise, name_type


@exercise("02_smallest_p", "a number between 0 and 1")
def _check_smallest_p(answer, *, n_candidates):
    """Return the verdict on the two-sided p-value of a perfect rank correlation."""
    # Kendall 1938: 2 of the n! orders are as extreme as the perfect one.
    if isinstance(answer, bool) or not isinstance(answer, numbers.Real):
        raise NotYet(f"a p-value is a number, and this is {answer!r}.")
    n_orders = math.factorial(n_candidates)
    right = 2 / n_orders
    # The tau of a perfect ranking in units of its standard deviation, for the normal approximation.
    z = math.sqrt(9 * n_candidates * (n_candidates - 1) / (2 * (2 * n_candidates + 5)))
    slips = {
        "that counts the perfect order alone; two-sided, the reversed order is just as extreme.": 1 / n_orders,
        "that is the normal approximation, which needs many candidates; count the orders.": math.erfc(z / math.sqrt(2)),
        "0.05 is the usual threshold; here, count how small p can get at all.": 0.05,
        "a perfect ranking also happens by chance: in how many of all orders of the candidates?": 0,
    }
    otherwise = f"if only chance ranks {n_candidates} candidates, how many orders are there, all equally likely?"
    if not 0 <= answer <= 1:
        otherwise = f"a p-value lies between 0 and 1, and this is {answer:g}."
    compare(answer, right, slips, otherwise, functools.partial(math.isclose, abs_tol=5e-4))
    return f"2 of {n_orders} orders are as extreme as the perfect one: {right:.3f}, and no data can do better."


@exercise("02_best", "the name of a network, in quotes")
def _check_best(answer, *, networks, most_flops):
    """Return the verdict on the name of the most accurate network with at most this many operations per picture."""
    table = networks.dropna(subset=["accuracy", "n_flops"]).set_index("name")
    if not isinstance(answer, str):
        raise NotYet(f"a network is named by a str, and this is a {name_type(answer)}.")
    if answer not in table.index:
        raise NotYet(f"the table has no {answer!r}; {suggest(answer, table.index)}.")
    row, affordable = table.loc[answer], table[table["n_flops"] <= most_flops]
    if row["n_flops"] > most_flops:
        counted = "; a multiplication and its addition count as 2 operations" if row["n_flops"] < 2 * most_flops else ""
        raise NotYet(f"{answer} needs {row['n_flops'] / 1e9:.2f} GFLOP per picture, too many{counted}.")
    n_better = int((affordable["accuracy"] > row["accuracy"]).sum())
    if n_better:
        raise NotYet(f"{answer} fits, and {n_better} that fit as well have a higher accuracy.")
    return f"{row['accuracy']:.3f}, the highest of {len(affordable)} networks within the budget."
