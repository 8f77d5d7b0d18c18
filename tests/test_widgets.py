"""Widgets without a browser: state, words, failures, threads. The browser's part is in tests/browser."""

import base64
import functools
import subprocess
import sys
from pathlib import Path

import pytest
import traitlets
from made_comparisons import make_comparison
from made_drawings import count_drawings
from made_pictures import write_classes
from made_threads import count_inside

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


def test_building_a_view_displays_nothing(comparison, pictures, capsys):
    ComparisonExplorer(comparison, pictures)
    Prediction("More or fewer?", ["more", "fewer"])
    assert capsys.readouterr() == ("", "")


def test_moving_a_control_changes_words_and_picture(explorer):
    words, picture = explorer.status.text, explorer._picture.value
    explorer._shots.value = 20
    assert explorer.shots == 20
    assert explorer.status.text.startswith("linear probe, 20 training pictures a class: accuracy")
    assert explorer.status.text != words
    assert explorer._picture.value != picture
    explorer._strategies.value = "random_features"
    assert explorer.strategy == "random_features"
    assert explorer.status.text.startswith("random features, 20")


def test_assigning_a_trait_moves_the_controls(explorer):
    with explorer.hold_trait_notifications():
        explorer.strategy, explorer.shots = "random_features", 1
    assert (explorer._strategies.value, explorer._shots.value) == ("random_features", 1)
    assert explorer.status.text.startswith("random features, 1 training picture a class")


def test_an_arm_that_was_not_compared_is_refused_and_nothing_moves(explorer, comparison, pictures):
    words = explorer.status.text
    with pytest.raises(traitlets.TraitError, match=r"shots: 7 was not compared .* there are 1, 5, 20"):
        explorer.shots = 7
    with pytest.raises(traitlets.TraitError, match="did you mean 'linear_probe'"):
        explorer.strategy = "linear_prob"
    assert (explorer.strategy, explorer.shots, explorer.status.text) == ("linear_probe", 5, words)
    with pytest.raises(ValueError, match="shots: 7 was not compared"):
        ComparisonExplorer(comparison, pictures, shots=7)


def test_pictures_that_were_not_compared_are_refused(comparison, pictures):
    with pytest.raises(ValueError, match=r"images: .*bird.* is not there"):
        ComparisonExplorer(comparison, pictures.select(classes="bug"))


def test_a_failure_in_a_callback_is_shown_and_kept(explorer, pictures):
    for picture in pictures.pictures:
        Path(picture.location).unlink()
    explorer._strategies.value = "random_features"
    assert isinstance(explorer.error, Exception)
    assert explorer.status.text.startswith(f"This could not be shown: {type(explorer.error).__name__}: ")
    assert "role='status'" in explorer.status.value


def test_a_failure_is_forgotten_once_something_can_be_shown(explorer, monkeypatch):
    render = explorer._page.render

    def fail(summary):
        raise RuntimeError("no <ink>")

    monkeypatch.setattr(explorer._page, "render", fail)
    explorer._shots.value = 20
    assert str(explorer.error) == "no <ink>"
    assert "no &lt;ink&gt;" in explorer.status.value
    monkeypatch.setattr(explorer._page, "render", render)
    explorer._shots.value = 5
    assert explorer.error is None
    assert explorer.status.text.startswith("linear probe, 5")


def test_two_threads_never_draw_at_once(explorer, monkeypatch):
    def move(*values):
        for shots in values * 4:
            explorer._shots.value = shots

    moves = [functools.partial(move, 1, 20), functools.partial(move, 5, 20)]
    counts = count_inside(monkeypatch, explorer._page, "render", moves)
    assert explorer.error is None
    assert max(counts) == 1
    assert f", {explorer.shots} training" in explorer.status.text


def test_a_change_makes_one_picture_on_the_figure_that_is_there(explorer, monkeypatch):
    counts = count_drawings(monkeypatch)
    explorer._shots.value = 20
    assert explorer.error is None
    assert counts == {"pictures": 1}


def test_a_picture_file_is_read_once_however_often_it_is_shown(comparison, pictures, monkeypatch):
    reads, read = [], type(pictures).read
    monkeypatch.setattr(type(pictures), "read", lambda images, index: reads.append(index) or read(images, index))
    explorer = ComparisonExplorer(comparison, pictures)
    for shots in (20, 1, 5, 20, 1):
        explorer.shots = shots
    assert explorer.error is None
    assert 0 < len(reads) == len(set(reads))


def test_readers_without_widgets_see_a_picture(explorer):
    bundle = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == "ComparisonExplorer(2 strategies × 3 shots, 30 pictures)"


def test_a_snapshot_of_another_arm_leaves_the_explorer_where_it_was(explorer):
    words, here = explorer.status.text, explorer.snapshot().data
    assert explorer.snapshot("random_features", 1).data != here
    assert explorer.snapshot().data == here
    assert (explorer.status.text, explorer.shots) == (words, 5)


def test_one_number_of_shots_needs_no_slider(pictures):
    explorer = ComparisonExplorer(make_comparison(pictures, shots=(5,)), pictures)
    explorer._strategies.value = "random_features"
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
    outcome = prediction.beside("grow")
    assert repr(outcome).split("\n") == ["You predicted: shrink", "Measured: grow", "It came out otherwise."]
    assert "You predicted: shrink" in prediction.status.text
    prediction.kept = "grow"
    assert repr(prediction.beside("grow")).endswith("The two agree.")


def test_no_prediction_is_said_honestly():
    outcome = Prediction("Grow or shrink?", ["grow", "shrink"]).beside("grow")
    assert repr(outcome).split("\n") == ["You predicted: no prediction yet", "Measured: grow"]


def test_a_prediction_after_the_result_is_marked():
    prediction = Prediction("Grow or shrink?", ["grow", "shrink"])
    prediction.beside("grow")
    prediction.kept = "grow"
    assert "made after the result was shown" in prediction.status.text
    assert prediction.beside("grow").late


def test_a_number_is_predicted_with_its_unit():
    prediction = Prediction("How many right?", range(0, 101, 10), unit="%")
    prediction._choices.value = 30
    prediction._keep.click()
    assert repr(prediction.beside(42.5)).split("\n") == [
        "You predicted: 30 %",
        "Measured: 42.5 %",
        "That is 12.5 % apart.",
    ]


def test_what_cannot_be_predicted_is_refused():
    with pytest.raises(ValueError, match=r"options: \['grow'\], expected two or more"):
        Prediction("Grow?", ["grow"])
    prediction = Prediction("Grow or shrink?", ["grow", "shrink"])
    with pytest.raises(ValueError, match="measured: 'grows', expected one of"):
        prediction.beside("grows")
    with pytest.raises(traitlets.TraitError, match="kept: 'both', expected one of"):
        prediction.kept = "both"


def test_widgets_alone_import_ipywidgets():
    code = "import sys, tlkit.plots, tlkit.lessons, tlkit.summaries.comparison; print('ipywidgets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
