"""The command: what it writes, and one clear line for what it can't do."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from made_pictures import encode, make_picture, write_classes, write_zip
from PIL import Image

from tlkit import cli


@pytest.fixture
def tlkit(monkeypatch, capsys, tmp_path):
    """Call the command with arguments in an empty folder; returns (exit status, output, errors)."""
    monkeypatch.setattr(cli.warnings, "showwarning", cli.warnings.showwarning)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["tlkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call


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
            ["'efficientnet_lite' is not a backbone", "nearest: 'efficientnet_lite0'"],
        ),
        (["--strategies", "linear_prob,fine_tune"], ["'linear_prob'", "nearest: 'linear_probe'"]),
        (["--shots", "five"], ["--shots: 'five', expected whole numbers"]),
        (["--image-size", "16"], ["image_size_px: 16, expected 32 to 1024"]),
        (["--seeds", "0"], ["seeds: [], expected whole numbers"]),
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
    monkeypatch.setattr("tlkit.doctoring._FRONT_END", cli.Path("nowhere/package.json"))
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
