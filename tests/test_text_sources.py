"""Texts from tables, lists, folders and datasets, and those that are refused."""

import types
import unicodedata
import zipfile

import numpy as np
import pandas as pd
import pytest

import tlkit as tl
from tlkit.texts.sources import gather_texts

TEXTS = [f"{word} {number}" for number, word in enumerate(["red", "green", "blue", "white", "black", "grey"])]
ROWS = [{"text": text, "label": "ab"[row % 2], "author": f"p{row // 2}"} for row, text in enumerate(TEXTS)]


class Rows:
    """Rows as Hugging Face gives them; its classes are not in alphabetical order."""

    features = types.MappingProxyType({"text": None, "label": types.SimpleNamespace(names=["neg", "ant"])})
    column_names = ("text", "label", "author")

    def __len__(self):
        return len(ROWS)

    def __getitem__(self, index):
        if isinstance(index, str):
            return [self[row][index] for row in range(len(self))]
        return ROWS[index] | {"label": index % 2}


class Pairs:
    """A dataset of (text, label)."""

    classes = ("neg", "ant")

    def __len__(self):
        return len(TEXTS)

    def __getitem__(self, index):
        return TEXTS[index], index % 2


def read_all(texts):
    return [texts.read(row) for row in range(len(texts))]


@pytest.mark.parametrize(
    "make",
    [
        lambda: tl.load_texts(ROWS),
        lambda: tl.load_texts(pd.DataFrame(ROWS)),
        lambda: tl.load_texts([(row["text"], row["label"]) for row in ROWS]),
        lambda: tl.load_texts(TEXTS, label=list("ababab")),
        lambda: tl.load_texts(np.array(TEXTS), label=pd.Series(list("ababab"))),
        lambda: tl.load_texts(Rows()),
        lambda: tl.load_texts(Pairs()),
    ],
)
def test_each_form_of_a_source_gives_the_same_texts(make):
    texts = make()
    assert type(texts) is tl.TextSet and read_all(texts) == TEXTS
    assert texts.classes in (["a", "b"], ["neg", "ant"]) and texts.labels.tolist() == [0, 1] * 3
    assert len(set(texts.groups)) == 6


def test_columns_are_taken_by_name(tmp_path):
    table = pd.DataFrame(ROWS).assign(
        site=list("xxxyyy"), fold=[0, 0, 1, 1, 2, 2], title=TEXTS[::-1], number=[9, 10] * 3
    )
    table.to_csv(tmp_path / "all.csv", index=False)
    for source in (table, tmp_path / "all.csv"):
        texts = tl.load_texts(source, group="author", domain="site", fold="fold")
        assert texts.groups.tolist() == table.author.tolist() and texts.domains.tolist() == table.site.tolist()
        assert texts.folds.tolist() == table.fold.tolist() and texts.names[0] == "x/a/0"
        texts = tl.load_texts(source, text="title", label="number")
        assert read_all(texts) == TEXTS[::-1] and texts.classes == ["9", "10"]
    assert tl.load_texts(Rows(), group="author").groups.tolist() == table.author.tolist()


def test_cells_of_a_csv_file_are_left_as_they_are(tmp_path):
    given = [
        ' two\nlines, "quoted" ',
        "1234",
        "line\u2028separator\x0b",
        "猫は、ネコ",
        "e\u0301 and \u212b",
        "end\r\nhere",
    ]
    pd.DataFrame({"text": given, "label": [" a", "b "] * 3}).to_csv(tmp_path / "odd.csv", index=False)
    texts = tl.load_texts(tmp_path / "odd.csv")
    assert read_all(texts) == [unicodedata.normalize("NFC", text) for text in given] != given
    assert texts.classes == ["a", "b"]


def test_folder_and_zip_of_class_folders(tmp_path):
    for row, text in enumerate(TEXTS):
        path = tmp_path / "films" / "ab"[row % 2] / f"{row}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\xef\xbb\xbf" * (row == 3) + f"{text} é\n".encode())
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        for path in sorted((tmp_path / "films").rglob("*.txt")):
            archive.write(path, path.relative_to(tmp_path))
    for source in (tmp_path / "films", tmp_path / "films.zip"):
        texts = tl.load_texts(source)
        assert read_all(texts) == [f"{TEXTS[row]} é\n" for row in (0, 2, 4, 1, 3, 5)]
        assert set(texts.domains) == {"films"} and texts.names[3] == "films/b/1.txt"
    (tmp_path / "films" / "a" / "0.txt").write_bytes("größer".encode("latin-1"))
    with pytest.raises(ValueError, match=r"0\.txt is not encoded as UTF-8"):
        tl.load_texts(tmp_path / "films")
    with pytest.raises(ValueError, match=r"holds no picture \(only 6 .txt\)"):
        tl.load_images(tmp_path / "films")
    for path in (tmp_path / "films").rglob("*.txt"):
        path.rename(path.with_suffix(".md"))
    with pytest.raises(
        ValueError, match=r"holds no text \(only 6 .md\), expected a folder for each class with its texts"
    ):
        tl.load_texts(tmp_path / "films")


def test_splits_in_a_folder_are_named_with_the_right_call(tmp_path):
    for split in ("train", "test"):
        for name in "ab":
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "1.txt").write_text(split + name)
    with pytest.raises(ValueError, match=r'look like splits: take load_texts\(".*/test"\) and load_texts\('):
        tl.load_texts(tmp_path)
    assert len(tl.load_texts(tmp_path, inside="train")) == 2


def change(row, **cells):
    return [given | cells if number == row else given for number, given in enumerate(ROWS)]


@pytest.mark.parametrize(
    ("source", "arguments", "error", "message"),
    [
        (change(2, text=""), {}, ValueError, "text: missing for 1 of 6 rows of the list, the first is number 2"),
        (change(2, text=" \n"), {}, ValueError, "text: missing for 1 of 6 rows of the list, the first is number 2"),
        (change(2, text=None), {}, ValueError, "text: missing for 1 of 6 rows of the list, the first is number 2"),
        (change(2, text=float("nan")), {}, ValueError, "text: missing for 1 of 6 rows of the list"),
        (pd.DataFrame(change(2, text=pd.NA)), {}, ValueError, "text: missing for 1 of 6 rows of the table"),
        (change(2, text=3.5), {}, TypeError, r"row 2 of the list is a float \('3.5'\), expected a text"),
        (change(2, text=b"bytes"), {}, TypeError, "row 2 of the list is a bytes"),
        (change(2, text="half \ud83d here"), {}, ValueError, r"row 2 of the list holds '\\ud83d' at character 5, half"),
        (change(2, label=None), {}, ValueError, "label: missing for 1 of 6 rows of the list"),
        (change(2, label=3), {}, TypeError, "row 0 is 'a' and row 2 is 3 of the list, expected one class per text"),
        (ROWS, {"text": "body"}, ValueError, "of texts of the name 'body'; its columns are 'text', .*: use text="),
        (ROWS, {"text": 0}, ValueError, "no column of texts of the name 0; its columns are 'text'"),
        (change(0, review="x"), {}, ValueError, "several columns of texts; .*: use text="),
        (ROWS, {"group": "writer"}, ValueError, "no column 'writer'; its columns are"),
        (ROWS, {"group": ["one"] * 5}, ValueError, "group: 5, expected 6, one per text"),
        (TEXTS, {}, TypeError, r"entry 0 is 'red 0', expected \(text, label\) or a dict of columns"),
        (TEXTS, {"label": ["a"]}, ValueError, "label: 1 labels of 6 texts, expected one label per text"),
        (ROWS[::2], {}, ValueError, r"3 texts in one class \(a\), expected two classes or more: add texts"),
        ([], {}, ValueError, "an empty list"),
        ("A film that I liked", {}, FileNotFoundError, "nor a bundled set of that name; bundled sets"),
        ("emoji", {"label": "class"}, ValueError, "label: 'class', but the bundled set has no columns"),
        ("emoji", {"domain": "es"}, ValueError, "domain: 'es'"),
        ("emoji", {"domain": []}, ValueError, "names none, expected some of"),
        ({"train": ROWS}, {}, TypeError, "give one of its splits"),
    ],
)
def test_what_is_wrong_is_named(source, arguments, error, message):
    with pytest.raises(error, match=message):
        tl.load_texts(source, **arguments)


def test_csv_file_in_another_encoding_is_named(tmp_path):
    pd.DataFrame({"text": ["größer", "klein"], "label": ["a", "b"]}).to_csv(tmp_path / "a.csv", encoding="latin-1")
    with pytest.raises(ValueError, match=r"a\.csv is not encoded as UTF-8"):
        tl.load_texts(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("text,label\n" + "x" * 200_000 + ",a\ny,b\n")
    with pytest.raises(ValueError, match=r"b\.csv can't be read .*field larger"):
        tl.load_texts(tmp_path / "b.csv")


def test_equal_texts_share_a_group_and_are_named_if_their_labels_differ():
    with pytest.warns(UserWarning, match="1 text in more than one class, the first a/0 = b/3: remove the wrong copies"):
        texts = tl.load_texts(change(3, text="red 0"))
    assert texts.groups[0] == texts.groups[3] and len(set(texts.groups)) == 5
    # The same text in another encoding of its letters is the same text.
    assert (
        tl.load_texts([("e\u0301", "a"), ("\u00e9", "a"), ("x", "b")]).groups.tolist()[:2]
        == [texts_group("\u00e9")] * 2
    )


def texts_group(text):
    return tl.load_texts([(text, "a"), ("y", "b")]).groups[0]


def test_texts_without_labels_are_gathered():
    assert read_all(gather_texts("one text")) == ["one text"] and type(gather_texts("x")) is tl.TextSet
    for given in (TEXTS, tuple(TEXTS), np.array(TEXTS), pd.Series(TEXTS), [(text, 1) for text in TEXTS]):
        assert read_all(gather_texts(given)) == TEXTS
    texts = tl.load_texts(ROWS)
    assert gather_texts(texts) is texts
    for wrong, message in (
        (3, "texts: a int, expected a TextSet"),
        (pd.DataFrame(ROWS), "texts: a DataFrame"),
        ({"one text": 1}, "texts: a dict"),
        (set(TEXTS), "texts: a set"),
        (["a", 3], r"item 1 is a int \('3'\)"),
    ):
        with pytest.raises(TypeError, match=message):
            gather_texts(wrong)
    with pytest.raises(ValueError, match="text: item 1 is an empty text: leave it out"):
        gather_texts(["a", " "], "text")
