"""Tables of pictures or texts: CSV files, DataFrames, rows as dicts, and lists of (file, label)."""

import csv
import dataclasses
import functools
import io
import operator
import os
import re
import typing
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tlkit.arguments import check_count, check_present
from tlkit.images.datasets import Items, PictureItem, open_dataset, read_pairs, read_tensor
from tlkit.images.files import PictureFile
from tlkit.images.formats import EXTENSIONS
from tlkit.images.inputs import hold_pixels
from tlkit.images.label_file import parse_edits
from tlkit.images.layout import PICTURES, Medium
from tlkit.images.splits import N_FOLDS, find_straddling
from tlkit.names import number_repeats
from tlkit.notices import warn

# Usual names of columns, in lower case.
_LABELS = {"label", "labels", "class", "class_name", "target", "category"}
_SPLITS = {"split", "subset", "partition", "set", "data set", "data_set", "dataset", "usage", "phase"}


class Columns(typing.NamedTuple):
    """A source by columns: pictures in any form or texts, and one entry per picture of the others, or None."""

    location: str
    pictures: list
    labels: list
    classes: list | None = None  # names of labels that are numbers
    groups: list | None = None
    domains: list | None = None
    folds: list | None = None
    folder: str = ""  # of relative paths
    has_names: bool = False
    medium: Medium = PICTURES


def read_columns(source, wanted, medium=PICTURES):
    """Return the `Columns` of a CSV file (Path), DataFrame, list or dataset; `wanted` is {argument: name or None}."""
    if isinstance(source, Path):
        location, folder = str(source), os.path.dirname(os.path.abspath(source))
        return _choose(location, *_read_csv(source, medium), wanted, medium, folder=folder)
    source = source.collect() if hasattr(source, "collect") else source  # a lazy table of polars
    source = source.to_pandas() if hasattr(source, "to_pylist") else source  # a table of pyarrow
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        for argument, given in wanted.items():  # by their place the entries would be those of other rows
            if hasattr(given, "iloc") and not given.index.equals(getattr(source, "index", None)):
                raise ValueError(f"{argument}: a Series of another index than the table's, expected a column's name")
        return _choose("the table", list(source.columns), lambda name: list(source[name]), wanted, medium)
    if hasattr(source, "__next__") or isinstance(source, zip | map):
        source = list(source)
    dataset, indices = open_dataset(source)
    location = "the list" if isinstance(dataset, list | tuple) else f"the {type(dataset).__name__}"
    first = dataset[indices[0]]
    if isinstance(first, Mapping):
        read = functools.partial(_read_column, dataset, indices)
        return _choose(location, list(first), read, wanted, medium, dataset=dataset, indices=indices)
    for argument, name in wanted.items():
        if isinstance(name, str) and argument != "domain":
            kind = f"({medium.noun}, label) without columns of names"
            raise ValueError(f"{argument}: {name!r}, but {location} holds {kind}")
    if isinstance(dataset, list | tuple):
        pairs = [dataset[index] for index in indices]
        for row, pair in enumerate(pairs):
            if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
                expected = f"expected {medium.pair} or a dict of columns"
                raise TypeError(f"source: entry {row} is {str(pair)[:80]!r}, {expected}")
        columns = Columns(location, [picture for picture, _ in pairs], [label for _, label in pairs])
    else:
        columns = Columns(location, *read_pairs(dataset, indices))
    return columns._replace(groups=wanted["group"], folds=wanted["fold"], medium=medium)


def list_entries(columns):
    """Return ([(path, class, file)], classes in their order or None) of `Columns`."""
    if not columns.pictures:
        raise ValueError(f"source: {columns.location} has no rows, expected one per {columns.medium.noun}")
    check_present(columns.medium.noun, columns.pictures, f"rows of {columns.location}")
    files = [_make_file(row, picture, columns) for row, picture in enumerate(columns.pictures)]
    if columns.has_names:
        rows = {}
        for row, (_, file) in enumerate(files):
            if isinstance(file, PictureFile) and (first := rows.setdefault(file.location, row)) != row:
                raise ValueError(f"source: rows {first} and {row} of {columns.location} are one file: {file.location}")
    labels, classes = _name_labels(columns)
    return [(name, label, file) for (name, file), label in zip(files, labels, strict=True)], classes


def complete(images, entries, columns, classes=None):
    """Return the `ImageSet` made from the entries with classes, domains, groups and folds of the columns."""
    rows = {id(file): row for row, (_, _, file) in enumerate(entries)}
    kept = [rows[id(file)] for file in images.pictures]
    if classes is not None:
        images = images.with_classes(classes)
    if columns.domains is not None:
        check_present("domain", columns.domains, f"rows of {columns.location}")
        domains = [str(columns.domains[row]).strip() for row in kept]
        names = number_repeats(f"{domain}/{entries[row][0]}" for domain, row in zip(domains, kept, strict=True))
        images = dataclasses.replace(images, domains=domains, names=names)
    if (given := columns.groups) is not None:
        is_function = callable(given) or isinstance(given, Mapping)
        images = images.with_groups(given if is_function else _select("group", given, rows, kept, images.noun))
    if columns.folds is not None:
        folds = _select("fold", columns.folds, rows, kept, images.noun)
        folds = [check_count("fold", fold, 0, N_FOLDS - 1) for fold in folds]
        if straddling := find_straddling(images.groups, np.array(folds)):
            names = images.names[images.groups == straddling]
            folds = f"several folds ({', '.join(names[:4])})"
            raise ValueError(f"fold: {images.noun}s of group {straddling!r} are in {folds}: correct or omit the folds")
        images = dataclasses.replace(images, folds=folds)
    return images


def _select(argument, values, rows, kept, noun):
    """Return the values of the kept rows, after checking that there is one per row."""
    values = list(values)
    if len(values) != len(rows):
        raise ValueError(f"{argument}: {len(values)}, expected {len(rows)}, one per {noun}")
    return [values[row] for row in kept]


def _choose(location, names, read, wanted, medium, dataset=None, indices=(), folder=""):
    """Return the `Columns` of a table with named columns; `read(name)` returns one."""
    if medium == PICTURES and any(map(_is_picture, names)):
        raise ValueError(f"source: {location} begins with {', '.join(map(repr, names))}, expected the columns' names")
    # Pictures are in the only column with a usual name, or whose first entry is a picture.
    found = [name for name in names if str(name).casefold() in medium.columns]
    if not found and medium == PICTURES:
        found = [name for name in names if names.count(name) == 1 and any(map(_is_picture, read(name)[:1]))]
    if len(found) != 1:
        raise ValueError(
            f"source: {location} has {'several columns' if found else 'no column'} of {medium.entries}; its columns "
            f"are {', '.join(map(repr, names))}: {medium.advice}"
        )
    picture = found[0]
    given, several = wanted["label"], isinstance(wanted["label"], list)
    wished, usual = (given, ()) if several else ([given], _LABELS)
    found = [_find_column("label", location, names, name, usual) for name in wished]
    label = None if several else found[0]
    columns = {}
    for argument in ("group", "domain", "fold"):
        given = wanted[argument]
        if argument == "group" and given is None:
            given = next((name for name in names if str(name).casefold() == "group"), None)
        if isinstance(given, str | int) or (argument == "domain" and given is not None):
            given = read(_find_column(argument, location, names, given, ()))
        columns[f"{argument}s"] = given
    used = {given for given in wanted.values() if isinstance(given, str)}
    if splits := [name for name in names if str(name).casefold() in _SPLITS and name not in used]:
        warn(f"{location}: the column {splits[0]!r} isn't read, so its parts are mixed: load the rows of one part")
    features = getattr(dataset, "features", None)
    feature = features[label] if isinstance(features, Mapping) and label in features else None
    classes = getattr(getattr(feature, "feature", feature), "names", None)  # those within a list too
    if dataset is None or isinstance(dataset, list | tuple) or medium.make_item:
        pictures = read(picture)
    else:
        items = Items(dataset, picture)
        pictures = [PictureItem(items, index) for index in indices]
    labels = list(zip(*map(read, found), strict=True)) if several else read(label)
    return Columns(location, pictures, labels, classes, **columns, folder=folder, has_names=True, medium=medium)


def _find_column(argument, location, names, wanted, usual):
    """Return the name of a column: the wanted one, or the only one with a usual name."""
    found = [name for name in names if (name == wanted if wanted is not None else str(name).casefold() in usual)]
    if len(found) == 1:
        return found[0]
    what = f"column {wanted!r}" if wanted is not None else f"column of the usual names ({', '.join(sorted(usual))})"
    number = f"{len(found)} times a {what}" if found else f"no {what}"
    listed = ", ".join(map(repr, names))
    raise ValueError(f'{argument}: {location} has {number}; its columns are {listed}: use {argument}="…"')


def _is_picture(value):
    """Return whether a value is the path of a picture, by its extension, or a picture."""
    if isinstance(value, str | os.PathLike):
        return os.path.splitext(value)[1].casefold() in EXTENSIONS
    return hasattr(value, "getexif") or isinstance(value, bytes)


def _read_column(dataset, indices, name):
    """Return one column of a dataset of dicts; Hugging Face gives it without decoding pictures."""
    if getattr(dataset, "format", {}).get("type") != "custom" and hasattr(dataset, "column_names"):
        values = dataset[name][:]
        return [values[index] for index in indices]
    rows = [dataset[index] for index in indices]
    for index, row in zip(indices, rows, strict=True):
        if not isinstance(row, Mapping) or name not in row:
            has = ", ".join(map(repr, row)) if isinstance(row, Mapping) else repr(row)[:80]
            raise ValueError(f"source: row {index} has no {name!r}; it has {has}")
    return [row[name] for row in rows]


def _read_csv(path, medium):
    """Return (names, function that returns a column) of a CSV file with a header; its encoding is UTF-8."""
    delimiter, edits, _ = parse_edits(path.read_bytes())
    if delimiter and edits:
        entries = {name: entry for _, name, entry in edits}
        kept = [(name, entry) for name, entry in entries.items() if entry.label and entry.dropped != "1"]
        columns = zip(*((name, entry.label, entry.group or name) for name, entry in kept), strict=True)
        columns = dict(zip(("file_name", "label", "group"), columns, strict=False))
        return list(columns), lambda name: list(columns[name])
    try:
        text = path.read_bytes().decode("utf-8-sig")  # keeps line breaks within cells as they are
    except UnicodeDecodeError as error:
        raise ValueError(f"source: {path} is not encoded as UTF-8 ({error}): save it as UTF-8") from error
    header = io.StringIO(text, newline=None).readline()
    delimiter = max(",;\t", key=re.sub('"[^"]*"', "", header).count)
    try:  # a cell may hold line breaks
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if line]
    except csv.Error as error:
        raise ValueError(f"source: {path} can't be read ({error}): give pandas.read_csv(…)") from error
    if len(lines) < 2:
        raise ValueError(f"source: {path} has {len(lines)} rows, expected a header and one row per {medium.noun}")
    names, rows = [name.strip() for name in lines[0]], lines[1:]
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise ValueError(f"source: row {number} of {path} has {len(row)} cells, expected {len(names)}: {row}")
    if {"dropped", "time"} <= set(names):  # each row replaces the earlier ones of its file
        place, dropped = names.index("file_name") if "file_name" in names else 0, names.index("dropped")
        last = {row[place]: row for row in rows}
        rows = [row for row in last.values() if row[dropped].strip().casefold() in ("", "0", "false")]

    def read(name):
        cells = [row[names.index(name)] for row in rows]
        if medium.make_item and name.casefold() in medium.columns:
            return cells  # spaces and digits of texts are left as they are
        cells = [cell.strip() for cell in cells]
        for kind, number in ((int, r"-?(0|[1-9]\d*)"), (float, r"-?(0|[1-9]\d*)(\.\d+)?")):  # no leading zeros
            if all(re.fullmatch(number, cell) for cell in cells):
                return [kind(cell) for cell in cells]
        return cells

    return names, read


def _make_file(row, picture, columns):
    """Return (name, file) of a picture in any form, or of a text."""
    if columns.medium.make_item:
        return f"{row}", columns.medium.make_item(picture, f"row {row} of {columns.location}")
    if isinstance(picture, PictureItem):
        return f"{picture.index}", picture
    if isinstance(picture, str | os.PathLike):
        path = os.path.join(columns.folder, os.path.expanduser(picture))
        return os.path.basename(path), PictureFile(os.path.abspath(path))
    if isinstance(picture, bytes | Mapping):
        return f"{row}", PictureItem(Items(columns.pictures, None), row)
    name = f"source: the picture of row {row}"
    return f"{row}", hold_pixels(name, read_tensor(name, picture), f"row {row} of {columns.location}")


def _name_labels(columns):
    """Return (the class of each picture as str, all classes in their order or None to sort them)."""
    values, where = columns.labels, f"of {columns.location}"
    check_present("label", values, f"rows of {columns.location}")
    kinds = {_find_kind(value): row for row, value in reversed(list(enumerate(values)))}
    if len(kinds) > 1 or not kinds.keys() <= {"str", "int"}:
        shown = " and ".join(f"row {row} is {values[row]!r}" for row in sorted(kinds.values())[:2])
        advice = "; .astype(int) makes whole numbers" if "float" in kinds else ""
        expected = f"one class per {columns.medium.noun}, all str or all whole numbers"
        raise TypeError(f"label: {shown} {where}, expected {expected}{advice}")
    if "str" in kinds:
        if joined := next((value for value in values if "|" in str(value)), None):
            advice = "for several labels per picture, make columns of 0 and 1 and name them in label="
            warn(f"{columns.location}: {joined!r} and others are taken as one class each; {advice}")
        return [str(value) for value in values], None
    numbers = [operator.index(value) for value in values]
    if columns.classes is None:
        return [str(number) for number in numbers], [str(number) for number in sorted(set(numbers))]
    classes = number_repeats(columns.classes)
    if wrong := [(row, number) for row, number in enumerate(numbers) if not 0 <= number < len(classes)]:
        raise ValueError(
            f"label: row {wrong[0][0]} {where} is {wrong[0][1]}, expected 0 to {len(classes) - 1}, the numbers of its "
            f"{len(classes)} classes; -1 often marks {columns.medium.noun}s without a label: leave them out"
        )
    return [classes[number] for number in numbers], classes


def _find_kind(value):
    """Return "str", "int", "float" or another kind of label; NumPy's and torch's numbers count as numbers."""
    if isinstance(value, str | bool | np.bool_):
        return "str"  # for example, the classes False and True
    try:
        operator.index(value)
        return "int"
    except TypeError:
        return "float" if isinstance(value, float | np.floating) else type(value).__name__
