"""The ledger of the lessons' claims: each sentence holds, over choices that could have been others."""

import math
import re

import pandas as pd
import pytest
from made_ledger import SOURCE, make_ledger

from tlkit.claims.ledger import find_claims, find_different, load_measurements
from tlkit.claims.replicate import measure, replicate
from tlkit.training.run_files import name_processor

LOWEST_RATE = 0.8
FEWEST_CHOICES = 3
LONGEST_S = 6 * 60 * 2  # of all replications, in processes that share two cores
QUICK_S = 5
# Training and bfloat16 differ between processors: a replication moves by as much as this.
SAME_PROCESSOR, OTHER_PROCESSOR = 0.005, 0.05

COSTS = re.compile("time|memory|second", re.IGNORECASE)  # effects that another program on the machine can change

claims = {claim.name: claim for claim in find_claims()}
measurements = {f"{next(iter(one.claims))}, …": one for one in load_measurements()}


def seems_ignored(claim, choice):
    """Return whether all pairs of replications that differ in one choice alone have the same effect, two or more."""
    others = [name for name in claim.choices if name != choice]
    sizes = claim.replications.groupby(others)["effect"].agg(["size", "nunique"])
    repeated = sizes[sizes["size"] > 1]
    return len(repeated) > 1 and (repeated["nunique"] == 1).all()


def find_faults(claim, one):
    """Return why a claim isn't fit for a lesson (list of str)."""
    table = claim.replications
    wanted = [[str(value) for value in row.values()] for row in find_different(one.replications, claim.choices)]
    faults = []
    if table[list(claim.choices)].astype(str).to_numpy().tolist() != wanted:
        faults.append("its table has other replications than its choices")
    if len([levels for levels in claim.choices.values() if len(levels) > 1]) < FEWEST_CHOICES:
        faults.append(f"fewer than {FEWEST_CHOICES} choices")
    if table["holds"].tolist() != [claim.holds(row.low, row.high) for row in table.itertuples()]:
        faults.append("its table holds verdicts that its intervals don't have")
    if not (table["effect"].between(table["low"], table["high"])).all():
        faults.append("an effect lies outside of its interval")
    if table["effect"].nunique() > 2:  # an effect such as "all of them" is the same by itself
        faults += [f"its effect seems to ignore {name}" for name in claim.choices if seems_ignored(claim, name)]
    if not claim.rate >= LOWEST_RATE:
        faults.append(f"it holds in {claim.n_holding} of {len(table)} replications")
    if not table["duration_s"].sum() <= LONGEST_S:
        faults.append(f"its replications take {table['duration_s'].sum():.0f} s")
    return faults


@pytest.mark.parametrize("name", claims)
def test_a_claim_holds_in_its_replications(name):
    (one,) = [one for one in measurements.values() if name in one.claims]
    assert find_faults(claims[name], one) == []


def test_a_choice_that_does_not_enter_is_found(tmp_path, monkeypatch):
    make_ledger(tmp_path, monkeypatch)
    replicate(progress=False)
    (one,) = load_measurements()
    assert find_faults(one.claims["grows"], one) == ["its effect seems to ignore size"]
    assert find_faults(one.claims["is_small"], one) == [
        "its effect seems to ignore size",
        "its effect seems to ignore domain",
    ]


def test_a_planted_false_sentence_is_found(tmp_path, monkeypatch):
    make_ledger(tmp_path, monkeypatch, SOURCE.replace('"helps"', '"harms"'))
    replicate(progress=False)
    (one,) = load_measurements()
    assert find_faults(one.claims["grows"], one) == [
        "its effect seems to ignore size",
        "it holds in 2 of 12 replications",
    ]
    table = pd.read_csv(tmp_path / "grows.csv").assign(holds=True)
    table.drop(index=3).to_csv(tmp_path / "grows.csv", index=False)
    one.claims["grows"].__dict__.pop("replications")
    assert find_faults(one.claims["grows"], one) == [
        "its table has other replications than its choices",
        "its table holds verdicts that its intervals don't have",
        "its effect seems to ignore size",
    ]


def test_there_are_claims_for_every_lesson():
    lessons = {claim.lesson for claim in claims.values()}
    notebooks = {path.name[:2] for path in (find_claims()[0].path.parent.parent / "notebooks").glob("*.ipynb")}
    assert lessons == notebooks - {"00"}
    assert len(claims) >= 60


def test_every_table_belongs_to_a_claim():
    tables = {path.stem for claim in claims.values() for path in claim.path.parent.glob("*.csv")}
    assert tables == set(claims)


def find_row(claim, choices):
    """Return the row of a claim's table for some choices (dict), empty if it has none."""
    levels = {name: str(choices[name]) for name in claim.choices}
    table = claim.replications
    return next(iter(table[(table[list(levels)].astype(str) == levels).all(axis=1)].to_dict("records")), {})


def list_quickest():
    """Return, for each measurement, its quickest replication, as a parameter of a test."""
    for name, one in measurements.items():
        durations = [
            max(find_row(claim, choices).get("duration_s", math.inf) for claim in one.claims.values())
            for choices in one.replications
        ]
        place = durations.index(min(durations))
        is_quick = durations[place] < QUICK_S
        yield pytest.param(name, place, marks=[] if is_quick else pytest.mark.exhaustive, id=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # small classes and few pictures are part of some choices
@pytest.mark.parametrize(("name", "place"), list(list_quickest()))
def test_a_replication_is_found_again(name, place):
    one = measurements[name]
    effects, _ = measure(one, one.replications[place])
    for claim in one.claims.values():
        effect, low, high = effects[claim.name]
        row = find_row(claim, one.replications[place])
        assert claim.holds(low, high) == row["holds"], claim.name
        if COSTS.search(claim.effect):
            continue
        tolerance = SAME_PROCESSOR if row["processor"] == name_processor() else OTHER_PROCESSOR
        assert math.isclose(effect, row["effect"], rel_tol=tolerance, abs_tol=tolerance), claim.name
