"""The sabotage lab: each flaw is found by its audit, clean cases pass all, and a case marks itself without a leak."""

import collections
import inspect
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tlkit as tl
from tlkit.lessons import sabotage as lab
from tlkit.lessons.audits import AUDITS, OTHER_SEEDS, measure_effect, specimens
from tlkit.lessons.enrolment import Enrolment

FLAWS, ROOT = specimens.FLAWS, Path(__file__).parents[1]


@pytest.fixture(scope="module")
def clean():
    return lab.Case(0, 1, None)


@pytest.mark.slow
@pytest.mark.parametrize("flaw", FLAWS)
def test_each_flaw_is_found_by_its_audit_and_no_earlier_one(flaw):
    case = lab.Case(0, 2, flaw)
    assert flaw not in repr(case) + case.code + repr({name: vars(case)[name] for name in vars(case) if name != "flaws"})
    for name in [known.audit for known in FLAWS.values()]:
        evidence = case.audit(name)
        if name == FLAWS[flaw].audit:
            break
        assert evidence.statistic <= evidence.limit and np.isnan(evidence.effect)
    assert evidence.statistic > evidence.limit
    assert evidence.low <= evidence.effect <= evidence.high
    coins = case.coins
    mark = case.accuse(flaw, effect=(evidence.low, evidence.high))
    assert mark.right and mark.points == coins + lab.N_FLAW + (lab.N_EFFECT if mark.covered else 0)


@pytest.mark.slow
def test_a_clean_case_passes_every_audit(clean):
    found = {name: audit.look(clean._pipeline) for name, audit in AUDITS.items()}
    assert {name: value for name, value in found.items() if value > AUDITS[name].limit} == {}
    assert [known.audit for known in FLAWS.values()] == list(AUDITS)
    assert sum(audit.cost for audit in AUDITS.values()) <= lab.N_COINS


def test_the_code_differs_from_clean_code_in_the_one_step_that_ran():
    clean_code = specimens.Pipeline.read_code.__get__(object.__new__(specimens.Pipeline))()
    assert clean_code.count("def ") == len(specimens.STEPS)
    for flaw, known in FLAWS.items():
        (step,) = [name for name in vars(known.steps) if not name.startswith("__")]
        kind = type("Pipeline", (known.steps, specimens.Pipeline), {})
        code = specimens.Pipeline.read_code.__get__(object.__new__(kind))()
        others = set(code.splitlines()) - set(clean_code.splitlines())
        assert all(line.strip() in inspect.getsource(vars(known.steps)[step]) for line in others)
        assert bool(others) == (step != "collect"), flaw


@pytest.mark.slow
def test_the_reported_numbers_are_those_of_the_code_that_is_shown(clean):
    """The shown steps, run as text, report the same numbers."""
    names = dict(vars(specimens))
    exec(clean.code, names)
    kind = type("Shown", (specimens.Pipeline,), {step: names[step] for step in specimens.STEPS})
    again = kind(1, clean._pipeline.pictures, clean._pipeline.given_source)
    rows = [(arm, seed, again.run(seed, arm).score) for arm in specimens.ARMS for seed in again.seeds]
    assert list(clean.results.itertuples(index=False, name=None)) == rows


@pytest.mark.slow
def test_the_effect_of_a_second_guess_is_counted_one_by_one():
    pipeline = specimens.build(3, "swapped_metric")
    labels, effects = pipeline.test.labels, []
    for seed in OTHER_SEEDS:
        pairs = zip(pipeline.run(seed).probabilities, labels, strict=True)
        ranks = [list(np.argsort(-row)).index(label) for row, label in pairs]
        effects.append(sum(rank == 1 for rank in ranks) / len(labels))
    assert measure_effect(AUDITS["metric"], pipeline, OTHER_SEEDS) == pytest.approx(effects)


@pytest.mark.slow
def test_audits_are_paid_once_accusations_each_time_and_a_verdict_closes_the_case():
    case = lab.Case(7, 1, None)
    assert case.audit("budgets") is case.audit("budgets")
    assert case.coins == lab.N_COINS - 1
    mark = case.accuse("label_shift", effect=(0, 0.1))
    assert not mark.right and case.coins == lab.N_COINS - 1 - lab.N_FALSE
    assert mark.points == 0 and "an open case earns no points" in mark.sentence
    case.coins = 3
    with pytest.raises(ValueError, match="costs 4 coins, but you have 3"):
        case.audit("seeds")
    with pytest.raises(ValueError, match="the lower one first"):
        case.accuse("label_shift", effect=(0.1, 0))
    with pytest.raises(ValueError, match=r"effect: 0\.1, expected two numbers"):
        case.accuse("label_shift", effect=0.1)
    mark = case.acquit()
    assert mark.points == 3 + lab.N_FLAW + lab.N_EFFECT
    # The first verdict counts: nothing that comes later changes the mark.
    assert case.accuse("label_shift", effect=(0, 0.1)) is case.acquit() is mark and case.coins == 3


@pytest.mark.slow
def test_an_interval_that_is_wide_or_guessed_and_a_wrong_acquittal_earn_nothing():
    case = lab.Case(0, 1, "swapped_metric")
    found = case.audit("metric")
    mark = case.accuse("swapped_metric", effect=(found.effect - 0.08, found.effect + 0.08))
    assert mark.right and not mark.covered and mark.points == lab.N_COINS - 1 + lab.N_FLAW
    case = lab.Case(0, 1, "swapped_metric")
    mark = case.accuse("swapped_metric", effect=(found.effect - 0.05, found.effect + 0.05))
    assert mark.right and not mark.covered and mark.points == lab.N_COINS + lab.N_FLAW
    assert "after the audit 'metric'" in mark.sentence
    mark = lab.Case(0, 1, "swapped_metric").acquit()
    assert not mark.right and mark.points == lab.N_COINS - lab.N_MISSED and "swapped_metric" in mark.sentence


STUB = types.SimpleNamespace(seed=1, seeds=[], train=[], test=[], source=[], read_code=str)  # of a pipeline


# Rules by which students may play. Each gets a case, and the flaw that its code shows, or None.
IN_PICTURES = [name for name, known in FLAWS.items() if "collect" in vars(known.steps)]


def accuse(case, flaw):
    """Accuse with the interval of the audit if it was bought, else with a guess as wide as it may be."""
    evidence = case._bought.get(FLAWS[flaw].audit)
    return case.accuse(flaw, (evidence.low, evidence.high) if evidence else (-0.05, 0.1))


def audit(case, flaws, stops=True):
    """Buy audits in this order, and accuse by the first that finds something; else acquit."""
    found = []
    for flaw in flaws:
        evidence = case.audit(FLAWS[flaw].audit)
        found += [flaw] if evidence.statistic > evidence.limit else []
        if found and stops:
            break
    return accuse(case, found[0]) if found else case.acquit()


def guess(case, flaws):
    """Accuse of one flaw after another, then acquit."""
    return next((mark for mark in (accuse(case, flaw) for flaw in flaws) if mark.right), None) or case.acquit()


BLIND = {
    "acquit at once": lambda case, seen: case.acquit(),
    "accuse of any flaw, then acquit": lambda case, seen: guess(case, ["near_duplicates"]),
    "accuse of any flaw, and give no verdict": lambda case, seen: accuse(case, "near_duplicates"),
    "accuse of one flaw after another": lambda case, seen: guess(case, FLAWS),
}
HONEST = {
    "buy all audits": lambda case, seen: audit(case, FLAWS, stops=False),
    "buy audits from cheap to dear until one finds something": lambda case, seen: audit(
        case, case.flaws.sort_values("cost", kind="stable")["flaw"]
    ),
    "read the code and buy the audit that it suggests, else acquit": lambda case, seen: audit(
        case, [seen] if seen else []
    ),
    "read the code and accuse without an audit, else buy those of the pictures": lambda case, seen: (
        accuse(case, seen) if seen else audit(case, IN_PICTURES)
    ),
    "read the code and buy the audit that it suggests, else those of the pictures": lambda case, seen: audit(
        case, [seen] if seen else IN_PICTURES
    ),
}


@pytest.fixture
def expect(monkeypatch):
    """Mean points of a rule, from the real prices and marks; audits find what is planted, and no pipeline runs."""
    monkeypatch.setattr(lab, "_measure_truth", lambda *_: (0.03, 0.15))

    def play(rule, flaw, holds):
        looks = {name: lambda _, right=flaw and FLAWS[flaw].audit == name: float(bool(right)) for name in AUDITS}
        audits = {name: known._replace(look=looks[name], limit=0.5) for name, known in AUDITS.items()}
        monkeypatch.setattr(specimens, "build", lambda *_: STUB)
        monkeypatch.setattr(lab, "AUDITS", audits)
        monkeypatch.setattr(lab, "measure_effect", lambda *_: np.array([0.02, 0.03, 0.04]) + (not holds))
        return rule(lab.Case(0, 1, flaw), None if flaw in IN_PICTURES else flaw).points

    return lambda rule, holds=True: (
        np.mean([play(rule, flaw, holds) for flaw in FLAWS]) / 2 + play(rule, None, holds) / 2
    )


def test_looking_earns_clearly_more_than_acquitting_or_accusing_blindly(expect):
    means = {name: expect(rule) for name, rule in (BLIND | HONEST).items()}
    blind = max(means[name] for name in BLIND)
    assert blind == means["acquit at once"] == lab.N_COINS - lab.N_MISSED / 2 + (lab.N_FLAW + lab.N_EFFECT) / 2
    assert min(means[name] for name in HONEST) >= blind + 4
    *_, best = HONEST
    assert means[best] == max(means.values()) >= blind + 25
    assert means[best] >= max(means[name] for name in HONEST if name != best) + 2
    # Whoever reads no code is better off for looking, too, even if no interval contains its effect.
    assert expect(HONEST["buy audits from cheap to dear until one finds something"], holds=False) >= blind + 8
    # Each further audit of the pictures is worth its price.
    rules = [lambda case, seen, n=n: audit(case, [seen] if seen else IN_PICTURES[:n]) for n in range(5)]
    assert (np.diff([expect(rule) for rule in rules]) > 0).all()
    # Teachers and readers find these numbers.
    page = (ROOT / "docs" / "teaching" / "sabotage_lab.md").read_text("utf-8")
    assert all(f"| {name} | {round(points)} |" in page for name, points in means.items())
    for name in ("acquit at once", "buy audits from cheap to dear until one finds something", best):
        assert f"earns {round(means[name])}" in lab.case.__doc__


def test_the_cases_that_were_played_agree():
    """Audits from cheap to dear, as played in the benchmark, with the intervals that were measured."""
    rows = pd.read_csv(ROOT / "benchmarks" / "sabotage_power.csv").set_index("flaw")
    widest = np.where(rows.index == "random_heat_maps", lab._MOST_WIDTH_OF_MAPS, lab._MOST_WIDTH)
    fits = ~(rows["high"] - rows["low"] > widest)
    wrong = np.where(rows["accused"].isna(), lab.N_COINS - rows["coins"] - lab.N_MISSED, 0)
    points = (lab.N_COINS - rows["coins"] + lab.N_FLAW + lab.N_EFFECT * (rows["covered"] & fits)).where(
        rows["right"], wrong
    )
    assert (points == rows["points"])[rows["right"] & fits].all()
    means = points.groupby("flaw").mean()
    assert len(means) == len(FLAWS) + 1
    assert (means.drop("clean").mean() + means["clean"]) / 2 >= lab.N_COINS - lab.N_MISSED / 2 + 15 + 10


def test_a_case_that_is_opened_again_keeps_its_coins_and_its_mark(monkeypatch):
    monkeypatch.setattr(specimens, "build", lambda *_: STUB)
    monkeypatch.setattr(lab, "AUDITS", {name: known._replace(look=lambda _: 0.0) for name, known in AUDITS.items()})
    tl.lessons.case(12_345).audit("budgets")
    again = tl.lessons.case(12_345)
    assert again.coins == lab.N_COINS - 1
    mark = again.acquit()
    assert tl.lessons.case(12_345).acquit() is mark
    lab._open.cache_clear()


def test_half_of_the_cases_are_clean_and_each_student_has_others(monkeypatch):
    monkeypatch.setattr(lab, "_open", lambda *drawn: drawn)
    counts = collections.Counter(tl.lessons.case(number)[2] for number in range(600))
    assert 0.42 < counts.pop(None) / 600 < 0.58
    assert counts.keys() == FLAWS.keys() and min(counts.values()) > 5
    first = [lab.case(number)[1:] for number in range(5)]
    assert first == [lab.case(number)[1:] for number in range(5)]
    monkeypatch.setattr(lab, "enrol", lambda _: Enrolment("owl", "tlkit", 1, 4711, []))
    assert not set(first) & {lab.case(number)[1:] for number in range(5)}
