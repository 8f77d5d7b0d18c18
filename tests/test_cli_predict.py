"""The command `tlkit predict`: a row per picture as it comes, whatever happens to the others."""

import io
import json
import os
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_command import call_command, run_command
from made_exports import CLASSES, make_tiny_run
from made_pictures import encode, make_picture, write_zip

import tlkit as tl
from tlkit.names import make_printable


@pytest.fixture(scope="module")
def run():
    return make_tiny_run()


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "openvino"
    run.export(folder, "openvino")
    return folder


@pytest.fixture
def predict(monkeypatch, capsys, tmp_path, exported):
    """Call `tlkit predict` with the export and arguments in an empty folder; returns (exit status, output, errors)."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *arguments, run=exported: call_command(monkeypatch, capsys, "predict", run, *arguments)


@pytest.fixture
def pets(tmp_path):
    """A folder with three pictures, one of them in a folder of its own, and two other files."""
    (tmp_path / "here" / "pets" / "more").mkdir(parents=True)
    for name in ("=1.png", "b.png", "more/a.png"):
        make_picture(len(name)).save(tmp_path / "here" / "pets" / name)
    (tmp_path / "here" / "pets" / "notes.txt").write_text("mine")
    (tmp_path / "here" / "pets" / ".hidden.png").write_text("hidden")
    return tmp_path / "here" / "pets"


NAMES = ["pets/=1.png", "pets/b.png", "pets/more/a.png"]


def read(source):
    return pd.read_csv(source, keep_default_na=False)


def test_rows_hold_what_the_run_predicts(predict, pets, run):
    expected, best = run.predict(pets), run.predict(pets).argmax(axis=1)
    status, output, errors = predict("pets", "--top", 5)
    assert (status, errors) == (0, "")
    table = read(io.StringIO(output))
    assert table.columns.tolist() == [
        *(
            "file_name",
            "class",
            "probability",
            "rejected",
            "class_2",
            "probability_2",
            "class_3",
            "probability_3",
            "note",
        )
    ]
    assert table["file_name"].tolist() == NAMES
    assert table["class"].tolist() == [CLASSES[index].replace("=", "'=") for index in best]
    probabilities = table[["probability", "probability_2", "probability_3"]].to_numpy()
    assert np.abs(probabilities - np.sort(expected)[:, ::-1]).max() <= 1e-4
    assert not table["rejected"].any() and set(table["note"]) == {""}


def test_both_formats_hold_the_same(predict, pets):
    assert predict("pets", "--output", "new/found.csv")[:2] == (0, "3 predictions are in new/found.csv\n")
    assert predict("pets", "--output", "found.jsonl")[:2] == (0, "3 predictions are in found.jsonl\n")
    rows = [json.loads(line) for line in (pets.parent / "found.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == NAMES and type(rows[0]["probability"]) is float
    assert pd.DataFrame(rows).replace("=cat", "'=cat").equals(read("new/found.csv"))
    assert sorted(path.name for path in pets.parent.iterdir()) == ["found.jsonl", "new", "pets"]


def test_files_folders_zips_and_names_on_standard_input(predict, pets, monkeypatch):
    members = [("deep/x.png", encode(make_picture(1))), ("readme.txt", b"no"), ("a.png", encode(make_picture(2)))]
    write_zip(pets.parent / "some.zip", members)
    listed = io.TextIOWrapper(io.BytesIO(b"pets/b.png\r\n\npets/more/a.png\n"))
    monkeypatch.setattr(sys, "stdin", listed)
    status, output, errors = predict("some.zip", "pets/=1.png", "-", "pets")
    assert (status, errors) == (0, "")
    table = read(io.StringIO(output))
    assert table["file_name"].tolist() == ["some.zip: a.png", "some.zip: deep/x.png", *NAMES, *NAMES]
    assert table["class"].iloc[2:5].tolist() == table["class"].iloc[5:].tolist()


def test_unreadable_pictures_are_named_and_stop_nothing(predict, pets, monkeypatch):
    (pets / "a.png").write_text("no picture")
    (pets / "\33[1m\n.png").write_bytes(b"")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"-missing\xff.png\n")))
    status, output, errors = predict("pets", "-", "--output", "found.csv")
    assert (status, output) == (3, "6 predictions are in found.csv\n")
    assert errors.endswith("3 of 6 pictures can't be read; the column note has the reasons\n")
    table = read("found.csv")
    assert table["file_name"].tolist() == [
        *("pets/\\x1b[1m\\n.png", NAMES[0], "pets/a.png", NAMES[1], NAMES[2], "'-missing\\udcff.png")
    ]
    bad = table[table["class"] == ""]
    assert bad["probability"].tolist() == bad["rejected"].tolist() == [""] * 3
    for note, words in zip(bad["note"], ["empty (0 bytes)", "text, not a picture", "No such file or dir"], strict=True):
        assert note.startswith(words)
    assert (table.drop(bad.index)["note"] == "").all()


def test_names_between_zero_bytes_may_hold_anything(predict, pets, monkeypatch):
    names = [
        b"pets/with\nnewline.png",
        b"pets/latin\xe9.png",
        "pets/\u00fc \\.png".encode(),
        b" ~.png",
        b"pets/more.zip",
    ]
    for name in names[:4]:
        shutil.copy(pets / "b.png", os.fsdecode(name))
    write_zip(pets / "more.zip", [("a.png", encode(make_picture(1)))])
    for block_bytes in (30, 4096):  # a pipe gives names in pieces
        reader = io.BytesIO(b"\0".join([*names, b""]))
        stream = SimpleNamespace(read1=lambda n=block_bytes, reader=reader: reader.read(n))
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
        assert predict("-", "--output", "found.jsonl")[:2] == (3, "5 predictions are in found.jsonl\n")
        rows = [json.loads(line) for line in (pets.parent / "found.jsonl").read_text("utf-8").splitlines()]
        assert [row["file_name"] for row in rows] == [make_printable(os.fsdecode(name)) for name in names]
        assert [row["note"] for row in rows[:4]] == [""] * 4
        assert rows[4]["note"] == "a zip archive, not a picture: unpack it, or give it to the command itself"


def test_lists_of_windows_photographs_of_iphones_and_a_tilde(predict, pets, monkeypatch):
    monkeypatch.setenv("HOME", str(pets))
    (pets / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    write_zip(pets / "phone.zip", [("IMG_2.heic", (pets / "IMG_1.HEIC").read_bytes())])
    listed = io.TextIOWrapper(io.BytesIO("\ufeffpets/b.png\r\n".encode()))
    monkeypatch.setattr(sys, "stdin", listed)
    status, output, _ = predict("-", "pets", "~/phone.zip", "--output", "~/found.csv")
    assert (status, output) == (3, f"6 predictions are in {pets}/found.csv\n")
    table = read(pets / "found.csv")
    assert table["file_name"].tolist() == [
        "pets/b.png",
        NAMES[0],
        "pets/IMG_1.HEIC",
        *NAMES[1:],
        f"{pets}/phone.zip: IMG_2.heic",
    ]
    assert table["class"][0] == table["class"][3] != ""
    assert table["note"].str.contains("HEIC, which is not read: export it as JPEG").tolist() == [False, False, True] + [
        False
    ] * 2 + [True]
    assert not (pets.parent / "~").exists()


def test_runs_among_the_pictures_are_left_out(predict, pets):
    (pets / "my-run" / "figures").mkdir(parents=True)
    (pets / "my-run" / "run.json").write_text("{}")
    make_picture(9).save(pets / "my-run" / "figures" / "confusion.png")
    assert read(io.StringIO(predict("pets")[1]))["file_name"].tolist() == NAMES


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["pets", "--output", "found.txt"],
            "--output: 'found.txt', expected a file, not a folder, that ends in .csv or .jsonl",
        ),
        (["pets", "--output", "pets/b.png/found.csv"], "b.png is not a folder"),
        (["pets", "--top", "0"], "--top: 0, expected a whole number of at least 1"),
        (["pets", "--reject", "0.05"], "--reject: 0.05, but the run has no threshold"),
        (["pets", "petz"], "PICTURES: 'petz' is no file or folder"),
        (["p" * 300], "ppp' is no file or folder: correct its path"),
        (["."], "PICTURES: the folder . holds no picture (2 other files)"),
        (["none.zip"], "PICTURES: there is no picture"),
        (["torn.zip"], "PICTURES: torn.zip (4 bytes) is no whole zip archive"),
    ],
)
def test_bad_arguments_leave_an_earlier_file(arguments, words, predict, pets):
    write_zip(pets.parent / "none.zip", [("readme.txt", b"no")])
    (pets.parent / "torn.zip").write_bytes(b"PK\3\4")
    if arguments == ["."]:
        shutil.rmtree(pets)
        (pets.parent / "none.zip").unlink()
    (pets.parent / "predictions.csv").write_text("mine")
    status, output, errors = predict(
        *(["--output", "predictions.csv"] if "--output" not in arguments else []), *arguments
    )
    assert (status, output) == (1, "")
    assert words in errors and "Traceback" not in errors
    assert (pets.parent / "predictions.csv").read_text() == "mine"
    assert not list(pets.parent.glob("*partial*"))


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_written_rows_are_kept_if_the_command_is_stopped(failure, predict, pets, monkeypatch):
    (pets.parent / "found.csv").write_text("mine")
    real = tl.export.load_predictor

    def load(folder):
        predictor = real(folder)

        def stream(files, reject):
            yield from list(predictor.stream(files, reject))[:2]
            assert len(read("found-partial.csv")) == 2, "rows are in the file as they come"
            raise failure

        return SimpleNamespace(classes=predictor.classes, describe=predictor.describe, stream=stream)

    monkeypatch.setattr("tlkit.export.predictor.load_predictor", load)
    status, output, errors = predict("pets", "--output", "found.csv")
    assert (status, output) == (130 if isinstance(failure, KeyboardInterrupt) else 1, "")
    advice = "tlkit: [Errno 28] No space left on device: free some space, then repeat the command\n"
    assert errors.endswith("stopped; 2 predictions are kept in found-partial.csv\n" + advice * (status == 1))
    assert (pets.parent / "found.csv").read_text() == "mine"
    assert read("found-partial.csv")["file_name"].tolist() == NAMES[:2]
    assert predict("pets", "--output", "found.csv")[0] == status
    assert sorted(path.name for path in pets.parent.glob("*partial*")) == ["found-partial-2.csv", "found-partial.csv"]


def test_a_run_without_an_export_is_predicted_by_torch(predict, pets, run, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    monkeypatch.setattr("tlkit.training.saved_run.load_run", lambda folder: run)
    status, output, errors = predict("pets", run=tmp_path / "run")
    assert status == 0
    assert errors == (
        f"torch is used, which starts slowly; `tlkit export {tmp_path}/run --kind openvino` avoids that\n"
    )
    assert read(io.StringIO(output)).equals(read(io.StringIO(predict("pets")[1])))
    status, output, errors = predict("pets", run=tmp_path)
    assert (status, output) == (1, "")
    expected = "expected a run that was exported as kind openvino\n"
    assert errors == f"tlkit: RUN: {tmp_path} has no OpenVINO export, {expected}"
    assert predict("pets", run=tmp_path / "gone")[2] == f"tlkit: RUN: {tmp_path}/gone is no folder, {expected}"


# The largest memory by getrusage would be that of the process that started this one.
PEAK = r"""
import re, sys
from pathlib import Path
from tlkit.cli import main
sys.argv[0] = "tlkit"
try:
    main()
finally:
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]
    print(peak, sorted({"torch", "pandas"} & set(sys.modules)))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_thousand_pictures_take_no_more_memory_than_two_hundred(exported, tmp_path):
    picture = encode(make_picture(1, (200, 150)))
    peaks = []
    for n_pictures in (200, 1000):
        write_zip(tmp_path / f"{n_pictures}.zip", [(f"{number}.png", picture) for number in range(n_pictures)])
        arguments = [exported, tmp_path / f"{n_pictures}.zip", "--output", tmp_path / f"{n_pictures}.csv"]
        done = run_command("predict", *arguments, code=PEAK)
        assert done.returncode == 0, done.stderr
        peak_kib, loaded = done.stdout.decode().splitlines()[-1].split(" ", 1)
        assert loaded == "[]"
        assert len(read(tmp_path / f"{n_pictures}.csv")) == n_pictures
        peaks.append(int(peak_kib) / 1024)
    assert peaks[1] - peaks[0] < 10, peaks  # the pixels of 800 pictures take 69 MiB
