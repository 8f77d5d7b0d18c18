"""Load pictures from all sources with `load_images`."""

import csv
import functools
import importlib
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.arguments import check_known, suggest
from tlkit.images.files import PictureMember
from tlkit.images.imageset import ImageSet
from tlkit.images.inputs import UNLABELLED
from tlkit.images.layout import PICTURES, find_pictures, label_tree, name_classes, unwrap
from tlkit.images.scan import scan_pictures
from tlkit.images.tables import Columns, complete, list_entries, read_columns
from tlkit.images.trees import find_inside, list_archive, list_folder
from tlkit.names import make_printable

if TYPE_CHECKING:
    import pandas as pd


def load_images(
    source: "str | os.PathLike | pd.DataFrame | Sequence",
    *,
    label: str | Sequence[str] | None = None,
    group: str | Sequence | Callable[[str], object] | None = None,
    domain: str | Sequence[str] | None = None,
    fold: str | Sequence[int] | None = None,
    inside: str | None = None,
    bad: str = "raise",
    merge_twins: bool = False,
) -> ImageSet:
    """Load labelled pictures.

    Your own pictures are all decoded once, so that damaged ones are found now. Copies of one file share a group, so
    that they are never on both sides of a split. A zip is read without extracting it.

    Parameters
    ----------
    source : str, path, DataFrame, list or dataset
        One of:

        - "styles", the bundled set (for a folder of that name write "./styles");
        - a folder with one folder of pictures per class, or a zip of such a folder. A file `labels.csv` in it, as
          from `tlkit.widgets.PictureLabeler`, changes labels, adds groups and leaves pictures out, with a notice;
        - a CSV file (paths begin at its folder), table of pandas, polars or pyarrow, or list of dicts, by its columns;
        - a list of (picture, label). Pictures are paths, PIL pictures, uint8 arrays or tensors;
        - a dataset of torch, torchvision or Hugging Face. Its classes name labels that are numbers, or lists of them.
    label : str or list of str, optional
        Column of the classes (str or int), by default the only one with a usual name such as "label" or "class". A list
        names columns of 0 and 1 for pictures with several labels; in a list of pairs, each label then lists 0 and 1.
    group : str, list, dict or callable, optional
        What must not be on both sides of a split, such as patients: a column, by default "group" if there is one; one
        group per picture; or a dict or function from names to groups, as in `ImageSet.with_groups`.
    domain : str or list of str, optional
        For the bundled set, the domains to load: "photo", "clipart", "emoji", "twemoji", "sketch", by default all. For
        tables, a column. For other pictures, the name of their domain, by default the name of the folder or zip.
    fold : str or list of int, optional
        Test folds from 0 to 4 that `split` and `compare` use: a column, or one fold per picture.
    inside : str, optional
        Path of the folder within the source that holds the class folders, for example "animals/train". With a dot at
        its end, as in ".", these folders are the classes even if they look like splits or domains.
    bad : {"raise", "skip"}
        If pictures can't be read, raise one error that lists them, or warn and list them in `quarantine`.
    merge_twins : bool
        Make one class of names that look alike, for example "cat", "Cat" and "cat " with a space.

    Returns
    -------
    ImageSet
        The pictures, decoded again when they are used. Several labels per picture are a table of 0 and 1.

    Raises
    ------
    FileNotFoundError
        If the source or the folder inside it doesn't exist.
    TypeError, ValueError
        If an argument is wrong, or a source has one class, unreadable pictures, missing labels or columns or is unsafe.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart")
    >>> images
    ImageSet(637 pictures, 14 classes, 499 groups: clipart)
    >>> picture, label = images[0]
    >>> picture.size, images.classes[label]
    ((128, 128), 'bird')

    Two pictures of each patient, listed in a table:

    >>> rows = [{"image": images[row][0], "label": "bird", "patient": f"P{row // 2}"} for row in range(6)]
    >>> rows[0]["label"] = "bug"
    >>> tl.load_images(rows, label="label", group="patient")
    ImageSet(6 pictures, 2 classes, 3 groups: own)
    """
    if bad not in ("raise", "skip"):
        raise ValueError(f'bad: {bad!r}, expected "raise" or "skip"')
    label = list(label) if hasattr(label, "__iter__") and not isinstance(label, str) else label
    wanted = {"label": label, "group": group, "domain": domain, "fold": fold}
    if isinstance(source, str) and source in NAMES:
        if inside is not None:
            raise ValueError(f"inside: {inside!r}, but the bundled set has no folders: use domain, or “./{source}”")
        refuse_columns(wanted, "the bundled set")
        images = load_styles(domain)
        return images if group is None else images.with_groups(group)
    scan = functools.partial(scan_pictures, bad=bad)
    return load_own(source, wanted, PICTURES, scan, inside=inside, merge_twins=merge_twins)


def load_own(source, wanted, medium, scan, *, inside, merge_twins):
    """Return the set that `scan` makes of a folder, zip, table, list or dataset."""
    domain = wanted["domain"]
    if domain is not None and not isinstance(domain, str):
        raise TypeError(f"domain: {domain!r}, expected the name (str) of the domain of all these {medium.noun}s")
    path = Path(source).expanduser() if isinstance(source, (str, os.PathLike)) else None
    if path is not None and not (path.suffix.casefold() in (".csv", ".tsv") and path.is_file()):
        if source == "":  # Path would take it for the current folder
            raise ValueError("source: an empty path, expected a bundled set's name, a folder, a zip or a list")
        tree = _list_tree(path, source, inside, medium)
        refuse_columns(wanted, "a folder or zip")
        (entries, groups), classes = label_tree(tree, merge_twins=merge_twins, inside=inside), None
        columns = Columns(tree.location, [], [], groups=wanted["group"])
        domain = domain or _name_domain(tree)
    else:
        if inside is not None:
            raise ValueError(f"inside: {inside!r}, but the source is no folder or zip, expected None")
        columns, groups = read_columns(path or source, wanted, medium), None
        are_lists = columns.has_names and columns.classes and medium == PICTURES and isinstance(columns.labels[0], list)
        if are_lists or isinstance(wanted["label"], list):
            several = importlib.import_module("tlkit.images.label_columns")
            return several.load_label_columns(columns, wanted["label"], scan, domain=path.stem if path else domain)
        entries, classes = list_entries(columns)
        names = name_classes(columns.location, {label for _, label, _ in entries}, merge_twins=merge_twins)
        entries = [(f"{names[label]}/{name}", names[label], file) for name, label, file in entries]
        classes = classes and list(dict.fromkeys(names.get(name, name) for name in classes))
        domain = path.stem if path else domain if columns.domains is None else None
    images = scan(entries, domain=domain or "own", location=columns.location)
    images = complete(images, entries, columns, classes)
    return images if groups is None else complete(images, entries, Columns(columns.location, [], [], groups=groups))


def refuse_columns(wanted, kind):
    """Raise ValueError if columns are wanted of a source without any."""
    for argument in ("label", "fold"):
        if wanted[argument] is not None:
            raise ValueError(f"{argument}: {wanted[argument]!r}, but {kind} has no columns, expected None")
    if isinstance(wanted["group"], str) and kind != "the bundled set":
        raise ValueError(f"group: {wanted['group']!r}, but {kind} has no columns, expected a list, dict or function")


def load_with_or_without_classes(source, *, bad="raise", inside=None, merge_twins=False):
    """Return the `ImageSet` of `load_images`; pictures outside class folders get the one class "unlabelled"."""
    if source not in NAMES and (path := Path(source).expanduser()).exists():
        tree = _list_tree(path, source, inside)
        loose = find_pictures(tree)
        if loose and all(len(inner.parts) == 1 for inner in loose):
            entries = [(inner, UNLABELLED, loose[inner]) for inner in sorted(loose)]
            return scan_pictures(entries, domain=_name_domain(tree), bad=bad, location=tree.location, n_least_classes=1)
    return load_images(source, bad=bad, inside=inside, merge_twins=merge_twins)


def _name_domain(tree):
    """Return the name of a folder or zip, without ".zip"."""
    path = Path(tree.location)
    return path.stem if path.suffix.casefold() == ".zip" else path.name


def _list_tree(path, source, inside, medium=PICTURES):
    """Return the `Tree` of a folder or zip."""
    if path.is_dir():
        return list_folder(find_inside(path, inside), medium)
    if not path.exists():
        place = f"no folder or zip {str(Path(os.path.abspath(path)))!r}, nor a bundled set of that name"
        raise FileNotFoundError(f"source: {place}; bundled sets {suggest(source, medium.bundled)}")
    if zipfile.is_zipfile(path) or path.suffix.casefold() == ".zip":
        # Most programs put the packed folder itself into the zip, so one wrapping folder has no meaning.
        return unwrap(list_archive(path, inside, medium))
    expected = f"a folder with a folder for each class, a zip of one, or a list of {medium.pair}"
    raise ValueError(f"source: {make_printable(path)} is a single file and no zip, expected {expected}")


STYLES = Path(__file__).parent / "data" / "styles"
NAMES = PICTURES.bundled


def load_styles(domain=None):
    """Return the bundled `ImageSet` of photographs, clip-art, emoji of two designs and sketches, in 14 classes."""
    with open(STYLES / "manifest.csv", encoding="utf-8", newline="") as file:
        rows, columns = read_manifest(file, domain)
    archives = {name: STYLES / f"pict4-{name}.zip" for name in {row["domain"] for row in rows}}
    pictures = [PictureMember(archives[row["domain"]], row["path"]) for row in rows]
    return ImageSet(pictures, **columns, attribution_text=(STYLES / "ATTRIBUTION.md").read_text(encoding="utf-8"))


def read_manifest(file, domain):
    """Return the rows (dict) of some domains in the manifest of a bundled set, an open file, and the set's columns."""
    by_domain = {}
    for row in csv.DictReader(file):
        by_domain.setdefault(row["domain"], []).append(row)
    classes = sorted({row["cls"] for rows in by_domain.values() for row in rows})
    lookup = {name: label for label, name in enumerate(classes)}
    domains = list(by_domain) if domain is None else list(dict.fromkeys(check_known("domain", domain, by_domain)))
    if not domains:
        raise ValueError(f"domain: {domain!r} names none, expected some of {list(by_domain)}, or None for all")
    rows = [row for name in domains for row in by_domain[name]]
    same = {"domains": "domain", "groups": "group", "roles": "role", "titles": "name", "authors": "author"}
    columns = {name: [row[column] for row in rows] for name, column in (same | {"licences": "licence"}).items()}
    return rows, columns | {
        "classes": classes,
        "labels": [lookup[row["cls"]] for row in rows],
        "names": [f"{row['domain']}/{row['path']}" for row in rows],
        "origins": [f"{row['source']}: {row['key']}" for row in rows],
        "folds": [int(row["fold"]) for row in rows],
    }
