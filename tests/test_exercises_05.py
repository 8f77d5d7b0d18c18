"""Exercises of lesson 05: any right answer passes, each usual slip gets its own hint."""

import numpy as np
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
        [SOLVE, tl.Phase(["all", "norm"], 6, 2e-4)],
        [SOLVE, tl.Phase(["all"], 1, 1e-5)],
        [SOLVE, tl.Phase(["all"], 20, 5e-4, augment="crop")],
        [SOLVE, tl.Phase(["all", "head"], 6, {"all": 2e-4, "head": 2e-3})],
        [SOLVE, tl.Phase(["all"], 3, 2e-4), tl.Phase(["all"], 3, 1e-4)],
        tl.Strategy([SOLVE, TUNE]),
    ],
)
def test_any_solved_head_and_sensible_tuning_of_everything_passes(backbone, answer):
    result = check("05_lp_ft", answer, backbone=backbone)
    n_epochs = sum(phase.n_epochs for phase in list(getattr(answer, "phases", answer))[1:])
    assert repr(result) == (
        f"Passed: the head is solved, then all 2 stages and the head are tuned for {n_epochs} epochs."
    )


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ([TUNE], "tuning begins under a random head"),
        (tl.strategies.get("fine_tune"), "tuning begins under a random head"),
        (tl.strategies.get("lp_ft"), "these are the catalogue's own phases"),
        ([SOLVE], "that is the linear probe"),
        ([TUNE, SOLVE], "the other way round"),
        ([tl.Phase(["head"], 20, 1e-2), TUNE], "its head takes 20 epochs; n_epochs=None solves it"),
        ([SOLVE, SOLVE, TUNE], "in phase 2 the head is solved again"),
        ([SOLVE, tl.Phase([-1, "head"], 6, 2e-4)], "in phase 2 training leaves out stem;"),
        ([SOLVE, tl.Phase([-1, -2], 6, 2e-4)], "in phase 2 training leaves out head;"),
        ([SOLVE, TUNE, tl.Phase([-1, "head"], 6, 2e-4)], "in phase 3 training leaves out stem;"),
        ([SOLVE, tl.Phase(["all"], 6, 2e-3)], "the rate is 0.002, which destroys pretrained features"),
        ([SOLVE, tl.Phase(["all", "head"], 6, {"all": 2e-4, "head": 0.1})], "the rate is 0.1, which destroys"),
        ([SOLVE, tl.Phase(["all"], 6, 1e-7)], "the rate is 1e-07, too small to change anything"),
        ([SOLVE, tl.Phase(["all"], 500, 2e-4)], "tuning takes 500 epochs"),
        ([SOLVE, tl.Phase(["all"], 6, 2e-4, norm_statistics="moving")], "in phase 2 norm statistics move"),
        ([SOLVE, tl.Phase([-3, "head"], 6, 2e-4)], "one phase can't be resolved"),
        ("lp_ft", "should be a list of tl.Phase(…), and is a str"),
        ([SOLVE, "all"], "should be a list of tl.Phase(…), and is a list"),
        ([], "the list is empty"),
        (..., "no answer yet; replace the three dots with a list of phases"),
    ],
)
def test_each_slip_of_phases_gets_its_own_hint(backbone, answer, hint):
    result = check("05_lp_ft", answer, backbone=backbone)
    assert not result.passed
    assert hint in result.sentence


def make_runs(norms=-0.1, spread=0.02):
    """Return runs in which moving norms have an effect outside, a larger one inside, and larger under the probe."""
    rows = []
    for seed in range(5):
        for head in ("random", "probe"):
            for mode in ("frozen", "moving"):
                moved = (norms + spread * (seed - 2)) * (mode == "moving") * (1.2 if head == "probe" else 0.8)
                outside = 0.4 + 0.03 * (head == "probe") + 0.01 * seed + moved
                rows.append(
                    {"seed": seed, "head": head, "norms": mode, "inside": 0.5 + 1.5 * moved, "outside": outside}
                )
    return pd.DataFrame(rows)


def find_effects(runs, column="outside"):
    """Return the effect of moving norms per seed."""
    means = runs.groupby(["seed", "norms"])[column].mean().unstack()
    return means["moving"] - means["frozen"]


def find_by_head(runs, head):
    """Return the effect of moving norms per seed under one head."""
    return find_effects(runs[runs["head"] == head])


@pytest.mark.parametrize(
    ("effect", "spread", "verdict"),
    [
        (-0.1, 0.02, "harms"),
        (0.1, 0.02, "helps"),
        (0.0, 0.002, "no difference that matters"),
        (0.0, 0.05, "can't tell"),
    ],
)
def test_effects_with_the_verdict_that_they_allow_pass(effect, spread, verdict):
    runs = make_runs(effect, spread)
    effects = find_effects(runs)
    for given in (effects, effects.to_numpy(), effects.tolist(), effects.round(2), effects[::-1]):
        result = check("05_norms", (given, verdict), runs=runs)
        assert result.passed, result
        assert result.sentence.endswith(f": {verdict}.")
    for other in {"helps", "harms", "no difference that matters", "can't tell"} - {verdict}:
        result = check("05_norms", (effects, other), runs=runs)
        assert "the effects are right, but the mean effect is" in result.sentence


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda runs: (-find_effects(runs), "helps"), "the sign is turned round"),
        (lambda runs: (find_effects(runs, "inside"), "harms"), "these are effects in the domain"),
        (lambda runs: (find_by_head(runs, "probe"), "harms"), "under the probe's head alone"),
        (lambda runs: (find_by_head(runs, "random"), "harms"), "under the random head alone"),
        (lambda runs: (2 * find_effects(runs), "harms"), "sums over the two heads"),
        (
            lambda runs: ([*find_by_head(runs, "probe"), *find_by_head(runs, "random")], "harms"),
            "there are two per seed",
        ),
        (lambda runs: (find_effects(runs).mean(), "harms"), "that is the mean over seeds"),
        (lambda runs: (100 * find_effects(runs), "harms"), "these are percentages"),
        (
            lambda runs: (runs[runs["norms"] == "moving"].groupby("seed")["outside"].mean(), "harms"),
            "accuracies with moving statistics",
        ),
        (lambda runs: (find_effects(runs)[:4], "harms"), "there are 4 numbers, expected 5"),
        (lambda runs: (np.zeros(5), "harms"), "these are other numbers: pair runs of the same seed"),
        (lambda runs: (["a"] * 5, "harms"), "should be numbers, one per seed, not a list"),
        (lambda runs: (find_effects(runs), "worse"), "the effects are right; now choose one of 'helps', 'harms'"),
        (lambda runs: (find_effects(runs), ...), "the effects are right; now choose one of"),
        (lambda runs: (find_effects(runs), "can't tell"), "It lies below zero."),
        (lambda runs: (..., ...), "no effects yet"),
        (lambda runs: find_effects(runs), "should be a pair, (effects, verdict), and is a Series"),
        (lambda runs: ..., "no answer yet; replace the three dots with a pair"),
    ],
)
def test_each_slip_of_effects_gets_its_own_hint(answer, hint):
    runs = make_runs()
    result = check("05_norms", answer(runs), runs=runs)
    assert not result.passed
    assert hint in result.sentence


def test_absolute_values_and_ratios_are_named():
    runs = make_runs(0.0, 0.05)
    means = runs.groupby(["seed", "norms"])["outside"].mean().unstack()
    assert "absolute values" in check("05_norms", (abs(find_effects(runs)), "helps"), runs=runs).sentence
    assert "take differences" in check("05_norms", (means["moving"] / means["frozen"], "harms"), runs=runs).sentence
