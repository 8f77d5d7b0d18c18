"""Exports: compared with the run before anything is written, whole or not at all, and never over other files."""

import hashlib
import json
import os
import sys
import types

import numpy as np
import pandas as pd
import pytest
from made_command import call_command
from made_networks import make_tiny_backbone
from made_pictures import list_files, write_classes
from PIL import Image

import tlkit as tl
from tlkit.export import export as export_module
from tlkit.export.export import N_CHECKED, choose_pictures, compare

# Of a tuned network, no faster form is made for predictions, which would take seconds.
TUNED = tl.Strategy([tl.Phase(["all"], 1, 1e-3)])


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tl.load_images(write_classes(tmp_path_factory.mktemp("pictures") / "pets", {"cat": 6, "dog": 6}))


@pytest.fixture(scope="module")
def run(images):
    return tl.transfer(make_tiny_backbone(), images, TUNED, progress=False)


@pytest.fixture
def runtime(monkeypatch, run):
    """A kind of export that writes a few bytes and predicts as the run does, plus an error that tests set."""
    fake = types.SimpleNamespace(error=0.0, content=b"first")

    def write_model(run, folder):
        (folder / "model.bin").write_bytes(fake.content)
        return {"model": "model.bin"}

    fake.write_model = write_model
    fake.predict = lambda folder, facts, images: (run.predict(images) + fake.error, "fake 1.0")
    monkeypatch.setattr(export_module, "KINDS", {"fake": ("fake", 0.01)})
    monkeypatch.setitem(sys.modules, "tlkit.export.fake", fake)
    return fake


def test_an_export_states_what_was_compared(run, runtime, images, tmp_path):
    runtime.error = 0.004
    facts = run.export(tmp_path / "new" / "fake", "fake", images)
    folder = tmp_path / "new" / "fake"
    assert json.loads((folder / "export.json").read_text()) == json.loads(json.dumps(facts))
    assert sorted(os.listdir(folder)) == ["README.md", "export.json", "model.bin"]
    assert facts["sha256"] == hashlib.sha256(b"first").hexdigest()
    assert facts["largest_difference"] == pytest.approx(0.004)
    wanted = {"kind": "fake", "model": "model.bin", "checked_in": "fake 1.0", "n_checked": 50, "n_disagreements": 0}
    assert facts | wanted | {"classes": ["cat", "dog"], "rejection": None} == facts
    assert "fake 1.0" in (folder / "README.md").read_text()


@pytest.mark.parametrize("error", [0.02, -0.02, np.nan, np.array([1.0, -1.0]), np.array([-1.0, 1.0])])
def test_a_model_that_predicts_otherwise_leaves_nothing(run, runtime, images, tmp_path, error):
    runtime.error = error
    before = list_files(tmp_path)
    with pytest.raises(ValueError, match="kind: the fake model predicts otherwise"):
        run.export(tmp_path / "new" / "fake", "fake", images)
    assert list_files(tmp_path) == before


def test_an_earlier_export_stays_until_the_new_one_is_complete(run, runtime, images, tmp_path):
    folder = tmp_path / "fake"
    run.export(folder, "fake", images)
    before = list_files(tmp_path)
    runtime.error, runtime.content = 0.5, b"second"
    with pytest.raises(ValueError, match="predicts otherwise"):
        run.export(folder, "fake", images)
    assert list_files(tmp_path) == before
    runtime.error = 0
    run.export(folder, "fake", images)
    assert (folder / "model.bin").read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["fake"]


def test_a_failure_of_the_last_move_puts_the_earlier_export_back(run, runtime, images, tmp_path, monkeypatch):
    folder = tmp_path / "fake"
    run.export(folder, "fake", images)
    before = list_files(tmp_path)
    real = export_module.Path.rename

    def rename(path, target):
        if path.name == "export":
            raise OSError("the disk is full")
        return real(path, target)

    monkeypatch.setattr(export_module.Path, "rename", rename)
    with pytest.raises(OSError, match="full"):
        run.export(folder, "fake", images)
    assert list_files(tmp_path) == before


def test_other_files_are_never_replaced(run, runtime, images, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("three years")
    with pytest.raises(ValueError, match=r"has thesis\.txt.*take a new folder"):
        run.export(folder, "fake", images)
    run.export(tmp_path / "fake", "fake", images)
    (tmp_path / "fake" / "thesis.txt").write_text("three years")
    with pytest.raises(ValueError, match=r"has thesis\.txt"):
        run.export(tmp_path / "fake", "fake", images)
    card = tmp_path / "other" / "README.md"
    run.export(tmp_path / "other", "fake", images)
    card.write_text(card.read_text() + "For cats only.\n")
    with pytest.raises(ValueError, match=r"has README\.md"):
        run.export(tmp_path / "other", "fake", images)
    assert card.read_text().endswith("For cats only.\n")
    facts = json.loads((tmp_path / "other" / "export.json").read_text())
    (tmp_path / "other" / "export.json").write_text(json.dumps(facts | {"kind": "onnx"}))
    with pytest.raises(ValueError, match="which is no earlier fake export"):
        run.export(tmp_path / "other", "fake", images)
    assert (folder / "thesis.txt").read_text() == (tmp_path / "fake" / "thesis.txt").read_text() == "three years"


def test_an_unknown_kind_is_named(run, tmp_path):
    with pytest.raises(ValueError, match=r"kind: 'wbe' is unknown; nearest: 'web'"):
        run.export(tmp_path / "new", "wbe")


def test_the_pictures_are_the_given_ones_with_variants_and_bundled_ones(images, tmp_path):
    chosen = choose_pictures(images, tmp_path)
    assert len(chosen) == N_CHECKED
    assert [chosen.digest(index) for index in range(12)] == [images.digest(index) for index in range(12)]
    opened = {name: Image.open(tmp_path / name) for name in os.listdir(tmp_path)}
    assert {name: picture.mode for name, picture in opened.items()} == {
        "large.jpg": "RGB", "gray.jpg": "L", "transparent.png": "RGBA", "cmyk.jpg": "CMYK", "turned.jpg": "RGB",
    }  # fmt: skip
    assert opened["large.jpg"].width == 2048
    turned = chosen.read(len(chosen) - 1)
    assert turned.size == opened["turned.jpg"].size[::-1]
    for picture in opened.values():
        picture.close()
    many = choose_pictures(images + images + images + images + images, tmp_path)
    assert len(many) == N_CHECKED and set(many.domains) == {"pets", "given"}


class Fixed:
    """A run with given predictions for two pictures; it rejects below a familiarity of -1."""

    def __init__(self, probabilities, rejected=(False, False)):
        self.classes, self.probabilities, self.rejected = ["cat", "dog"], np.array(probabilities), np.array(rejected)
        self.rejection = types.SimpleNamespace(find_threshold=lambda: -1.0)

    def predict(self, images):
        return self.probabilities

    def classify(self, images):
        return pd.DataFrame({"rejected": self.rejected})


def test_a_tie_is_counted_and_does_not_stop_an_export(images):
    run = Fixed([[0.501, 0.499], [0.9, 0.1]])
    facts = compare(run, images[:2], np.array([[0.499, 0.501], [0.9, 0.1]]), "web", 0.01)
    assert facts == {"largest_difference": pytest.approx(0.002), "n_disagreements": 1, "n_checked": 2}
    with pytest.raises(ValueError, match=r"for 1 of 2 pictures; probabilities differ by up to 0\.4 "):
        compare(run, images[:2], np.array([[0.501, 0.499], [0.5, 0.5]]), "web", 0.01)


def test_rejections_are_compared_too(images):
    run = Fixed([[0.9, 0.1]] * 2, [True, False])

    def count(*familiarity):
        found = np.column_stack([run.probabilities, familiarity])
        return compare(run, images[:2], found, "web", 0.01)["n_disagreements"]

    assert count(-1.1, -0.5) == 0
    assert count(-1.1, -1.005) == 1  # a tie
    for otherwise in ((-0.9, -0.5), (-1.1, -1.1), (np.nan, -0.5)):
        with pytest.raises(ValueError, match="otherwise than the run for 1 of 2"):
            count(*otherwise)


def test_the_command_writes_into_the_run_and_renews_its_card(runtime, run, images, tmp_path, monkeypatch, capsys):
    folder = write_classes(tmp_path / "new", {"cat": 1})
    small = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    saved = tl.transfer(small, images, TUNED, progress=False)
    saved.save(tmp_path / "run")
    runtime.predict = lambda folder, facts, images: (saved.predict(images), "fake 1.0")
    arguments = ["export", tmp_path / "run", "--kind", "fake", "--pictures", folder]
    status, output, errors = call_command(monkeypatch, capsys, *arguments)
    assert status == 0 and "fake export: 100%" in errors
    assert f"wrote {tmp_path / 'run' / 'export' / 'fake' / 'model.bin'} (0.0 MB)" in output
    assert "50 pictures predicted again in fake 1.0" in output and "0 with another class" in output
    assert "fake 1.0" in (tmp_path / "run" / "README.md").read_text()
    status, _, errors = call_command(monkeypatch, capsys, "export", tmp_path / "run", "--kind", "wbe")
    assert status == 1 and errors.startswith("tlkit: --kind: 'wbe' is unknown")
    runtime.write_model = lambda run, folder: __import__("no_such_package")
    status, _, errors = call_command(monkeypatch, capsys, *arguments)
    assert status == 1 and errors.endswith("\rtlkit: No module named 'no_such_package'\n")  # behind the bar
    status, _, errors = call_command(monkeypatch, capsys, "export", tmp_path / "nothing", "--kind", "fake")
    assert status == 1 and "has no run.json" in errors
