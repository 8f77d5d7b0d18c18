"""Widgets without a browser: state, words, failures, threads. The browser's part is in tests/browser."""

import subprocess
import sys
from pathlib import Path

import pytest
from made_comparisons import make_comparison
from made_pictures import write_classes

import tlkit as tl
from tlkit.widgets import ComparisonExplorer


@pytest.fixture
def pictures(tmp_path):
    return tl.load_images(write_classes(tmp_path / "pictures", {"bird": 10, "bug": 10, "fruit": 10}))


@pytest.fixture
def comparison(pictures):
    return make_comparison(pictures)


@pytest.fixture
def explorer(comparison, pictures):
    return ComparisonExplorer(comparison, pictures)


def test_pictures_that_were_not_compared_are_refused(comparison, pictures):
    with pytest.raises(ValueError, match=r"images: .*bird.* is not there"):
        ComparisonExplorer(comparison, pictures.select(classes="bug"))


def test_a_failure_in_a_callback_is_shown_and_kept(explorer, pictures):
    for picture in pictures.pictures:
        Path(picture.location).unlink()
    explorer.strategy = "random_features"
    assert isinstance(explorer.error, Exception)
    assert explorer.status.startswith(f"This could not be shown: {type(explorer.error).__name__}: ")


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
    explorer.strategy = "random_features"
    assert explorer.error is None
    assert explorer.status.startswith("random features, 5")


def test_widgets_alone_import_ipywidgets():
    code = "import sys, tlkit.plots, tlkit.lessons, tlkit.summaries.comparison; print('ipywidgets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
