"""Tables, rows and lists of pictures in the forms that users hold."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_pictures import encode, make_picture
from PIL import Image

from tlkit.images import load_images


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Return twelve pictures as a table; four patients have three each."""
    (tmp_path / "pictures").mkdir()
    for number in range(12):
        make_picture(number).save(tmp_path / "pictures" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    numbers = range(12)
    return pd.DataFrame(
        {
            "path": [f"pictures/{number}.png" for number in numbers],
            "label": ["cat" if number % 2 else "dog" for number in numbers],
            "number": [number % 2 + 9 for number in numbers],
            "patient": [f"p{number // 3}" for number in numbers],
            "site": ["a" if number < 6 else "b" for number in numbers],
            "official": [number // 3 for number in numbers],
        }
    )


def test_columns_of_a_table_are_taken_by_name(table):
    images = load_images(table, group="patient", domain="site", fold="official")
    assert [images.classes[label] for label in images.labels] == table.label.tolist()
    assert images.groups.tolist() == table.patient.tolist() and images.domains.tolist() == table.site.tolist()
    assert images.folds.tolist() == table.official.tolist() and images.names[0] == "a/dog/0.png"
    assert images.digest(3) == load_images(
        [(path, "x y"[number % 2 * 2]) for number, path in enumerate(table.path)]
    ).digest(3)


def test_paths_in_a_csv_file_are_relative_to_it(table, tmp_path, monkeypatch):
    table.to_csv("all.csv", index=False)
    table.to_csv("semicolon.csv", index=False, sep=";", encoding="utf-8-sig")
    monkeypatch.chdir("/")
    images = load_images(tmp_path / "all.csv", group="patient")
    assert images.groups.tolist() == table.patient.tolist() and set(images.domains) == {"all"}
    assert load_images(tmp_path / "semicolon.csv").content_hash == images.content_hash


def test_labels_that_are_numbers_keep_their_order(table, tmp_path):
    table.to_csv("all.csv", index=False)
    for source in (table, tmp_path / "all.csv"):
        images = load_images(source, label="number")
        assert images.classes == ["9", "10"] and images.labels.tolist() == [0, 1] * 6


def test_row_left_out_does_not_shift_the_columns(table):
    Path("pictures/0.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="1 of 12 pictures can't be read"):
        images = load_images(table, group="patient", domain="site", fold="official", bad="skip")
    assert images.groups.tolist() == table.patient.tolist()[1:] and images.folds.tolist() == table.official.tolist()[1:]
    assert images.domains.tolist() == table.site.tolist()[1:]


def test_tables_of_pyarrow_are_read_by_their_columns(table):
    pyarrow = pytest.importorskip("pyarrow")
    expected = load_images(table, label="number", group="patient")
    made = pyarrow.Table.from_pandas(table)
    parts = pyarrow.concat_tables([made.slice(0, 5), made.slice(5)])
    encoded = made.set_column(1, "label", made["label"].dictionary_encode())
    for source in (made, parts, made.to_batches()[0]):
        images = load_images(source, label="number", group="patient")
        assert images.content_hash == expected.content_hash and images.groups.tolist() == expected.groups.tolist()
    assert load_images(encoded).classes == ["cat", "dog"]
    with pytest.raises(ValueError, match="group: a Series of another index"):
        load_images(made, group=table.patient[::-1])


def test_a_lazy_table_is_collected(table):
    class Lazy:
        def collect(self):
            return table

    assert load_images(Lazy()).content_hash == load_images(table).content_hash


def change(**columns):
    return lambda table: table.assign(**{name: [first, *table[name][1:]] for name, first in columns.items()})


@pytest.mark.parametrize(
    ("make", "arguments", "error", "message"),
    [
        (lambda table: table, {"label": "lable"}, ValueError, "no column 'lable'; its columns are 'path', 'label'"),
        (lambda table: table, {"group": "patients"}, ValueError, "no column 'patients'; its columns are"),
        (lambda table: table, {"domain": "photo"}, ValueError, "no column 'photo'; its columns are"),
        (lambda table: table[["path"]], {}, ValueError, "label: the table has no column of the usual names"),
        (lambda table: table.assign(image=table.path), {}, ValueError, "several columns of pictures"),
        (lambda table: table[["label"]], {}, ValueError, "no column of pictures"),
        (lambda table: table.assign(label=table.label)[["path", "label", "label"]], {}, ValueError, "2 times a column"),
        (lambda table: table[:0], {}, ValueError, "no rows"),
        (change(label=np.nan), {}, ValueError, "label: missing for 1 of 12 rows of the table, the first is number 0"),
        (change(label=pd.NA), {}, ValueError, "label: missing for 1 of 12 rows of the table"),
        (change(path=None), {}, ValueError, "picture: missing for 1 of 12 rows of the table"),
        (change(patient=np.nan), {"group": "patient"}, ValueError, "groups: missing for 1 of 12 pictures"),
        (change(site=""), {"domain": "site"}, ValueError, "domain: missing for 1 of 12 rows of the table"),
        (change(label=7), {}, TypeError, "row 0 is 7 and row 1 is 'cat'"),
        (lambda table: table.assign(label=table.number / 2), {}, TypeError, r"row 0 is 4\.5.*astype\(int\)"),
        (change(path="gone.png"), {}, ValueError, "no such file"),
        (lambda table: pd.concat([table, table[:1]]), {}, ValueError, "rows 0 and 12 of the table are one file"),
        (lambda table: table, {"fold": "number"}, ValueError, "fold: 9, expected a whole number from 0 to 4"),
        (
            lambda table: table.assign(official=[*range(4)] * 3),
            {"group": "patient", "fold": "official"},
            ValueError,
            "p0",
        ),
        (lambda table: table, {"group": [1, 2]}, ValueError, "group: 2, expected 12, one per picture"),
        (lambda table: table, {"inside": "a"}, ValueError, "inside"),
        (lambda table: table[::-1], {"group": pd.Series(range(12))}, ValueError, "group: a Series of another index"),
        (lambda table: table[6:], {"fold": pd.Series([0, 1] * 3)}, ValueError, "fold: a Series of another index"),
        (
            lambda table: table.rename(columns={"path": "pictures/a.png"}),
            {},
            ValueError,
            "begins with 'pictures/a.png'",
        ),
    ],
)
def test_tables_that_could_be_misread_are_refused(table, make, arguments, error, message):
    with pytest.raises(error, match=message):
        load_images(make(table), **arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "0 rows, expected a header"),
        ("image,label\na.png,cat,x\n", "row 0 of .* has 3 cells, expected 2"),
        ("image,label\na.png,0.5\nb.png,1\n", "row 0 is 0.5"),
        ("a.png,cat\nb.png,dog\nc.png,cat\n", "begins with 'a.png', 'cat', expected the columns' names"),
    ],
)
def test_csv_files_that_could_be_misread_are_refused(tmp_path, text, message):
    (tmp_path / "all.csv").write_text(text)
    with pytest.raises((ValueError, TypeError), match=message):
        load_images(tmp_path / "all.csv")


def test_csv_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "all.csv").write_bytes("image,label\n0.png,Bär\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not encoded as UTF-8"):
        load_images(tmp_path / "all.csv")


def test_last_row_of_a_picture_counts_in_a_table_of_changes(table, tmp_path):
    rows = [("0", "cat", "", 1), ("1", "dog", "", 2), ("2", "dog", "", 3), ("0", "dog", "", 4), ("3", "cat", "", 5)]
    rows.append(("2", "dog", "1", 6))
    lines = [f"pictures/{name}.png,{label},{dropped},{time}" for name, label, dropped, time in rows]
    (tmp_path / "labels.csv").write_text("\n".join(["file_name,label,dropped,time", *lines]))
    images = load_images(tmp_path / "labels.csv")
    assert images.titles.tolist() == ["0.png", "1.png", "3.png"] and images.labels.tolist() == [1, 1, 0]


def test_pictures_in_memory_come_as_rows_or_pairs():
    pictures = [make_picture(number) for number in range(4)]
    pairs = [(picture, np.int64(number % 2)) for number, picture in enumerate(pictures)]
    expected = load_images(pairs)
    assert expected.classes == ["0", "1"] and expected.labels.tolist() == [0, 1, 0, 1]
    assert np.array_equal(np.asarray(expected.read(3)), np.asarray(pictures[3]))
    rows = [{"image": picture, "label": label} for picture, label in pairs]
    arrays = [(np.asarray(picture), label) for picture, label in pairs]
    for source in (rows, arrays, zip(pictures, [0, 1, 0, 1], strict=True)):
        assert load_images(source).content_hash == expected.content_hash
    encoded = [{"image": {"bytes": encode(picture), "path": None}, "label": label} for picture, label in pairs]
    assert np.array_equal(np.asarray(load_images(encoded).read(3)), np.asarray(pictures[3]))


def test_tensors_are_pictures_with_the_channels_first():
    torch = pytest.importorskip("torch")
    pixels = np.stack([np.asarray(make_picture(number)) for number in range(3)])
    tensors = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2)
    for values in (tensors, tensors / 255):
        images = load_images(list(zip(values, ["a", "b", "a"], strict=True)))
        assert np.array_equal(np.asarray(images.read(1)), pixels[1])
    crossed = torch.eye(9, dtype=torch.bfloat16).expand(3, 9, 9)
    images = load_images([(crossed, "a"), (1 - crossed, "b")])
    assert np.array_equal(np.asarray(images.read(0))[:, :, 2], np.eye(9) * 255)
    with pytest.raises(ValueError, match="leave out Normalize"):
        load_images([(tensors[0] / 100, "a"), (tensors[1] / 255, "b")])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"image": "a.png", "label": 0}, {"image": "b.png"}], "row 1 has no 'label'; it has 'image'"),
        ([{"image": "a.png", "label": 0}, ("b.png", 1)], "row 1 has no 'image'"),
        ([("a.png", 0, 1)], "entry 0"),
        ([("a.png", [0, 1])], r"label: row 0 is \[0, 1\]"),
        ({"train": [], "test": []}, r"one of its splits, as in source\['train'\]"),
    ],
)
def test_rows_that_could_be_misread_are_refused(rows, message):
    with pytest.raises((TypeError, ValueError), match=message):
        load_images(rows)


def test_columns_are_refused_for_folders(table, tmp_path):
    for argument in ("label", "fold", "group"):
        with pytest.raises(ValueError, match=f"{argument}: 'x', but a folder or zip has no columns"):
            load_images(tmp_path, inside="pictures", **{argument: "x"})


def test_a_series_of_the_tables_own_index_is_taken(table):
    table = table[::-1]
    assert load_images(table, group=table.patient).groups.tolist() == table.patient.tolist()


def test_the_usual_column_of_groups_is_found_in_any_case(table):
    table = table.rename(columns={"patient": "Group"})
    assert load_images(table).groups.tolist() == table.Group.tolist()


def test_a_column_of_splits_that_is_not_read_is_told(table):
    table = table.assign(Split=["train"] * 8 + ["test"] * 4, part=[0] * 8 + [1] * 4)
    with pytest.warns(UserWarning, match="the table: the column 'Split' isn't read, so its parts are mixed"):
        load_images(table)
    assert load_images(table.rename(columns={"Split": "subset", "part": "x"}), label="subset").classes == [
        "test",
        "train",
    ]


def test_labels_joined_to_one_text_are_told(table):
    with pytest.warns(UserWarning, match=r"the table: 'cat\|dog' and others are taken as one class each; for several"):
        assert load_images(table.replace({"label": {"cat": "cat|dog"}})).classes == ["cat|dog", "dog"]


def test_commas_between_quotes_are_no_delimiters(table, tmp_path):
    lines = [f"{row.path};{row.label};1" for row in table.itertuples()]
    (tmp_path / "all.csv").write_text("\n".join(['path;label;"age, sex, weight, height"', *lines]))
    assert load_images(tmp_path / "all.csv").content_hash == load_images(table).content_hash


def test_a_picture_closed_before_it_was_read_is_named(table):
    closed = []
    for path in table.path:
        with Image.open(path) as picture:
            closed.append((picture, "cat"))
    loaded = []
    for path, label in zip(table.path, table.label, strict=True):
        with Image.open(path) as picture:
            picture.load()
            loaded.append((picture, label))
    assert load_images(loaded).labels.tolist() == load_images(table).labels.tolist()
    with pytest.raises(ValueError, match=r"row 0 was closed before its pixels were read: call its load\(\) first"):
        load_images(closed)
