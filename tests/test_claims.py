"""Claims: what holds, which replications are drawn, and tables that are kept and completed."""

import collections
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from made_ledger import SOURCE, make_ledger
from scipy import stats

import tlkit as tl
from tlkit.claims.claim import summarise_effect
from tlkit.claims.ledger import _draw_replications, find_different, load_measurements
from tlkit.claims.replicate import replicate


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    return make_ledger(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("expected", "low", "high", "holds"),
    [
        ("helps", 0.01, 0.2, True),
        ("helps", -0.01, 0.2, False),
        ("harms", -0.2, -0.01, True),
        ("harms", -0.2, 0.01, False),
        ("no difference that matters", -0.01, 0.02, True),
        ("no difference that matters", -0.03, 0.01, False),
        ("can't tell", -0.03, 0.01, True),
        ("can't tell", 0.01, 0.03, False),
        ((0.5, None), 0.5, 3, True),
        ((0.5, None), 0.4, 3, False),
        ((None, 0.5), 0.5, 0.5, True),
        ((0.1, 0.5), 0.2, 0.6, False),
        ((None, None), np.nan, np.nan, False),
        ("helps", np.nan, np.nan, False),
    ],
)
def test_a_claim_holds_if_the_whole_interval_is_as_expected(expected, low, high, holds):
    assert tl.claims.Claim("…", expected).holds(low, high) is holds


@pytest.mark.parametrize("expected", ["better", (0.5,), 0.5, None])
def test_an_expected_result_is_a_verdict_or_two_bounds(expected):
    with pytest.raises(ValueError, match="expected: "):
        tl.claims.Claim("…", expected)


def test_the_effect_of_paired_differences_is_their_mean_with_students_interval():
    differences = np.array([0.1, 0.2, 0.15, -0.02])
    effect, low, high = summarise_effect("gain", differences)
    interval = stats.t.interval(0.95, 3, loc=differences.mean(), scale=stats.sem(differences))
    assert (effect, low, high) == pytest.approx((differences.mean(), *interval))
    assert summarise_effect("gain", 0.5) == (0.5, 0.5, 0.5)
    assert summarise_effect("gain", (0.5, 0.1, 0.7)) == (0.5, 0.1, 0.7)


@pytest.mark.parametrize("result", [np.array([0.1]), np.zeros((2, 2)), [], None, "0.1"])
def test_a_result_without_an_interval_is_refused(result):
    with pytest.raises((ValueError, TypeError)):
        summarise_effect("gain", result)


def test_replications_are_all_combinations_or_a_balanced_draw():
    levels = {"seed": [0, 5], "size": [64, 96, 128], "domain": ["a", "b"]}
    assert len(_draw_replications(levels, 12, [])) == 12
    drawn = _draw_replications(levels | {"shots": [1, 2, 5, 10]}, 12, [])
    assert len({tuple(row.values()) for row in drawn}) == 12
    for name, n_each in {"seed": 6, "size": 4, "domain": 6, "shots": 3}.items():
        assert set(collections.Counter(row[name] for row in drawn).values()) == {n_each}
    assert drawn == _draw_replications(levels | {"shots": [1, 2, 5, 10]}, 12, [])


def test_a_draw_has_ten_different_combinations_of_the_choices_that_enter_a_claim():
    levels = {"seed": [0, 5], "size": [64, 96, 128], "domain": ["a", "b"], "shots": [1, 2, 5, 10]}
    entering = ["size", "shots"]
    assert len(find_different(_draw_replications(levels, 12, []), entering)) < 10
    drawn = _draw_replications(levels, 12, [entering])
    assert len(find_different(drawn, entering)) >= 10
    assert set(collections.Counter(row["seed"] for row in drawn).values()) == {6}


def test_fewer_than_ten_replications_are_refused():
    claim = tl.claims.Claim("…", "helps")
    with pytest.raises(ValueError, match="choices: 4 combinations for grows, expected at least 10"):
        tl.claims.measurement({"seed": [0, 1], "size": [64, 96]}, grows=claim)
    ignores = tl.claims.Claim("…", "helps", ignores=["size"])
    with pytest.raises(ValueError, match="choices: 9 combinations for grows, expected at least 10"):
        tl.claims.measurement({"seed": range(9), "size": [64, 96]}, grows=ignores)
    with pytest.raises(ValueError, match="grows: ignores: 'size' is unknown"):
        tl.claims.measurement({"seed": range(10)}, grows=ignores)
    with pytest.raises(ValueError, match="n_replications: 9, expected"):
        tl.claims.measurement({"seed": range(20)}, 9)


@pytest.mark.parametrize("levels", [[2.5, 3, 4], [1, True], ["a", "a"], [None, "a"], [1.0, 2.0]])
def test_levels_that_a_table_would_mix_up_are_refused(levels):
    with pytest.raises(ValueError, match=r"the levels of size are .*, expected different ones of one type"):
        tl.claims.measurement({"seed": range(10), "size": levels})


def test_replications_are_written_and_counted(ledger):
    assert repr(tl.claims.get("grows")) == "It grows. (not replicated yet)"
    shown = replicate(progress=False)
    assert repr(shown) == (
        "It grows. (holds in 10 of 12 replications)\nIt stays below 4. (holds in 12 of 12 replications)"
    )
    written = pd.read_csv(ledger / "grows.csv")
    assert list(written) == [
        *("seed", "size", "domain", "effect", "low", "high", "holds", "processor", "version", "duration_s")
    ]
    assert written["holds"].tolist() == (written["low"] > 0).tolist()
    table = tl.claims.table().set_index("name")
    assert table.loc["grows", "rate"] == pytest.approx(10 / 12)
    assert table.loc["is_small", ["lesson", "n_holding", "n_replications"]].tolist() == ["01", 12, 12]
    assert repr(tl.claims.show("01")) == repr(shown)
    page = shown._repr_html_()
    assert all(f"<details><summary>{claim!r}</summary><img alt=" in page for claim in shown)
    assert page.count("replications)</summary><img alt=") == page.count("<img alt=") == 2
    assert page == tl.claims.show("01")._repr_html_()


def test_only_missing_replications_are_run_and_in_the_order_of_the_choices(ledger):
    replicate("grows", progress=False)
    whole = (ledger / "grows.csv").read_text()
    table = pd.read_csv(ledger / "grows.csv").assign(processor="another")
    (ledger / "grows.csv").write_text(table.drop(index=[0, 5]).to_csv(index=False))
    (ledger / "is_small.csv").unlink()
    for claim in tl.claims.show():
        claim.__dict__.pop("replications", None)  # as in a new process
    replicate("is_small", progress=False)
    assert len(pd.read_csv(ledger / "is_small.csv")) == 12
    completed = pd.read_csv(ledger / "grows.csv")
    assert completed["seed"].tolist() == table["seed"].tolist()
    replicate("grows", again=True, progress=False)
    assert (ledger / "grows.csv").read_text() == whole


def test_replications_that_differ_in_what_a_claim_ignores_are_one(tmp_path, monkeypatch):
    source = SOURCE.replace("[0, 1, 2]", "[0, 1, 2, 3, 4]").replace('"a number")', '"a number", ignores=["size"])')
    make_ledger(tmp_path, monkeypatch, source.replace("},\n    grows", "},\n    20,\n    grows"))
    assert repr(replicate(progress=False)) == (
        "It grows. (holds in 18 of 20 replications)\nIt stays below 4. (holds in 10 of 10 replications)"
    )
    claim, table = tl.claims.get("is_small"), pd.read_csv(tmp_path / "is_small.csv")
    assert list(claim.choices) == list(table)[:2] == ["seed", "domain"]
    assert table[["seed", "domain"]].drop_duplicates().shape == (10, 2)
    table.drop(index=[3]).to_csv(tmp_path / "is_small.csv", index=False)
    claim.__dict__.pop("replications")
    replicate(progress=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "is_small.csv").iloc[:, :6], table.iloc[:, :6])


def test_levels_with_a_point_are_found_in_tables_that_have_none(tmp_path, monkeypatch):
    source = SOURCE.replace('"size": [64, 96]', '"size": [3.0, 2.5]').replace("[0, 1, 2]", "[0, 1, 2, 3, 4]")
    make_ledger(tmp_path, monkeypatch, source.replace('"photo", "sketch"]}', '"photo"]}'))
    replicate(progress=False)
    table = pd.read_csv(tmp_path / "grows.csv")
    assert len(table) == 10
    table[table["size"] == 3.0].to_csv(tmp_path / "grows.csv", index=False, float_format="%.6g")
    tl.claims.get("grows").__dict__.pop("replications", None)
    replicate(progress=False)
    assert pd.read_csv(tmp_path / "grows.csv")["size"].tolist() == table["size"].tolist()


def test_the_bar_names_the_choices_alone(ledger, capsys):
    replicate(progress=True)
    bar = capsys.readouterr().err
    assert re.search(r"12/12 \[.*, seed \d+, size \d+, domain \w+\]", bar) and "Replication(" not in bar


def test_ctrl_c_keeps_what_is_finished(ledger, monkeypatch):
    (one,) = load_measurements()
    calls = []

    def stop_at_third(**choices):
        calls.append(choices)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return one_function(**choices)

    one_function = one.function
    patched = one._replace(function=stop_at_third)
    monkeypatch.setattr("tlkit.claims.replicate.load_measurements", lambda: (patched,))
    with pytest.warns(UserWarning, match="interrupted"):
        replicate(progress=False)
    assert len(pd.read_csv(ledger / "grows.csv")) == 2
    replicate(progress=False)
    assert len(calls) == 3 + 10
    assert len(pd.read_csv(ledger / "grows.csv")) == 12


def test_a_measurement_that_forgets_a_claim_is_named(tmp_path, monkeypatch):
    make_ledger(tmp_path, monkeypatch, SOURCE.replace(', "is_small": float(seed)', ""))
    with pytest.raises(ValueError, match=r"measure_growth: it returned \['grows'\], expected .*'is_small'"):
        replicate(progress=False)


def test_names_of_claims_and_lessons_are_suggested(ledger):
    with pytest.raises(ValueError, match="'growth' is unknown; nearest: 'grows'"):
        tl.claims.get("growth")
    with pytest.raises(ValueError, match="names: '02' is unknown"):
        tl.claims.show("02")


@pytest.mark.slow
def test_the_command_lists_and_replicates(ledger, tmp_path):
    code = (
        "import pathlib, sys; from tlkit.claims import ledger; "
        f"ledger.find_folder = lambda: pathlib.Path({str(tmp_path)!r}); from tlkit.cli import main; main()"
    )

    def run(*arguments):
        done = subprocess.run([sys.executable, "-c", code, "claims", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "It grows. (holds in 10 of 12 replications)" in run("run", "grows", "--workers", "2")
    assert re.search(r"01\s+grows\s+10 of 12", run("list"))
    assert "is_small" not in run("list", "grows")
