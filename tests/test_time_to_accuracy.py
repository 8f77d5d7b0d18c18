"""The table of benchmarks/time_to_accuracy.py: missing cells, rows that are kept, and their summary."""

import importlib
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("time_to_accuracy")


def make_row(arm, fold, accuracy=0.5, processor_s=10.0, n_threads=1):
    row = {"arm": arm, "fold": fold, "accuracy": accuracy, "n_test": 100, "n_train": 400, "duration_s": 2 * processor_s}
    row |= {"processor_s": processor_s, "peak_mb": 900, "n_threads": n_threads, "order": 0}
    return {name: str(value) for name, value in (row | {"versions": "a=1 b=2", "processor": "made"}).items()}


def test_missing_cells_take_turns_within_a_fold_and_threads_are_kept_apart(script):
    rows = [make_row("probe", 0), make_row("plain", 1, n_threads=2)]
    missing = script.list_missing(rows, ["probe", "plain"], [0, 1], 1)
    assert missing == [("plain", 0), ("probe", 1), ("plain", 1)]
    assert script.list_missing(rows, ["plain"], [1], 2) == []


def test_a_stopped_table_keeps_its_rows_and_continues(script, monkeypatch, tmp_path):
    arguments = type("Arguments", (), {"threads": 1, "limit_s": None, "rows": tmp_path / "rows.csv"})()
    monkeypatch.setattr(script, "use_cores", lambda n_cores: None)
    monkeypatch.setattr(script, "write_files", lambda folder, fold: (folder / "train", folder / "test"))
    calls = []

    def run_cell(arm, fold, folders, scratch, n_threads):
        calls.append((arm, fold))
        if calls.count(("plain", 0)) == 1 and calls[-1] == ("plain", 0):
            raise KeyboardInterrupt
        row = make_row(arm, fold)
        return {
            name: float(row[name]) if name in ("accuracy", "duration_s", "processor_s") else row[name] for name in row
        }

    monkeypatch.setattr(script, "run_cell", run_cell)

    def list_cells():
        return script.list_missing(script.read_rows(arguments.rows), ["probe", "plain"], [0, 1], 1)

    with pytest.raises(KeyboardInterrupt):
        script.make_cells(list_cells(), arguments)
    assert [(row["arm"], row["fold"]) for row in script.read_rows(arguments.rows)] == [("probe", "0")]
    script.make_cells(list_cells(), arguments)
    rows = script.read_rows(arguments.rows)
    assert calls == [("probe", 0), ("plain", 0), ("plain", 0), ("probe", 1), ("plain", 1)]
    assert [row["order"] for row in rows] == ["0", "1", "2", "3"]
    assert list_cells() == []
    arguments.limit_s = -1.0
    script.make_cells([("timm", 0)], arguments)
    assert script.read_rows(arguments.rows) == rows


def test_the_summary_pairs_by_fold(script):
    scores = {"train": [0.8, 0.7, 0.75], "plain": [0.7, 0.72], "fastai_224": [0.6]}
    times_s = {"train": [10, 20, 15], "plain": [80, 90], "fastai_224": [400]}
    rows = [
        make_row(arm, fold, scores[arm][fold], times_s[arm][fold]) for arm in scores for fold in range(len(scores[arm]))
    ]
    rows += [make_row("plain", 2, 0.1, 1.0, n_threads=2)]
    table = script.summarise(rows, 1).set_index("arm")
    assert list(table.index) == ["train", "plain", "fastai_224"]
    assert list(table["n_folds"]) == [3, 2, 1]
    ends = stats.t.interval(0.95, 2, np.mean(scores["train"]), stats.sem(scores["train"]))
    assert np.allclose([*table.loc["train", ["accuracy_low", "accuracy_high"]]], ends)
    logarithms = np.log(times_s["train"])
    ends = stats.t.interval(0.95, 2, np.mean(logarithms), stats.sem(logarithms))
    assert np.allclose([*table.loc["train", ["processor_s_low", "processor_s_high"]]], np.exp(ends))
    assert table.loc["plain", "accuracy"] == pytest.approx(0.71)
    assert table.loc["plain", "duration_s"] == pytest.approx(2 * math.sqrt(80 * 90))
    assert math.isnan(table.loc["plain", "accuracy_low"])  # two folds are too few
    assert table.loc["plain", "gain"] == pytest.approx((0.1 - 0.02) / 2)
    assert table.loc["plain", "ratio"] == pytest.approx(math.sqrt(80 / 10 * 90 / 20))
    assert table.loc["fastai_224", "ratio"] == pytest.approx(40)


def test_the_table_and_the_figure_name_every_arm(script, tmp_path):
    rows = [make_row(arm, fold, 0.7 + fold / 50, 9.0 + fold) for arm in script.ARMS for fold in range(2)]
    summary = script.summarise(rows, 1)
    report = script.write_report(rows, summary, 1)
    script.draw(summary, tmp_path / "figure.svg")
    drawn = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    for arm in script.ARMS.values():
        assert f"| {arm.words} | 2 | 0.710 | " in report
        assert f"{arm.words} (2)" in drawn.replace("&apos;", "'")
    assert script.tabulate(script.summarise([], 1))[2:] == []


def test_an_arm_without_its_library_is_left_out_in_one_line(script, monkeypatch, capsys):
    monkeypatch.setattr(script.importlib.util, "find_spec", lambda name: None if name == "lightning" else "found")
    assert script.leave_out(["plain", "lightning", "probe"]) == ["plain", "probe"]
    assert capsys.readouterr().out.splitlines() == [
        'lightning is left out: lightning is not installed (pip install -e ".[bench]")'
    ]
