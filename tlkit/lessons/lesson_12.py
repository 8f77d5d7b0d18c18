"""Exercises of lesson 12: the smallest p-value with few candidates, and the regret of a score's pick."""

import functools
import math

from tlkit.lessons.exercise import compare, compare_number, exercise, expect_number


@exercise("12_smallest_p", "a number between 0 and 1", expect_number)
def _check_smallest_p(answer, *, n_candidates):
    """Return the verdict on the two-sided p-value of a perfect rank correlation."""
    # Kendall 1938: 2 of the n! orders are as extreme as the perfect one.
    n_orders = math.factorial(n_candidates)
    z = math.sqrt(9 * n_candidates * (n_candidates - 1) / (2 * (2 * n_candidates + 5)))
    slips = {
        "that counts the perfect order alone; two-sided, the reversed order is just as extreme.": 1 / n_orders,
        "that is the normal approximation, which needs many candidates; count the orders.": math.erfc(z / math.sqrt(2)),
        "0.05 is the usual threshold; here, count how small p can get at all.": 0.05,
        "a perfect ranking also happens by chance: in how many of all orders of the candidates?": 0,
        "that is tau; its p-value is the share of orders that are as extreme.": 1,
    }
    otherwise = f"if only chance ranks {n_candidates} candidates, how many orders are there, all equally likely?"
    if not 0 <= answer <= 1:
        otherwise = f"a p-value lies between 0 and 1, and this is {answer:g}."
    compare(answer, 2 / n_orders, slips, otherwise, functools.partial(math.isclose, abs_tol=5e-3))
    return f"2 of {n_orders} orders are as extreme as the perfect one: {2 / n_orders:.3f}, and no data can do better."


@exercise("12_regret", "a number between 0 and 1", expect_number)
def _check_regret(answer, *, ranking, score):
    """Return the verdict on the accuracy that is lost by the candidate with the highest score."""
    accuracy, values = ranking["accuracy"], ranking[score]
    best, picked = accuracy.max(), accuracy[values.idxmax()]
    slips = {
        f"that is the accuracy of the candidate with the highest {score}; how far is it from the best?": picked,
        "that is the best accuracy; subtract the accuracy of the score's pick.": best,
        "best minus picked is never negative; swap the two.": picked - best,
        "that is a difference in the score, not in accuracy.": values.max() - values[accuracy.idxmax()],
        f"that is the gap between best and worst; take the candidate with the highest {score}.": best - accuracy.min(),
        "that is the lead over the mean candidate; compare with the best one.": picked - accuracy.mean(),
    }
    compare_number(answer, best - picked, slips, "which accuracy has the score's pick?", 5e-3)
    return f"{best:.3f} - {picked:.3f} = {best - picked:.3f}: the price of trusting {score} on these candidates."
