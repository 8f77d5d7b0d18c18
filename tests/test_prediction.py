"""Predictions without a browser: chips, seals, words, and what `progress.json` brings back."""

import json

import pytest
import traitlets

from tlkit.lessons import progress
from tlkit.widgets import Prediction

KEPT_AT = "2026-11-29T16:02:11Z"


def make(options=("grow", "shrink"), **settings):
    return Prediction("gain", "Grow or shrink?", options, **settings)


def click(prediction, chips, **traits):
    """Set the traits that the browser sends when a prediction is kept."""
    prediction.set_state({"chips": chips, "reason": "a guess", "kept_at": KEPT_AT, **traits})


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return the path of the progress of a lesson that is open."""
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "01_why_transfer.ipynb"))
    monkeypatch.chdir(tmp_path)
    progress.find_file.cache_clear()
    yield tmp_path / "progress.json"
    progress.find_file.cache_clear()


def read_entry(path):
    return json.loads(path.read_text())["lessons"]["01"]["predictions"]["gain"]


def test_building_displays_nothing(capsys):
    make()
    assert capsys.readouterr() == ("", "")


def test_what_the_browser_keeps_stands_beside_the_result():
    prediction = make()
    assert repr(prediction) == "Prediction(grow | shrink; no prediction yet)"
    assert prediction.kept is None
    click(prediction, [3, 7])
    assert prediction.kept == {"grow": 3, "shrink": 7}
    assert repr(prediction) == "Prediction(grow | shrink; kept: grow (3), shrink (7))"
    outcome = prediction.compare("grow")
    assert repr(outcome).split("\n") == [
        "You predicted: grow (3), shrink (7)",
        "Measured: grow",
        "3 of 10 chips are on it.",
    ]
    assert (prediction.measured, prediction.measured_place) == ("grow", 0)


def test_chips_that_are_placed_but_not_kept_are_no_prediction():
    prediction = make()
    prediction.set_state({"chips": [10, 0]})
    assert prediction.kept is None
    assert repr(prediction.compare("grow")).split("\n") == ["You predicted: no prediction yet", "Measured: grow"]


@pytest.mark.parametrize(
    ("keep", "is_late"),
    [
        (lambda prediction: prediction.keep({"grow": 10}), True),  # a cell has shown the text
        (lambda prediction: click(prediction, [10, 0]), False),  # the browser had sealed it
        (lambda prediction: (prediction.set_state({"late": True}), click(prediction, [10, 0])), True),
    ],
)
def test_a_prediction_after_the_result_is_late_if_that_was_open(keep, is_late):
    prediction = make()
    prediction.compare("grow")
    keep(prediction)
    assert prediction.late is is_late
    assert ("made after the result was shown" in repr(prediction.compare("grow"))) is is_late


def test_a_number_counts_for_the_nearest_option():
    prediction = make(range(0, 101, 10), unit="%")
    assert repr(prediction).startswith("Prediction(0 % | 10 % | 20 %")
    prediction.keep({30: 4, 40: 6}, "a guess")
    assert repr(prediction.compare(42.5)).split("\n") == [
        "You predicted: 30 % (4), 40 % (6)",
        "Measured: 42.5 %",
        "6 of 10 chips are on 40 %, the nearest option.",
    ]
    assert repr(prediction.compare(30)).endswith("4 of 10 chips are on it.")


@pytest.mark.parametrize("options", [["grow"], ["grow", "grow"], range(13)])
def test_too_few_or_many_options_are_refused(options):
    with pytest.raises(ValueError, match=r"options: .*, expected from 2 to 12 different ones"):
        make(options)


@pytest.mark.parametrize("chips", [{"grow": 9}, {"grow": 11}, {"grow": 12, "shrink": -2}, {"grows": 10}])
def test_chips_that_are_no_prediction_are_refused(chips):
    prediction = make()
    with pytest.raises(ValueError, match="chips: "):
        prediction.keep(chips)
    assert prediction.kept is None


@pytest.mark.parametrize("chips", [[10], [6, 6], [-1, 5], ["a", 1]])
def test_chips_that_no_browser_sends_are_refused(chips):
    with pytest.raises(traitlets.TraitError):
        make().chips = chips


def test_a_result_that_is_no_option_is_refused():
    with pytest.raises(ValueError, match="measured: 'grows' is unknown; nearest: 'grow'"):
        make().compare("grows")
    with pytest.raises(TypeError, match="measured: '3', expected a number"):
        make(range(3)).compare("3")


def test_readers_without_widgets_get_a_form_and_a_folded_result():
    prediction = make(["<grow>", "shrink"])
    form, _ = prediction._repr_mimebundle_()
    assert form["text/html"] == "<p><b>Grow or shrink?</b></p><ul><li>&lt;grow&gt;</li><li>shrink</li></ul>"
    bundle, _ = prediction.compare("<grow>")._repr_mimebundle_()
    assert bundle["text/plain"] == "You predicted: no prediction yet\nMeasured: <grow>"
    assert bundle["text/html"].startswith("<details><summary>")
    view = "application/vnd.jupyter.widget-view+json"
    assert bundle[view] == form[view]  # one model, so that keeping it unseals the result without the kernel
    prediction.keep({"shrink": 10})
    assert "<li>shrink: 10</li>" in prediction._repr_mimebundle_()[0]["text/html"]
    assert "<details>" not in prediction.compare("shrink")._repr_mimebundle_()[0]["text/html"]


def test_nothing_is_written_before_a_prediction(path):
    make().compare("grow")
    assert not path.exists()


def test_a_prediction_is_written_and_comes_back(path):
    first = make()
    click(first, [3, 7])
    assert first.saved == KEPT_AT
    entry = {"chips": {"grow": 3, "shrink": 7}, "reason": "a guess", "kept_at": KEPT_AT, "late": False}
    assert read_entry(path) == entry
    first.compare("shrink")
    assert read_entry(path) == entry | {"measured": "shrink", "option": "shrink", "n_options": 2}
    again = make()
    assert again.kept == {"grow": 3, "shrink": 7}
    assert (again.reason, again.saved, again.measured, again.late) == ("a guess", KEPT_AT, "shrink", False)
    assert again.place == first.place
    assert make(["up", "down"]).kept is None  # another question by the same name


def test_a_result_that_was_opened_stays_open(path):
    first = make()
    first.compare("grow")
    first.set_state({"late": True})
    entry = {"chips": {}, "reason": "", "kept_at": None, "late": True}
    assert read_entry(path) == entry | {"measured": "grow", "option": "grow", "n_options": 2}
    assert first.saved == "opened"
    again = make()
    assert again.kept is None
    assert again.late
    again.keep({"grow": 10})
    assert read_entry(path)["late"]


@pytest.mark.parametrize("chips", ['{"grow": 9}', '{"grow": "ten"}', "3", '{"grow": 12, "shrink": -2}', "null"])
def test_an_entry_that_is_no_prediction_is_not_taken(path, chips):
    entry = f'{{"chips": {chips}, "kept_at": "{KEPT_AT}"}}'
    path.write_text(f'{{"lessons": {{"01": {{"predictions": {{"gain": {entry}}}}}}}}}')
    assert make().kept is None


def test_a_file_that_cannot_be_written_is_reported(path):
    path.write_text("mine")
    prediction = make()
    click(prediction, [10, 0])
    assert "isn't a list of progress that tlkit wrote" in prediction.problem
    assert prediction.saved == ""  # so the browser goes on keeping it
    assert path.read_text() == "mine"
