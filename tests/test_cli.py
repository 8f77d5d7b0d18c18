"""The command: what it writes, and one clear line for what it can't do."""

import dataclasses
import functools
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_command import call_command
from made_pictures import encode, make_picture, write_classes, write_zip
from made_server import serving
from made_weights import pull_the_plug
from PIL import Image

from tlkit.backbones import networks
from tlkit.backbones.networks import CATALOGUE, find_entry


@pytest.fixture
def tlkit(monkeypatch, capsys, tmp_path):
    """Call the command with arguments in an empty folder; returns (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    return functools.partial(call_command, monkeypatch, capsys)


@pytest.mark.slow
def test_compare_writes_tables_and_a_figure(tlkit, tmp_path):
    status, output, _ = tlkit(
        "compare", "--strategies", "hand_made,linear_probe", "--seeds", 2, "--shots", "1,2", "--image-size", 32
    )
    assert status == 0
    folder = tmp_path / "tlkit-output"
    assert sorted(path.name for path in folder.iterdir()) == [
        "comparison.csv",
        "comparison.png",
        "predictions.csv",
        "runs.csv",
    ]
    table = pd.read_csv(folder / "comparison.csv")
    assert table[["strategy", "shots"]].values.tolist() == [
        ["hand_made", 1],
        ["linear_probe", 1],
        ["hand_made", 2],
        ["linear_probe", 2],
    ]
    assert len(pd.read_csv(folder / "runs.csv")) == 8
    predictions = pd.read_csv(folder / "predictions.csv")
    assert set(predictions["seed"]) == {0, 1}
    with Image.open(folder / "comparison.png") as picture:
        picture.load()
        assert np.asarray(picture.convert("L")).std() > 5
    for word in ("linear_probe", "hand_made", "baseline", "efficientnet_lite0 at 32 px", "wrote tlkit-output"):
        assert word in output


def test_compare_takes_a_folder_of_ones_own(tlkit, tmp_path):
    pictures = write_classes(tmp_path / "pets", {"cat": 10, "dog": 10})
    status, output, _ = tlkit(
        "compare", pictures, "--strategies", "hand_made,linear_probe", "--seeds", 5, "--shots", 2, "--image-size", 32
    )
    assert status == 0
    assert "20 pictures, 2 classes" in " ".join(output.split())


def one_class(folder):
    return write_classes(folder / "one", {"cat": 3})


def empty(folder):
    (folder / "nothing").mkdir()
    return folder / "nothing"


def zero_bytes(folder):
    write_classes(folder / "zero", {"cat": 3, "dog": 3})
    (folder / "zero" / "cat" / "0.png").write_bytes(b"")
    return folder / "zero"


def renamed_text(folder):
    write_classes(folder / "text", {"cat": 3, "dog": 3})
    (folder / "text" / "cat" / "notes.jpg").write_text("not a picture")
    return folder / "text"


def huge(folder):
    write_classes(folder / "huge", {"cat": 3, "dog": 3})
    Image.new("1", (20_000, 20_000)).save(folder / "huge" / "cat" / "poster.png")
    return folder / "huge"


def slipping_zip(folder):
    return write_zip(
        folder / "slip.zip", [("cat/a.png", encode(make_picture(1))), ("../b.png", encode(make_picture(2)))]
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "missing", ["missing"]),
        (empty, ["nothing"]),
        (one_class, ["cat", "class"]),
        (zero_bytes, ["0.png", "skip"]),
        (renamed_text, ["notes.jpg", "skip"]),
        (huge, ["poster.png", "pixels"]),
        (slipping_zip, ["../b.png"]),
    ],
)
def test_bad_pictures_get_one_clear_error_and_change_nothing(tlkit, tmp_path, make, words):
    source = make(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    status, output, errors = tlkit("compare", source)
    assert status == 1
    assert output == ""
    assert "Traceback" not in errors
    assert errors.count("tlkit: ") == 1
    for word in words:
        assert word in errors
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--backbone", "efficientnet_lite"],
            ["'efficientnet_lite' is not a backbone", "nearest: 'efficientnet_lite"],
        ),
        (["--strategies", "linear_prob,fine_tune"], ["'linear_prob'", "nearest: 'linear_probe'"]),
        (["--shots", "five"], ["--shots: 'five', expected whole numbers"]),
        (["--image-size", "16"], ["--image-size: 16, expected 32 to 1024"]),
        (["--seeds", "0"], ["--seeds: 0, expected a whole number of at least 1"]),
        (["--workers", "0"], ["--workers: 0, expected a whole number of at least 1"]),
    ],
)
def test_bad_options_get_one_clear_error(tlkit, tmp_path, arguments, words):
    status, output, errors = tlkit("compare", *arguments)
    assert status == 1
    assert output == ""
    for word in words:
        assert word in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("default")  # the command shows them as notes
def test_bad_pictures_are_left_out_where_asked(tlkit, tmp_path):
    write_classes(tmp_path / "pets", {"cat": 6, "dog": 6})
    (tmp_path / "pets" / "cat" / "broken.jpg").write_bytes(b"")
    options = ["--strategies", "hand_made,linear_probe", "--seeds", 2, "--shots", 1, "--image-size", 32]
    status, _, errors = tlkit("compare", tmp_path / "pets", "--skip-bad", *options)
    assert status == 0
    assert "1 of 13 pictures can't be read and are left out" in errors


def test_doctor_says_what_works(tlkit):
    status, output, _ = tlkit("doctor")
    assert "backbones that work offline: efficientnet_lite0" in output
    assert "engine for features: openvino" in output
    assert "front end of the widgets: jupyterlab_widgets" in output
    assert (status == 0) == ("FAIL" not in output)


def test_doctor_names_the_remedy(tlkit, monkeypatch):
    monkeypatch.setattr("tlkit.cli.installation._FRONT_END", Path("nowhere/package.json"))
    status, output, _ = tlkit("doctor")
    assert status == 1
    assert "FAIL front end of the widgets" in output
    assert "pip install --force-reinstall jupyterlab_widgets" in output


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['tlkit', '--help']\n"
        "from tlkit.cli import main\n"
        "try: main()\nexcept SystemExit as ended: assert not ended.code\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'matplotlib', 'openvino', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout
    assert "doctor" in done.stdout
    assert "backbones" in done.stdout


@pytest.fixture
def stocked(monkeypatch, tmp_path_factory):
    """A machine with only the packaged weights, and a mirror of a made ResNet-18; gives (file name, bytes)."""
    content = bytes(range(256)) * 40
    pull_the_plug(monkeypatch, tmp_path_factory.mktemp("machine"))
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    entry = dataclasses.replace(find_entry("resnet18"), weights_file=name)
    monkeypatch.setitem(networks._ENTRIES, "resnet18", {entry.weights: entry})
    monkeypatch.setitem(CATALOGUE, "resnet18", entry)
    with serving(content) as server:
        monkeypatch.setenv("TLKIT_WEIGHTS_URL", server.url("mirror"))
        yield name, content


def test_backbones_lists_every_network_with_its_cost_and_source(tlkit, stocked):
    for arguments in ([], ["list"], ["*"]):
        status, output, errors = tlkit("backbones", *arguments)
        assert (status, errors) == (0, "")
        assert f"{len(CATALOGUE)} networks" in output
    for name in CATALOGUE:
        assert f" {name} " in output
    (row,) = [line for line in output.splitlines() if " vgg16 " in line]
    assert row.split()[:9] == ["vgg16", "VGG", "2014", "134.26", "30.93", "4096", "224", "ImageNet-1k", "general"]
    accuracy, source, licence, offline = row.split()[9:]
    assert (accuracy, licence, offline) == ("0.716", "unknown", "no")
    assert f"{source} https://github.com/pytorch/vision" in output


def test_backbones_are_chosen_sorted_and_written(tlkit, stocked, tmp_path):
    _, output, _ = tlkit("backbones", "--offline", "--sort", "accuracy")
    names = [line.split()[0] for line in output.splitlines() if " efficientnet_lite" in line]
    assert names == ["efficientnet_lite2", "efficientnet_lite1", "efficientnet_lite0"]
    assert "3 networks" in output
    _, output, _ = tlkit("backbones", "resnet50", "--all")
    assert "2 sets of weights" in output
    assert "IMAGENET1K_V1" in output and "IMAGENET1K_V2" in output
    status, output, _ = tlkit("backbones", "resnet*", "--sort", "flops", "--csv", "networks.csv")
    assert (status, output) == (0, "wrote networks.csv\n")
    table = pd.read_csv(tmp_path / "networks.csv")
    assert table["name"].iloc[0] == "resnet18"
    assert table["n_flops"].is_monotonic_increasing and len(table) == 5
    assert "accuracy_source" in table


def test_text_encoders_are_listed_where_asked_for(tlkit, stocked):
    status, output, _ = tlkit("backbones", "--texts")
    assert (status, "2 networks" in output) == (0, True)
    (row,) = [line for line in output.splitlines() if " use_multilingual " in line]
    assert ("3.39" in row.split(), "512" in row.split(), "Apache-2.0" in row.split()) == (True, True, True)
    assert "GFLOP: 2" not in output


def test_backbones_are_fetched_and_added(tlkit, stocked, tmp_path):
    name, content = stocked
    status, output, _ = tlkit("backbones", "fetch", "resnet18")
    assert status == 0
    assert "resnet18 IMAGENET1K_V1: put into " in output and name in output
    assert "SHA-256 begins with the 8 published digits" in output
    _, output, _ = tlkit("backbones", "fetch", "resnet18", "efficientnet_lite0")
    assert output.count("already there") == 2
    Path(output.split("already there, ")[1].split(";")[0]).unlink()
    (tmp_path / "stick.bin").write_bytes(content)
    status, output, _ = tlkit("backbones", "add", "stick.bin")
    assert (status, "resnet18 IMAGENET1K_V1: put into " in output) == (0, True)
    assert "resnet18" in tlkit("backbones", "--offline")[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["resnet"], "no network's name matches 'resnet'; nearest: 'resnet"),
        (["minilm"], "no network's name matches 'minilm'; add --texts, since it is a text encoder"),
        (["--texts", "minilms"], "no network's name matches 'minilms'; nearest: 'minilm'"),
        (["fetch", "resnet18", "resnet"], "NAME: 'resnet' is not a backbone that tlkit knows; nearest"),
        (["fetch", "resnet18", "--weights", "V3"], "weights: 'V3' is no set of weights of resnet18"),
        (
            ["add", "stick.bin", "mine.pth"],
            "is a text that begins with 'mine', not weights: fetch the file itself",
        ),
        (["add", "nothing.pth"], "nothing.pth is not there"),
    ],
)
def test_what_backbones_can_not_do_is_one_line_and_changes_nothing(tlkit, stocked, tmp_path, arguments, words):
    (tmp_path / "stick.bin").write_bytes(stocked[1])
    (tmp_path / "mine.pth").write_bytes(b"mine")
    status, output, errors = tlkit("backbones", *arguments)
    assert (status, output) == (1, "")
    assert words in errors
    assert "Traceback" not in errors
    assert "resnet18" not in tlkit("backbones", "--offline")[1]


def test_a_wrong_option_of_backbones_is_said_with_those_there_are(tlkit):
    status, _, errors = tlkit("backbones", "--sort", "size_mb")
    assert status == 2
    assert "accuracy" in errors
