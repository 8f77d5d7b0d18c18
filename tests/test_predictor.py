"""Prediction by an OpenVINO export: as the run predicts, without torch, and only from files that belong together."""

import copy
import itertools
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from made_exports import CLASSES, make_tiny_run, write_varied
from made_pictures import make_picture
from PIL import Image

import tlkit as tl
from tlkit.evaluation.rejection import Rejection
from tlkit.export.predictor import FACTS, MODEL, TENSORS, predictor_of
from tlkit.features.openvino_engine import open_core
from tlkit.images.decode import PictureError


@pytest.fixture(scope="module")
def run():
    return make_tiny_run()


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "export" / "openvino"
    run.export(folder, "openvino")
    return folder


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    return write_varied(tmp_path_factory.mktemp("pictures") / "varied")


@pytest.fixture
def copied(exported, tmp_path):
    """A copy of the export in the folder of a run, to damage it."""
    return shutil.copytree(exported, tmp_path / "run" / "export" / "openvino")


def test_predictions_are_those_of_the_run(run, exported, varied):
    predictor, expected = tl.export.load_predictor(exported.parents[1]), run.predict(varied)
    assert predictor.classes == list(CLASSES)
    assert len(expected) == 60 and len(set(expected.argmax(axis=1))) == 3 and np.ptp(expected) > 0.7
    for made in (predictor, predictor_of(run)):
        assert np.abs(made.predict(varied) - expected).max() <= 1e-4


def test_the_model_takes_preprocessed_pictures_and_gives_features_and_logits(run, exported):
    compiled = open_core().compile_model(exported / MODEL, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    batch = np.stack([run.backbone.preprocess(make_picture(number, (40, 30))) for number in range(8)])
    (port,) = compiled.inputs
    assert (port.any_name, list(port.shape), port.element_type.to_dtype()) == ("pictures", [8, 3, 16, 16], np.float32)
    outputs = compiled([batch])
    with torch.inference_mode():
        features = run.backbone(torch.from_numpy(batch))
        logits = run.head(features)
    assert np.abs(outputs["features"] - features.numpy()).max() <= 1e-5
    assert np.abs(outputs["logits"] - logits.numpy()).max() <= 1e-5


def test_the_same_pictures_are_rejected_as_by_the_run(varied, tmp_path):
    run = copy.copy(make_tiny_run())
    run.rejection = None
    images = tl.load_images([(make_picture(number), CLASSES[number % 3]) for number in range(40, 100)])
    run.fit_rejection(images)
    run.export(tmp_path, "openvino")
    predictor = tl.export.load_predictor(tmp_path)
    for share in (None, 0.6):
        expected, found = run.classify(varied, share), predictor.classify(varied, share)
        assert found.drop(columns="probability").equals(expected.drop(columns="probability"))
        assert np.abs(found["probability"] - expected["probability"]).max() <= 1e-4
    assert 0 < found["rejected"].sum() < 60


def test_any_form_of_pictures_gives_the_same(exported, varied):
    predictor, path = tl.export.load_predictor(exported), varied / "large.jpg"
    with Image.open(path) as picture:
        forms = [
            path,
            str(path),
            [path],
            picture.convert("RGB"),
            [np.array(picture)],
            tl.load_images([(path, "x"), (varied / "gray.jpg", "y")]),
        ]
        found = [predictor.predict(form)[0] for form in forms]
    assert all(np.array_equal(row, found[0]) for row in found)


def test_a_stream_is_read_a_little_ahead_and_in_order(exported):
    predictor, n_read = tl.export.load_predictor(exported), itertools.count()
    long = ((next(n_read), make_picture(number % 5))[1] for number in range(2000))
    found = list(itertools.islice(predictor.stream(long), 300))
    expected = predictor.predict([make_picture(number) for number in range(5)])
    assert all(np.array_equal(one.probabilities, expected[place % 5]) for place, one in enumerate(found))
    assert next(n_read) <= 300 + 64 + 8 * 10


def test_an_unreadable_picture_keeps_its_place_and_stops_nothing(exported, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    pictures = [make_picture(1), tmp_path / "text.png", tmp_path / "missing.png", make_picture(2)]
    predictor = tl.export.load_predictor(exported)
    found = list(predictor.stream(pictures))
    assert [type(one.error) for one in found] == [type(None), PictureError, FileNotFoundError, type(None)]
    assert [one.name for one in found[1:3]] == [str(tmp_path / "text.png"), str(tmp_path / "missing.png")]
    expected = predictor.predict([pictures[0], pictures[3]])
    assert np.array_equal([found[0].probabilities, found[3].probabilities], expected)
    with pytest.raises(PictureError, match=r"text\.png"):
        predictor.predict(pictures[:2])
    with pytest.raises(TypeError, match="item 1 is a int, expected a path"):
        list(predictor.stream([make_picture(1), 3]))


def change(facts, **changes):
    return json.dumps(facts | changes).encode()


DAMAGES = {
    "the model is another": (MODEL, lambda content, facts: content.replace(b"dog", b"cow")),
    "weights have a wrong bit": ("model.bin", lambda content, facts: content[:-1] + bytes([content[-1] ^ 1])),
    "weights are missing": ("model.bin", None),
    "the model is missing": (MODEL, None),
    "tensors are missing": (TENSORS, None),
    "tensors are others": (TENSORS, lambda content, facts: content + b"x"),
    "facts are no JSON": (FACTS, lambda content, facts: content[:-1]),
    "facts are a list": (FACTS, lambda content, facts: b"[]"),
    "facts are no text": (FACTS, lambda content, facts: b"\xff\xfe"),
    "facts lack the hash": (FACTS, lambda content, facts: b"{}"),
    "facts have another hash": (FACTS, lambda content, facts: change(facts, sha256="0" * 64)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_export_is_named(damage, copied):
    name, alter = DAMAGES[damage]
    facts = json.loads((copied / FACTS).read_text())
    content = (copied / name).read_bytes()
    (copied / name).unlink() if alter is None else (copied / name).write_bytes(alter(content, facts))
    with pytest.raises(
        ValueError, match=rf"^folder: {copied} can't be used \(.*\): export the run again as kind openvino$"
    ) as raised:
        tl.export.load_predictor(copied)
    words = [name] if name != FACTS else ["JSON", "sha256", "list indices", "utf-8", "not as it was exported"]
    assert any(word in str(raised.value) for word in words)


def test_a_folder_without_an_export_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"folder: {tmp_path} has no OpenVINO export"):
        tl.export.load_predictor(tmp_path)


def test_classes_that_changed_places_in_the_facts_change_nothing(run, copied, varied):
    facts = json.loads((copied / FACTS).read_text())
    (copied / FACTS).write_bytes(change(facts, classes=facts["classes"][::-1]))
    assert tl.export.load_predictor(copied).classes == run.classes


def test_the_export_of_another_run_is_refused(run, copied, monkeypatch):
    monkeypatch.setattr("tlkit.training.run.check_loadable", lambda backbone: None)
    folder = copied.parents[1]
    run.save(folder)
    tl.export.load_predictor(folder)
    changed = copy.copy(run)
    changed.rejection = Rejection("mahalanobis", {}, [0.0], 0.05, [], None, None)
    for other in (make_tiny_run(seed=1), changed):
        other.save(folder)
        for place in (folder, copied):
            with pytest.raises(ValueError, match="exported from another run than the one that is saved above it"):
                tl.export.load_predictor(place)


# The largest memory by getrusage would be that of the process that started this one.
ALONE = r"""
import re, sys
from pathlib import Path
import numpy as np
seen, watched = [], ("pickle.find_class", "socket.connect")
sys.addaudithook(lambda event, arguments: event in watched and seen.append(event))
import tlkit as tl
probabilities = tl.export.load_predictor(sys.argv[1]).predict(sys.argv[2])
np.save(sys.argv[3], probabilities)
loaded = {"torch", "torchvision", "timm", "pandas", "sklearn", "scipy", "matplotlib"} & set(sys.modules)
print(sorted(loaded), seen, int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_prediction_needs_neither_torch_nor_much_memory_and_runs_no_code(run, exported, varied, tmp_path):
    command = [sys.executable, "-W", "error", "-c", ALONE, exported, varied, tmp_path / "found.npy"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=100)
    assert done.stderr == ""
    loaded, seen, peak_mib = done.stdout.rsplit(" ", 2)
    assert (loaded, seen) == ("[]", "[]")
    assert int(peak_mib) < 350
    assert np.abs(np.load(tmp_path / "found.npy") - run.predict(varied)).max() <= 1e-4
