"""The sabotage lab: each flaw is found by its audit, clean cases pass all, and a case marks itself without a leak."""

import collections
import inspect

import numpy as np
import pytest

import tlkit as tl
from tlkit.lessons import sabotage as lab
from tlkit.lessons.audits import AUDITS, OTHER_SEEDS, measure_effect, specimens
from tlkit.lessons.enrolment import Enrolment

FLAWS = specimens.FLAWS


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
    assert not mark.right and case.coins == mark.points == lab.N_COINS - 1 - lab.N_FALSE
    case.coins = 3
    with pytest.raises(ValueError, match="costs 4 coins, but you have 3"):
        case.audit("seeds")
    with pytest.raises(ValueError, match="the lower one first"):
        case.accuse("label_shift", effect=(0.1, 0))
    assert case.acquit().points == 3 + lab.N_FLAW + lab.N_EFFECT
    with pytest.raises(ValueError, match=r"closed .* tl.lessons.case\(8\)"):
        case.accuse("label_shift", effect=(0, 0.1))


@pytest.mark.slow
def test_a_wide_interval_and_a_wrong_acquittal_earn_nothing():
    case = lab.Case(0, 1, "swapped_metric")
    mark = case.accuse("swapped_metric", effect=(-1, 1))
    assert mark.right and not mark.covered and mark.points == lab.N_COINS + lab.N_FLAW
    mark = lab.Case(0, 1, "swapped_metric").acquit()
    assert not mark.right and mark.points == lab.N_COINS and "swapped_metric" in mark.sentence


def test_half_of_the_cases_are_clean_and_each_student_has_others(monkeypatch):
    monkeypatch.setattr(lab, "Case", lambda *drawn: drawn)
    counts = collections.Counter(tl.lessons.case(number)[2] for number in range(600))
    assert 0.42 < counts.pop(None) / 600 < 0.58
    assert counts.keys() == FLAWS.keys() and min(counts.values()) > 5
    first = [lab.case(number)[1:] for number in range(5)]
    assert first == [lab.case(number)[1:] for number in range(5)]
    monkeypatch.setattr(lab, "enrol", lambda _: Enrolment("owl", "tlkit", 1, 4711, []))
    assert not set(first) & {lab.case(number)[1:] for number in range(5)}
