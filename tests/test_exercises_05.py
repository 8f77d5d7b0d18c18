"""Exercises of lesson 05: what is right passes, each usual slip gets its own hint."""

import pandas as pd
import pytest
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.lessons import check

SOLVE = tl.Phase(["head"], None)
TUNE = tl.Phase(["all"], 6, 2e-4)


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone()


@pytest.mark.parametrize(
    "answer",
    [
        [SOLVE, TUNE],
        (SOLVE, tl.Phase(["all", "head"], 6, 2e-4)),
        [SOLVE, tl.Phase([-1, -2, "head"], 6, {-1: 2e-4, -2: 2e-4, "head": 2e-4})],
        [SOLVE, tl.Phase(["stem", "stage1", "head"], 6, 2e-4)],
        tl.Strategy([SOLVE, TUNE]),
    ],
)
def test_phases_that_come_to_the_same_pass(backbone, answer):
    result = check("05_lp_ft", answer, backbone=backbone)
    assert repr(result) == "Passed: your phases are equivalent to the catalogue's in each of the 2 stages."


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ([TUNE], "tuning begins under a random head"),
        (tl.strategies.get("fine_tune"), "tuning begins under a random head"),
        (tl.strategies.get("lp_ft"), "these are the catalogue's own phases"),
        ([SOLVE], "that is the linear probe"),
        ([TUNE, SOLVE], "the other way round"),
        ([tl.Phase(["head"], 20, 1e-2), TUNE], "its head takes 20 epochs; n_epochs=None solves it"),
        ([SOLVE, TUNE, TUNE], "3 phases, expected two"),
        ([SOLVE, tl.Phase(["all"], 3, 2e-4), tl.Phase(["all"], 3, 2e-4)], "3 phases, expected two"),
        ([SOLVE, tl.Phase([-1, "head"], 6, 2e-4)], "in the second phase stem stay frozen"),
        ([SOLVE, tl.Phase([-1, -2], 6, 2e-4)], "in the second phase head stay frozen"),
        ([SOLVE, tl.Phase(["all", "norm"], 6, 2e-4)], "also names norm layers or biases"),
        ([SOLVE, tl.Phase(["all"], 6, 2e-3)], "learns at 0.002; the catalogue's at 0.0002 throughout"),
        (
            [SOLVE, tl.Phase(["all", "head"], 6, {"all": 2e-4, "head": 2e-3})],
            "learns at 0.0002, 0.002; the catalogue's",
        ),
        ([SOLVE, tl.Phase(["all"], 5, 2e-4)], "the second phase takes 5 epochs, the catalogue's 6"),
        ([SOLVE, tl.Phase(["all"], 6, 2e-4, norm_statistics="moving")], "its norm statistics move"),
        ([SOLVE, tl.Phase(["all"], 6, 2e-4, augment="crop")], "has an augmentation, a penalty or an objective"),
        ([SOLVE, tl.Phase([-3, "head"], 6, 2e-4)], "one phase can't be resolved"),
        ("lp_ft", "should be a list of tl.Phase(…), and is a str"),
        ([SOLVE, "all"], "should be a list of tl.Phase(…), and is a list"),
        (..., "no answer yet; replace the three dots with a list of phases"),
    ],
)
def test_each_slip_of_phases_gets_its_own_hint(backbone, answer, hint):
    result = check("05_lp_ft", answer, backbone=backbone)
    assert not result.passed
    assert hint in result.sentence


def make_runs(head=0.0, norms=0.0):
    """Return runs in which a head and a norm mode make so much of a difference outside, and the rates differ."""
    rows = []
    for place, (start, rate, mode) in enumerate(
        (start, rate, mode) for start in ("random", "probe") for rate in (2e-4, 1e-3) for mode in ("frozen", "moving")
    ):
        # Frozen norms do better at the first rate, moving ones at the second; outside it is the other way round.
        is_best = (rate == 2e-4) == (mode == "frozen")
        inside = 0.6 + 0.1 * is_best + place / 1000
        outside = 0.4 + head * (start == "probe") + norms * (mode == "moving") + 0.05 * (not is_best)
        rows.append({"head": start, "rate": rate, "norms": mode, "inside": inside, "outside": outside})
    return pd.DataFrame(rows)


def fill(runs, column="outside", by="inside", best=True):
    """Return a table head × norms: a column at the rate that is best, or worst, by another."""
    found = runs.groupby(["head", "norms"])[by]
    return runs.loc[found.idxmax() if best else found.idxmin()].pivot(index="head", columns="norms", values=column)


def spoil(table):
    """Return the table with one accuracy changed."""
    table = table.copy()
    table.loc["random", "moving"] += 0.2
    return table


def check_grid(runs, answer):
    return check("05_grid", answer, runs=runs, margin=0.06)


@pytest.mark.parametrize(
    ("effects", "choice", "said"),
    [
        (
            {"norms": -0.1},
            "norms",
            "the effect of the head is +0.000 on average, that of moving norms -0.100; the norms matter most",
        ),
        (
            {"head": 0.2, "norms": -0.1},
            "head",
            "the effect of the head is +0.200 on average, that of moving norms -0.100; the head matters most, above",
        ),
        (
            {"head": -0.07},
            "head",
            "the effect of the head is -0.070 on average, that of moving norms +0.000; the head matters most",
        ),
        ({"head": 0.05, "norms": -0.05}, "can't tell", "neither is above the margin of 0.060"),
    ],
)
def test_the_grid_with_the_sentence_that_it_allows_passes(effects, choice, said):
    runs = make_runs(**effects)
    for table in (fill(runs), fill(runs).T, fill(runs).round(3)):
        result = check_grid(runs, (table, choice))
        assert result.passed
        assert said in result.sentence
    others = {"head", "norms", "can't tell"} - {choice}
    assert not any(check_grid(runs, (fill(runs), other)).passed for other in others)


def test_where_two_rates_tie_in_domain_either_will_do():
    runs = make_runs(norms=-0.2)
    runs["inside"] = 0.5
    faster, slower = (fill(runs, by="rate", best=best) for best in (True, False))
    assert not faster.equals(slower)
    assert all(check_grid(runs, (table, "norms")).passed for table in (faster, slower))


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda runs: (fill(runs, by="outside"), "norms"), "the rate was chosen on the photographs; choose it"),
        (lambda runs: (fill(runs, "inside"), "norms"), "these are accuracies in the domain"),
        (lambda runs: (runs.pivot_table("outside", "head", "norms"), "norms"), "these are means over both rates"),
        (lambda runs: (fill(runs, best=False), "norms"), "the rate was chosen on the photographs; choose it"),
        (lambda runs: (spoil(fill(runs)), "norms"), "1 of 4 are wrong, such as random head with moving norms"),
        (lambda runs: (fill(runs)[["frozen"]], "norms"), "should have the rows probe and random, the columns"),
        (lambda runs: (fill(runs).astype(object).replace(0.4, "?"), "norms"), "should be a DataFrame of numbers"),
        (
            lambda runs: ([[0.1, 0.2], [0.3, 0.4]], "norms"),
            "should be a DataFrame of numbers, one per head and norm mode",
        ),
        (
            lambda runs: (fill(runs), "head"),
            "the effect of the head is +0.000 on average, that of moving norms -0.100, and the margin",
        ),
        (lambda runs: (fill(runs), "rate"), "the table is right; now choose one of 'head', 'norms', \"can't tell\""),
        (lambda runs: (fill(runs), ...), "the table is right; now choose one of"),
        (lambda runs: (..., ...), "no table yet: one row per head"),
        (lambda runs: fill(runs), "should be a pair, (table, word), and is a DataFrame"),
        (lambda runs: ..., "no answer yet; replace the three dots with a pair, table and word"),
    ],
)
def test_each_slip_of_a_grid_gets_its_own_hint(answer, hint):
    runs = make_runs(norms=-0.1)
    result = check_grid(runs, answer(runs))
    assert not result.passed
    assert hint in result.sentence


def test_the_worse_rates_get_a_hint_of_their_own():
    runs = make_runs(norms=-0.1)
    runs["outside"] -= 0.1 * (runs["inside"] < 0.65)  # the worse rates in domain are so outside, too
    result = check_grid(runs, (fill(runs, best=False), "norms"))
    assert "these are the worse rates" in result.sentence


def test_where_nothing_decides_a_named_factor_is_asked_back():
    result = check_grid(make_runs(head=0.03), (fill(make_runs(head=0.03)), "head"))
    assert "is either above the margin of 0.060?" in result.sentence
