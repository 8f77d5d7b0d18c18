"""The file of labels beside pictures: what is appended is read again, whatever happens in between."""

import csv
import hashlib
import itertools
import signal
import subprocess
import sys
import threading
from pathlib import PurePosixPath

import numpy as np
import pytest
from made_pictures import encode, make_picture, write_classes, write_zip

from tlkit.images import label_file
from tlkit.images.label_file import Entry, LabelFile
from tlkit.images.load import load_images

ODD = [
    "a,b.png",
    'say "hi".png',
    "two\nlines.png",
    "=1+2.png",
    "'=x.png",
    "Käse 写真.png",
    "deep/er/@home.png",
    "  s .png",
]
# Labels until it is killed, and names each edit once it is acknowledged.
LABELLER = """
import sys
from tlkit.images.label_file import Entry, LabelFile

file = LabelFile(sys.argv[1])
for number in range(100_000):
    file.append({f"{sys.argv[2]} {number}.png": Entry(f"{number}", "", "")})
    print(number, flush=True)
"""


def write_flat(folder, n_pictures):
    """Write pictures without class folders."""
    folder.mkdir()
    for number in range(n_pictures):
        make_picture(number).save(folder / f"{number}.png")
    return folder


def read_slowly(path):
    """Return {name: (label, group, dropped)} as another program reads it."""
    with open(path, encoding="utf-8", newline="") as file:
        return {row["file_name"]: (row["label"], row["group"], row["dropped"]) for row in csv.DictReader(file)}


def load(folder, **settings):
    """Return the set and the notice of a folder with a label file."""
    with pytest.warns(UserWarning, match="labels.csv is read") as notices:
        images = load_images(folder, **settings)
    (notice,) = notices
    return images, str(notice.message)


def list_labels(images):
    return {
        name.partition("/")[2]: images.classes[label] for name, label in zip(images.names, images.labels, strict=True)
    }


def test_edits_are_read_again_and_the_last_one_counts(tmp_path):
    file = LabelFile(tmp_path)
    file.append({"0.png": Entry("cat"), "1.png": Entry("dog", "", "0")})
    file.append({"0.png": Entry("dog", "g", "1")})
    expected = {"0.png": Entry("dog", "g", "1"), "1.png": Entry("dog", "", "0")}
    assert file.entries == LabelFile(tmp_path).entries == expected
    assert read_slowly(tmp_path / "labels.csv") == expected
    assert (tmp_path / "labels.csv").read_text().splitlines()[0] == "file_name,label,group,dropped,time"
    size = file.path.stat().st_size
    file.append({"0.png": Entry("dog", "g", "1")})
    assert file.path.stat().st_size == size  # nothing has changed


def test_undo_restores_the_earlier_state_step_by_step_also_in_a_new_process(tmp_path):
    file = LabelFile(tmp_path)
    steps = [{"a": Entry("x")}, {"a": Entry("y"), "b": Entry("y")}, {"a": Entry("x")}, {"b": Entry("y", "", "1")}]
    states = [{}]
    for step in steps:
        file.append(step)
        states.append(dict(file.entries))
    sizes = [file.path.stat().st_size]
    assert file.undo() == ["b"] and file.entries == states[3]
    assert file.undo() == ["a"] and file.entries == states[2]
    sizes.append(file.path.stat().st_size)
    assert sizes[0] < sizes[1]  # by lines of its own
    again = LabelFile(tmp_path)
    assert again.undo() == ["a", "b"]
    assert again.entries == {"a": Entry("x"), "b": Entry()}
    assert again.undo() == ["a"] and again.undo() == []
    assert set(again.entries.values()) == {Entry()}


def test_odd_names_and_labels_come_back(tmp_path):
    folder = tmp_path / "odd"
    for number, name in enumerate(ODD):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        make_picture(number).save(folder / name, "PNG")
    spelled = [name.replace("\n", "\\n") for name in ODD]
    labels = ["=cmd()", "ä, ö", '"', "'", "0", "1.0", "- x", "Ω"]
    LabelFile(folder).append({name: Entry(label) for name, label in zip(spelled, labels, strict=True)})
    expected = dict(zip(spelled, labels, strict=True))
    assert list_labels(load(folder)[0]) == expected
    with open(folder / "labels.csv", encoding="utf-8", newline="") as rows:
        assert not [cell for row in csv.reader(rows) for cell in row if cell[:1] in ("=", "+", "-", "@")]


def test_two_writers_lose_nothing(tmp_path):
    def write(start):
        file = LabelFile(tmp_path)
        for number in range(start, 60, 2):
            file.append({f"{number}": Entry(f"{number}")})

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert LabelFile(tmp_path).entries == {f"{number}": Entry(f"{number}") for number in range(60)}


def test_a_writer_sees_the_edits_of_another_and_undoes_the_last_one(tmp_path):
    first, second = LabelFile(tmp_path), LabelFile(tmp_path)
    first.append({"a": Entry("x")})
    second.append({"b": Entry("y")})
    assert second.entries == {"a": Entry("x"), "b": Entry("y")}
    assert first.undo() == ["b"]
    assert first.entries == {"a": Entry("x"), "b": Entry()}


@pytest.mark.slow
def test_twenty_kills_lose_no_acknowledged_edit(tmp_path):
    acknowledged = {}
    for number in range(20):
        command = [sys.executable, "-c", LABELLER, str(tmp_path), f"run {number}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            lines = list(itertools.islice(process.stdout, 3 + number))
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.readlines()
        acknowledged |= {f"run {number} {line.strip()}.png": Entry(line.strip()) for line in lines}
    entries = LabelFile(tmp_path).entries
    assert len(acknowledged) > 200
    assert {name: entries.get(name) for name in acknowledged} == acknowledged


@pytest.mark.parametrize("name", ['a "b", ä.png', "plain.png"])
def test_a_line_cut_off_anywhere_is_ignored_and_takes_no_other_with_it(tmp_path, name):
    first = LabelFile(tmp_path)
    first.append({"first": Entry("x")})
    whole = first.path.read_bytes()
    first.append({name: Entry("label, two", "g", "0")})
    line = first.path.read_bytes()[len(whole) :]
    for n_kept in range(1, len(line)):
        first.path.write_bytes(whole + line[:n_kept])
        file = LabelFile(tmp_path)
        assert file.entries.pop("first") == Entry("x")
        # Once the comma before the time is there, the edit is.
        assert file.entries in ({}, {name: Entry("label, two", "g", "0")})
        assert len(file.entries) == (n_kept > line.rindex(b","))
        file.append({"next": Entry("z")})
        assert LabelFile(tmp_path).entries["next"] == Entry("z")
        assert LabelFile(tmp_path).entries["first"] == Entry("x")


def test_damaged_lines_are_ignored_one_by_one(tmp_path):
    file = LabelFile(tmp_path)
    file.append({"a": Entry("x")})
    with open(file.path, "ab") as stream:
        stream.write(b'b,"x" y,,,t\nc,x\n"d,x,,,t\n\ne,x,,,t,t\n\xff\xfe,z,,,t\n')
    LabelFile(tmp_path).append({"f": Entry("y")})
    assert LabelFile(tmp_path).entries == {"a": Entry("x"), "яю": Entry("z"), "f": Entry("y")}


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = LabelFile(tmp_path)
    file.append({"a": Entry("x")})
    content = file.path.read_bytes()
    with monkeypatch.context() as broken:
        broken.setattr(label_file.os, "fsync", lambda _number: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space"):
            file.append({"a": Entry("y")})
    assert file.path.read_bytes() == content and file.entries == {"a": Entry("x")}
    file.append({"a": Entry("z")})
    assert file.undo() == ["a"] and file.entries == {"a": Entry("x")}


def test_a_file_of_other_columns_is_refused_for_edits_and_counted_by_load_images(tmp_path):
    write_classes(tmp_path, {"cat": 2, "dog": 2})
    (tmp_path / "labels.csv").write_text("name,breed\n0.png,tabby\n")
    with pytest.raises(ValueError, match="other columns than file_name, label, group, dropped, time"):
        LabelFile(tmp_path)
    (tmp_path / "notes.csv").write_text("mine")
    found = "labels.csv isn't read: its columns aren't file_name, label, group, dropped, time; correct them, or "
    with pytest.warns(UserWarning, match=rf"{found}load it as a table; other files left out: 1 \.csv$"):
        assert len(load_images(tmp_path)) == 4
    folder = write_flat(tmp_path / "flat", 2)
    (folder / "labels.csv").write_text("file_name,label\n0.png,cup\n1.png,pen\n")
    with pytest.raises(ValueError, match=f"holds 2 pictures in no class folder.*; {found}load it as a table; pictures"):
        load_images(folder)
    assert list_labels(load_images(folder / "labels.csv")) == {"cup/0.png": "cup", "pen/1.png": "pen"}


def test_people_edit_the_file_by_hand(tmp_path):
    folder = write_flat(tmp_path / "desk", 4)
    path, header = folder / "labels.csv", "File_Name,Label,Group,Dropped,Time\n"
    path.write_text(header + "0.png , cup, ,no,\n1.png, pen ,,FALSE,\n2.png,pen,,,\n3.png,pen,,x,\n")
    images, notice = load(folder)
    assert list_labels(images) == {"0.png": "cup", "1.png": "pen", "2.png": "pen"}
    assert notice.endswith("it has labels of 4 pictures and groups of 0, and drops 1")
    LabelFile(folder).append({"3.png": Entry("cup")})
    assert list_labels(load(folder)[0]) == {"0.png": "cup", "1.png": "pen", "2.png": "pen", "3.png": "cup"}
    path.write_text(f"{header}{folder}/0.png,cup,,,\n1.PNG,pen,,,\n")
    with pytest.raises(
        ValueError, match=f"no class folder.*; it names 2 files that aren't there, the first {folder}/0"
    ):
        load_images(folder)


def test_a_spreadsheet_may_have_saved_the_file(tmp_path):
    LabelFile(tmp_path).append({"ä.png": Entry("x"), "b.png": Entry("y", "", "0")})
    path = tmp_path / "labels.csv"
    path.write_text(path.read_text("utf-8").replace(",", ";").replace("\n", "\r\n"), "utf-8-sig", newline="")
    file = LabelFile(tmp_path)
    assert file.entries == {"ä.png": Entry("x"), "b.png": Entry("y", "", "0")}
    file.append({"c.png": Entry("z; zz")})
    assert LabelFile(tmp_path).entries == file.entries
    assert len(file.entries) == 3


@pytest.mark.parametrize(
    ("encoding", "label"),
    [
        ("cp1252", "Käse"),
        ("cp1251", "кошка"),
        ("gbk", "杯子"),
        ("utf-8-sig", "Käse"),
        *[("cp1252", x) for x in ("5 €", "x²")],
    ],
)
def test_labels_keep_their_letters_whatever_a_spreadsheet_does(tmp_path, encoding, label):
    """Excel saves in the encoding of its country and fills rows up with separators; R and LibreOffice quote cells."""
    folder = write_flat(tmp_path / "desk", 5)
    file = LabelFile(folder)
    file.append({f"{number}.png": Entry(label if number % 2 else "pen") for number in range(4)})
    text = file.path.read_text("utf-8").replace("file_name,label", '"file_name","label"')
    file.path.write_text(text.replace(",", ";").replace("\n", "\r\n") + ";;;;\r\n", encoding, newline="")
    LabelFile(folder).append({"4.png": Entry("Öl ✓")})  # in UTF-8
    images, notice = load(folder)
    expected = {f"{number}.png": label if number % 2 else "pen" for number in range(4)}
    assert list_labels(images) == expected | {"4.png": "Öl ✓"}
    assert notice.endswith("it has labels of 5 pictures and groups of 0, and drops 0")


def test_class_folders_are_relabelled_dropped_and_grouped(tmp_path):
    folder = write_classes(tmp_path / "pets", {"cat": 4, "dog": 4, "new": 1})
    plain = load_images(folder)
    LabelFile(folder).append(
        {
            "cat/0.png": Entry("dog"),
            "cat/1.png": Entry("", "couple"),
            "dog/1.png": Entry("", "couple", "0"),
            "new/0.png": Entry("", "", "1"),
            "cat/gone.png": Entry("cat"),
        }
    )
    images, notice = load(folder)
    labels = {name: label for name, label in list_labels(plain).items() if label != "new"} | {"cat/0.png": "dog"}
    assert list_labels(images) == labels
    assert len(images) == 8 and len(np.unique(images.groups)) == 7
    names = images.names.tolist()
    groups = [images.groups[names.index(f"pets/{name}")] for name in ("cat/1.png", "dog/1.png")]
    assert groups[0] == groups[1]
    assert "labels of 1 pictures and groups of 2, and drops 1" in notice
    assert "names 1 files that aren't there, the first cat/gone.png" in notice
    assert "no picture in the class folders new" in notice and "csv" not in notice.partition("labels.csv")[2]


@pytest.mark.parametrize("packed", [False, True])
def test_a_flat_folder_has_the_labels_of_its_file(tmp_path, packed):
    folder = write_flat(tmp_path / "desk", 6)
    edits = {f"{number}.png": Entry("cup" if number % 2 else "pen") for number in range(5)}
    LabelFile(folder).append(edits | {"4.png": Entry("pen", "", "1")})
    with open(folder / "labels.csv", "a") as file:
        file.write('"5.png,cup')
    source = folder
    if packed:
        files = [(f"desk/{path.name}", path.read_bytes()) for path in folder.iterdir()]
        source = write_zip(tmp_path / "desk.zip", files)
    images, notice = load(source)
    assert list_labels(images) == {f"{number}.png": "cup" if number % 2 else "pen" for number in range(4)}
    assert "1 picture without a label, the first 5.png, left out" in notice
    assert "1 lines that aren't whole" in notice


def test_without_labels_a_flat_folder_is_refused_as_before(tmp_path):
    folder = write_flat(tmp_path / "desk", 3)
    LabelFile(folder).append({"0.png": Entry("", "", "1")})
    with pytest.raises(ValueError, match="no class folder"):
        load_images(folder)
    LabelFile(folder).append({"1.png": Entry("cup")})
    with pytest.raises(ValueError, match="has one class, 'cup'"):
        load_images(folder)


def test_pictures_are_never_touched(tmp_path):
    folder = write_classes(tmp_path / "pets", {"cat": 3, "dog": 3})
    (folder / "note.txt").write_bytes(encode(make_picture(9)))

    def list_states():
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and "labels.csv" not in path.name)
        return [(path, path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest()) for path in paths]

    before = list_states()
    file = LabelFile(folder)
    file.append({"cat/0.png": Entry("", "", "1")})
    file.undo()
    file.append({"dog/0.png": Entry("cat")})
    load(folder)
    assert list_states() == before and len(before) == 7
    assert {PurePosixPath(name).suffix for name in file.entries} == {".png"}
