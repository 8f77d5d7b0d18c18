"""Scores of kept predictions against a slow computation with all options."""

import json
import math
import random

import pytest

import tlkit as tl
from tlkit.evaluation import measure_brier
from tlkit.lessons import progress
from tlkit.widgets import Prediction


@pytest.fixture
def open_lesson(tmp_path, monkeypatch):
    """Return a function that opens a lesson; all lessons share a folder."""

    def open_notebook(name):
        monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / name))
        monkeypatch.chdir(tmp_path)
        progress.find_file.cache_clear()

    yield open_notebook
    progress.find_file.cache_clear()


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_all_options(open_lesson, seed):
    generator, slow = random.Random(seed), []
    for lesson in ("02_choose.ipynb", "05_fine_tune.ipynb"):
        open_lesson(lesson)
        for number in range(generator.randint(1, 4)):
            options = generator.choice([["helps", "harms", "can't tell"], [1.0, 2.0, 5.0, 9.0], ["a", "b"]])
            prediction = Prediction(f"made_{number}", "Which one?", options, unit="px" if 1.0 in options else "")
            chips = [0] * len(options)
            for _ in range(10):
                chips[generator.randrange(len(options))] += 1
            measured, late = generator.randrange(len(options)), generator.random() < 0.3
            result = options[measured] + 0.1 if 1.0 in options else options[measured]
            if late:
                prediction.compare(result)
            prediction.keep(dict(zip(options, chips, strict=True)))
            prediction.compare(result)
            brier = measure_brier([[count / 10 for count in chips]], [measured])
            even = measure_brier([[1 / len(options)] * len(options)], [measured])
            slow.append((lesson[:2], f"made_{number}", chips[measured], brier, even, late))
    scores = tl.lessons.score_predictions()
    rows = list(scores.table.itertuples(index=False, name=None))
    assert len(rows) == len(slow)
    for row, expected in zip(rows, slow, strict=True):
        assert row[:3] == expected[:3] and row[5] == expected[5]
        assert row[3:5] == pytest.approx(expected[3:5])
    counted = [row for row in slow if not row[5]]
    if counted:
        assert scores.mean_brier == pytest.approx(sum(row[3] for row in counted) / len(counted))
        assert scores.mean_uniform == pytest.approx(sum(row[4] for row in counted) / len(counted))
        assert f"over {len(counted)} predictions is {scores.mean_brier:.2f}" in repr(scores)
    assert (f"{len(slow) - len(counted)} of {len(slow)} came after the result" in repr(scores)) == (
        0 < len(counted) < len(slow)
    )


@pytest.mark.parametrize(("chips", "brier"), [({"a": 10}, 0.0), ({"b": 10}, 2.0), ({"a": 5, "b": 5}, 0.5)])
def test_the_best_the_worst_and_the_even_guess(open_lesson, chips, brier):
    open_lesson("05_fine_tune.ipynb")
    prediction = Prediction("made", "Which one?", ["a", "b"])
    prediction.keep(chips)
    prediction.compare("a")
    scores = tl.lessons.score_predictions()
    assert (scores.mean_brier, scores.mean_uniform) == (brier, 0.5)


def test_predictions_without_a_result_or_opened_without_chips_are_left_out(open_lesson):
    open_lesson("05_fine_tune.ipynb")
    Prediction("kept", "Which one?", ["a", "b"]).keep({"a": 10})
    opened = Prediction("opened", "Which one?", ["a", "b"])
    opened.compare("a")
    opened.set_state({"late": True})
    assert tl.lessons.score_predictions().table.empty


def test_without_progress_there_is_an_empty_table_and_a_sentence(open_lesson):
    open_lesson("05_fine_tune.ipynb")
    scores = tl.lessons.score_predictions()
    assert list(scores.table) == ["lesson", "prediction", "chips", "brier", "uniform", "late"]
    assert scores.table.empty and math.isnan(scores.mean_brier)
    assert repr(scores) == (
        "No prediction counts yet. Keep one in a lesson before you see its result, then run this cell again."
    )


def test_an_older_file_has_no_even_guess(open_lesson, tmp_path):
    open_lesson("05_fine_tune.ipynb")
    entry = {"chips": {"a": 3, "b": 7}, "measured": "b", "late": False}
    (tmp_path / "progress.json").write_text(json.dumps({"lessons": {"01": {"predictions": {"made": entry}}}}))
    scores = tl.lessons.score_predictions()
    assert scores.mean_brier == pytest.approx(0.18) and math.isnan(scores.mean_uniform)


def test_a_file_of_others_is_refused(open_lesson, tmp_path):
    open_lesson("05_fine_tune.ipynb")
    (tmp_path / "progress.json").write_text('{"tasks": 3}')
    with pytest.raises(ValueError, match=r"progress\.json isn't a list of progress"):
        tl.lessons.score_predictions()
