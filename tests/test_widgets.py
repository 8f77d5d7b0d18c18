"""Widgets without a browser: state, words, failures, threads. The browser's part is in tests/browser."""

import subprocess
import sys
from pathlib import Path

import pytest
import traitlets
from made_comparisons import make_comparison
from made_pictures import write_classes

import tlkit as tl
from tlkit.widgets import ComparisonExplorer, Prediction


@pytest.fixture
def pictures(tmp_path):
    return tl.load_images(write_classes(tmp_path / "pictures", {"bird": 10, "bug": 10, "fruit": 10}))


@pytest.fixture
def comparison(pictures):
    return make_comparison(pictures)


@pytest.fixture
def explorer(comparison, pictures):
    return ComparisonExplorer(comparison, pictures)


def test_building_a_prediction_displays_nothing(capsys):
    Prediction("More or fewer?", ["more", "fewer"])
    assert capsys.readouterr() == ("", "")


def test_pictures_that_were_not_compared_are_refused(comparison, pictures):
    with pytest.raises(ValueError, match=r"images: .*bird.* is not there"):
        ComparisonExplorer(comparison, pictures.select(classes="bug"))


def test_a_failure_in_a_callback_is_shown_and_kept(explorer, pictures):
    for picture in pictures.pictures:
        Path(picture.location).unlink()
    explorer._controls["strategy"].value = "random_features"
    assert isinstance(explorer.error, Exception)
    assert explorer.status.text.startswith(f"This could not be shown: {type(explorer.error).__name__}: ")
    assert "role='status'" in explorer.status.value


def test_a_picture_file_is_read_once_however_often_it_is_shown(comparison, pictures, monkeypatch):
    reads, read = [], type(pictures).read
    monkeypatch.setattr(type(pictures), "read", lambda images, index: reads.append(index) or read(images, index))
    explorer = ComparisonExplorer(comparison, pictures)
    for shots in (20, 1, 5, 20, 1):
        explorer.shots = shots
    assert explorer.error is None
    assert 0 < len(reads) == len(set(reads))


def test_one_number_of_shots_needs_no_slider(pictures):
    explorer = ComparisonExplorer(make_comparison(pictures, shots=(5,)), pictures)
    explorer._controls["strategy"].value = "random_features"
    assert explorer.error is None
    assert explorer.status.text.startswith("random features, 5")


def test_a_prediction_is_kept_when_the_button_is_clicked():
    prediction = Prediction("Grow or shrink?", ["grow", "shrink"])
    assert prediction.kept is None
    assert prediction._keep.disabled
    prediction._choices.value = "shrink"
    assert prediction.kept is None
    prediction._keep.click()
    assert prediction.kept == "shrink"
    assert "Your prediction: shrink" in prediction.status.text
    assert repr(prediction) == "Prediction(grow | shrink; kept: shrink)"


def test_a_prediction_stands_beside_the_result():
    prediction = Prediction("Grow or shrink?", ["grow", "shrink"])
    prediction.kept = "shrink"
    outcome = prediction.compare("grow")
    assert repr(outcome).split("\n") == ["You predicted: shrink", "Measured: grow", "The result is different."]
    assert "You predicted: shrink" in prediction.status.text
    prediction.kept = "grow"
    assert repr(prediction.compare("grow")).endswith("The two agree.")


def test_no_prediction_is_said_honestly():
    outcome = Prediction("Grow or shrink?", ["grow", "shrink"]).compare("grow")
    assert repr(outcome).split("\n") == ["You predicted: no prediction yet", "Measured: grow"]


def test_a_prediction_after_the_result_is_marked():
    prediction = Prediction("Grow or shrink?", ["grow", "shrink"])
    prediction.compare("grow")
    prediction.kept = "grow"
    assert "made after the result was shown" in prediction.status.text
    assert prediction.compare("grow").late


def test_a_number_is_predicted_with_its_unit():
    prediction = Prediction("How many right?", range(0, 101, 10), unit="%")
    prediction._choices.value = 30
    prediction._keep.click()
    assert repr(prediction.compare(42.5)).split("\n") == [
        "You predicted: 30 %",
        "Measured: 42.5 %",
        "They differ by 12.5 %.",
    ]


def test_what_cannot_be_predicted_is_refused():
    with pytest.raises(ValueError, match=r"options: \['grow'\], expected two or more different ones"):
        Prediction("Grow?", ["grow"])
    prediction = Prediction("Grow or shrink?", ["grow", "shrink"])
    with pytest.raises(ValueError, match="measured: 'grows', expected one of"):
        prediction.compare("grows")
    with pytest.raises(traitlets.TraitError, match="kept: 'both', expected one of"):
        prediction.kept = "both"


def test_widgets_alone_import_ipywidgets():
    code = "import sys, tlkit.plots, tlkit.lessons, tlkit.summaries.comparison; print('ipywidgets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
