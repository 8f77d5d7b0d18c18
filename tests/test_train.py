"""`tl.train`: an honest choice, a run folder that is whole or absent, and interruptions that cost nothing."""

import importlib
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_command import call_command
from made_pictures import list_files, make_picture, write_classes
from PIL import Image
from torch import nn

import tlkit as tl
from tlkit import notices
from tlkit.evaluation.scores import evaluate_probabilities
from tlkit.images.splits import assign_folds
from tlkit.training.run_files import read_description
from tlkit.workflow import choice

module = importlib.import_module("tlkit.workflow.train")
SEED, EXPORT = 3, tl.Run.export


@pytest.fixture(scope="module")
def backbone():
    return tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)


@pytest.fixture(scope="module")
def images():
    drawn = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(12)
    return drawn.with_classes(["bird", "bug"])


def shorten(patch):
    """Let trainings be short, write checkpoints often, and export nothing, which takes longer than all the rest."""
    patch.setattr(choice, "_EPOCHS", (2, 2))
    patch.setattr(choice, "_COMPARED", 1)
    patch.setattr(module, "_CHECKPOINT_S", 0)
    patch.setattr(tl.Run, "export", lambda *_, **settings: None)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    shorten(monkeypatch)


@pytest.fixture
def tuning_wins(monkeypatch):
    """Let the tuned candidate win, whose training has steps to interrupt."""
    monkeypatch.setattr(choice, "pick", lambda means, n: 1)


def train(images, folder, backbone, **settings):
    return tl.train(images, folder, **{"backbone": backbone, "seed": SEED, "progress": False} | settings)


@pytest.fixture(scope="module")
def whole(images, backbone, tmp_path_factory):
    """Return the folder of a run that was never interrupted, with the tuned candidate."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        patch.setattr(choice, "pick", lambda means, n: 1)
        folder = tmp_path_factory.mktemp("whole") / "run"
        train(images, folder, backbone)
    return folder


def read_weights(folder):
    return read_description(folder)["weights"]["sha256"]


@pytest.mark.slow
def test_the_choice_sees_no_test_picture(images, backbone, tmp_path, monkeypatch):
    learned, test = images.split()
    wrong = test._replace(labels=1 - test.labels)
    seen = []
    monkeypatch.setattr(choice.Candidate, "score", lambda self, given, *_, **settings: seen.append(given) or 0.5)
    runs = [train(learned, tmp_path / name, backbone, test=each) for name, each in (("a", test), ("b", wrong))]
    assert runs[0].report["choice"] == runs[1].report["choice"]
    assert runs[0].report["test"]["accuracy"] == pytest.approx(1 - runs[1].report["test"]["accuracy"])
    assert seen and all(set(each.names.tolist()) == set(learned.names.tolist()) for each in seen)
    assert set(runs[0].trained_on).isdisjoint(test.digest(row)[:16] for row in range(len(test)))


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_scores_are_those_of_a_training_on_the_rest(images, backbone, number):
    """The slow way: the pictures of the fold are taken out by hand, and the run is evaluated on them."""
    candidate = choice.list_candidates(backbone, len(images))[number]
    n_folds, _ = choice.count_inner_folds(images)
    found = candidate.score(images, n_folds, SEED, progress=False)
    held_out = assign_folds(images.labels, images.groups, n_folds, SEED) == SEED % n_folds
    assert set(images[held_out].groups).isdisjoint(images[~held_out].groups)
    run = tl.transfer(backbone, images[~held_out], candidate.strategy, seed=SEED, progress=False)
    assert found == pytest.approx(run.evaluate(images[held_out]).accuracy)


@pytest.mark.slow
@pytest.mark.parametrize("n_notes", [1, 9])
def test_an_interrupted_call_continues_to_the_same_bits(
    images, backbone, whole, tmp_path, monkeypatch, tuning_wins, n_notes
):
    """Once in the inner training and once in the final one."""
    notes, transfer = [], choice.transfer

    def interrupt(training):
        notes.append(training)
        if len(notes) == n_notes:
            raise KeyboardInterrupt

    def transfer_interrupted(*arguments, callbacks=(), **settings):
        return transfer(*arguments, callbacks=[*callbacks, interrupt], **settings)

    monkeypatch.setattr(choice, "transfer", transfer_interrupted)
    with pytest.raises(KeyboardInterrupt), pytest.warns(UserWarning, match="the same call continues"):
        train(images, tmp_path / "run", backbone)
    assert [path.name[:5] for path in tmp_path.iterdir()] == [".run."]
    run = train(images, tmp_path / "run", backbone)
    assert read_weights(tmp_path / "run") == read_weights(whole)
    assert run.report == tl.load_run(whole).report
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


KILLED = """
import importlib, os, signal, sys
import tlkit as tl
from tlkit.workflow import choice
module = importlib.import_module("tlkit.workflow.train")
choice._EPOCHS, choice._COMPARED, choice.pick = (2, 2), 1, lambda means, n: 1
tl.Run.export = lambda *_, **settings: None
module.write_card = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(12)
backbone = tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)
tl.train(images.with_classes(["bird", "bug"]), sys.argv[1], backbone=backbone, seed=3, progress=False)
"""


@pytest.mark.slow
def test_a_kill_while_the_folder_is_written_leaves_none(images, backbone, whole, tmp_path, monkeypatch, tuning_wins):
    settings = {"env": os.environ | {"OMP_NUM_THREADS": "1"}, "capture_output": True, "text": True}
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "run"], **settings)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [path.name[:5] for path in tmp_path.iterdir()] == [".run."]
    monkeypatch.setattr("tlkit.training.loop.take_step", None)  # nothing is trained again
    train(images, tmp_path / "run", backbone)
    assert read_weights(tmp_path / "run") == read_weights(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_folder_is_complete_and_loads(whole, images):
    names = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.png" for name in ("confusion", "mistakes", "training_curves")}
    assert {"run.json", "README.md", "test_predictions.csv", *figures} <= names
    table = pd.read_csv(whole / "test_predictions.csv")
    assert list(table) == ["picture", "label", "predicted", "probability"]
    run = tl.load_run(whole)
    scores, confusion = run.report["test"], np.array(run.report["test"]["confusion"])
    assert scores["accuracy"] == (table["label"] == table["predicted"]).mean()
    assert scores["accuracy"] == np.trace(confusion) / confusion.sum() == np.trace(confusion) / scores["n"]
    assert scores["accuracy_low"] < scores["accuracy"] < scores["accuracy_high"]
    assert list(run.looks.values()) == [1]
    assert run.n_train + scores["n"] == len(images) == sum(run.report["pictures"]["n_train_by_class"]) + scores["n"]
    assert run.report["choice"]["reason"].startswith("head then last stages at 32 px, since")


def test_the_same_call_loads_the_run_and_another_is_refused(whole, images, backbone, monkeypatch):
    before = list_files(whole.parent)
    monkeypatch.setattr(module, "choose", None)
    assert train(images, whole, backbone).report == tl.load_run(whole).report
    assert train(images, whole, backbone, seed=np.int64(SEED)).seed == SEED
    with pytest.raises(ValueError, match=r"folder: .* has another run, of other pictures or settings: name another"):
        train(images, whole, backbone, seed=SEED + 1)
    assert list_files(whole.parent) == before


def test_the_same_call_loads_a_run_of_an_own_network(images, tmp_path):
    own = tl.Backbone.from_module(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), recipe=tl.backbones.make_recipe(16))
    first = train(images, tmp_path / "run", own)
    assert np.array_equal(train(images, tmp_path / "run", own).predict(images), first.predict(images))


def test_a_folder_with_other_files_is_refused(images, backbone, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"folder: .* has other files, expected a new or empty folder"):
        train(images, tmp_path, backbone)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_seed_is_checked_first(backbone, tmp_path):
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f"seed: {seed}, expected a whole number from 0 to 4294967295"):
            train(None, tmp_path, backbone, seed=seed)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"cat": 1, "dog": 8}, r"pictures: cat has 1 .*expected at least 2 of each class.*: add pictures"),
        ({"cat": 9}, "class"),
        ({"train": 3, "test": 3}, "split|train"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(backbone, tmp_path, counts, message):
    with pytest.raises(ValueError, match=message):
        train(write_classes(tmp_path / "own", counts), tmp_path / "run", backbone)
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_a_run_beside_the_class_folders_is_no_class(backbone, tmp_path, monkeypatch):
    pets = write_classes(tmp_path / "pets", {"cat": 2, "dog": 2})
    first = train(pets, pets / "run", backbone)
    assert train(pets, pets / "run", backbone).report == first.report
    assert train(pets, pets / "other", backbone, seed=9).classes == ["cat", "dog"]


def test_many_classes_have_a_drawing_of_bounded_size(tmp_path):
    n, classes = 150, [f"class {number}" for number in range(150)]
    images = tl.load_images([(make_picture(number), name) for number, name in enumerate(classes)])
    evaluation = evaluate_probabilities(np.eye(n), images)
    (tmp_path / "figures").mkdir()
    module.write_test(SimpleNamespace(classes=classes, history=[]), evaluation, images, tmp_path)
    with Image.open(tmp_path / "figures" / "confusion.png") as drawn:
        assert max(drawn.size) <= 3_800


def test_classes_too_small_to_compare_take_the_probe(backbone, tmp_path):
    run = train(write_classes(tmp_path / "own", {"=cat": 2, "dog": 2}), tmp_path / "run", backbone)
    assert run.strategy["name"] == "linear_probe" and "too few pictures" in run.report["choice"]["reason"]
    # A spreadsheet takes no name for a formula.
    assert set(pd.read_csv(tmp_path / "run" / "test_predictions.csv")["label"]) == {"'=cat", "dog"}


@pytest.mark.slow
def test_one_bar_is_shown(images, backbone, tmp_path, monkeypatch):
    shown = []

    class Bar(notices.bar_kinds[-1]):
        def __init__(self, **options):
            super().__init__(**options)
            shown.extend([self] * (not self.disable))

    monkeypatch.setattr(notices, "bar_kinds", [Bar])
    train(images, tmp_path / "run", backbone, progress=True)
    (bar,) = shown
    assert bar.n == bar.total and bar.desc == "done"


def test_the_command_ends_with_accuracy_and_next_step(backbone, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tl.Run, "export", EXPORT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "list_candidates", lambda *_: choice.list_candidates(backbone, 10))
    write_classes(tmp_path / "pets", {"cat": 6, "dog": 6})
    status, output, _ = call_command(monkeypatch, capsys, "train", "pets", "--output", "my run")
    assert status == 0
    last = output.splitlines()[-1]
    scores = tl.load_run(tmp_path / "my run").report["test"]
    assert (tmp_path / "my run/export/openvino/export.json").is_file()
    assert "openvino" in (tmp_path / "my run/README.md").read_text()
    assert last.startswith(f"accuracy {scores['accuracy']:.2f} (95 % interval {scores['accuracy_low']:.2f} to ")
    assert "tlkit predict 'my run' PICTURES" in last and "tlkit export 'my run' --kind web" in last
    status, _, errors = call_command(monkeypatch, capsys, "train", "pets", "--output", "my run", "--seed", "1")
    assert status == 1 and errors.splitlines()[-1].startswith("tlkit: --output: ") and "another run" in errors
