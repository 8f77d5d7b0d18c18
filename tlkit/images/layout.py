"""From a tree of files to labelled pictures: the rules that folders and zips share."""

import collections
import dataclasses
import unicodedata
import warnings
from pathlib import PurePosixPath

from tlkit.images.formats import EXTENSIONS

_SPLITS = frozenset(
    (
        "train",
        "training",
        "val",
        "valid",
        "validation",
        "dev",
        "test",
        "testing",
        "eval",
        "evaluation",
        "holdout",
    )
)
_LITTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir"})


@dataclasses.dataclass(frozen=True)
class Tree:
    """What lies in a folder or zip.

    Arguments
    ---------
    location: str
        Its path, for messages.
    files: dict of PurePosixPath to object
        Each file's path within, and where its bytes lie (`tlkit.images.files`).
    folders: set of PurePosixPath
        Every folder within, empty ones too.
    propose: function of PurePosixPath to str
        The call that would load an inner folder, for messages.
    """

    location: str
    files: dict
    folders: set
    propose: object

    def narrow(self, inner):
        """Return the part of the tree below an inner folder, as a tree of its own."""
        return Tree(
            location=f"{self.location}/{inner}",
            files={path.relative_to(inner): file for path, file in self.files.items() if inner in path.parents},
            folders={path.relative_to(inner) for path in self.folders if inner in path.parents},
            propose=lambda path: self.propose(inner / path),
        )


def is_ignored(name):
    """Say whether a file or folder is none of the user's: hidden, or an operating system's litter.

    >>> [is_ignored(name) for name in (".ipynb_checkpoints", "._cat.png", "Thumbs.db", "cat.png")]
    [True, True, True, False]
    """
    return name.startswith(".") or name.casefold() in _LITTER


def fold_name(name):
    """Return what names share that only differ in case or in how an accent is encoded (str)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def unwrap(tree):
    """Step into the one folder that holds everything, as long as class folders lie within it."""
    while len(tops := {path.parts[0] for path in find_pictures(tree)}) == 1:
        inner = PurePosixPath(*tops)
        if len({path.parts[1] for path in find_pictures(tree) if len(path.parts) > 2}) < 2:
            break
        tree = tree.narrow(inner)
    return tree


def label_tree(tree, *, merge_twins=False):
    """Label each picture with the name of the folder at the tree's top that it lies in, however deep.

    Arguments
    ---------
    tree: Tree
    merge_twins: bool
        Make one class of folders whose names differ only in case or in the encoding of an accent.

    Returns (path, label, file) triples, sorted by path. Warns of what was left out: files of other kinds,
    pictures outside a class folder, empty class folders, and twins. Raises ValueError where the folders
    at the top are no classes, or are fewer than two.
    """
    pictures = find_pictures(tree)
    by_class = collections.defaultdict(list)
    for path in pictures:
        if len(path.parts) > 1:
            by_class[path.parts[0]].append(path)
    _refuse_what_is_no_classes(tree, pictures, by_class)
    _warn_of_leavings(tree, pictures, by_class)
    labels = settle_twins(tree.location, by_class, merge_twins=merge_twins)
    return [(path, labels[path.parts[0]], pictures[path]) for path in sorted(pictures) if len(path.parts) > 1]


def find_pictures(tree):
    """Return {path: file} of the pictures in a tree, told by their extension."""
    return {path: file for path, file in tree.files.items() if path.suffix.casefold() in EXTENSIONS}


def _count_others(tree):
    others = collections.Counter(
        path.suffix.casefold() or "without extension" for path in tree.files if path.suffix.casefold() not in EXTENSIONS
    )
    return ", ".join(f"{count} {extension}" for extension, count in others.most_common())


def _refuse_what_is_no_classes(tree, pictures, by_class):
    where = f"source: {tree.location}"
    if not pictures:
        others = _count_others(tree)
        found = f"only {others}" if others else "it is empty"
        raise ValueError(
            f"{where} holds no picture ({found}), expected a folder for each class with its pictures inside; "
            "formats read are JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and PPM"
        )
    if not by_class:
        raise ValueError(
            f"{where} holds {len(pictures)} pictures in no class folder, expected a folder for each class: "
            "sort them into folders, or give a list of (file, label)"
        )
    if all(name.casefold() in _SPLITS for name in by_class):
        if any(len(path.parts) > 2 for path in pictures):
            calls = " and ".join(tree.propose(PurePosixPath(name)) for name in sorted(by_class))
            advice = f"they look like splits: take {calls}, one at a time"
        else:
            advice = "they look like splits and hold no class folders: give a list of (file, label)"
        raise ValueError(
            f"{where} has the folders {', '.join(sorted(by_class))} at its top, expected classes; {advice}"
        )
    if len(by_class) == 1:
        (only,) = by_class
        inner = sorted({path.parts[1] for path in by_class[only] if len(path.parts) > 2})
        if len(inner) > 1:
            call = tree.propose(PurePosixPath(only))
            listed = ", ".join(inner[:5]) + (" …" if len(inner) > 5 else "")
            advice = f"that folder holds {listed}: did you mean {call}?"
        else:
            advice = "with one class every answer is right: add a folder for each other class"
        raise ValueError(f"{where} has one class, {only!r}, expected two or more; {advice}")


def _warn_of_leavings(tree, pictures, by_class):
    notices = []
    tops = {path.parts[0] for path in tree.folders}
    if empty := sorted(tops - set(by_class)):
        notices.append(f"no picture in the class folders {', '.join(empty)}, so these are no classes")
    if loose := [path for path in pictures if len(path.parts) == 1]:
        notices.append(f"{len(loose)} pictures beside the class folders, the first {min(loose)}, left out")
    if others := _count_others(tree):
        notices.append(f"other files left out: {others}")
    if notices:
        warnings.warn(f"{tree.location}: {'; '.join(notices)}", stacklevel=4)


def settle_twins(location, names, *, merge_twins):
    """Find classes whose names differ only in case or in how an accent is encoded.

    Arguments
    ---------
    location: str
        The source, for messages.
    names: collection of str
    merge_twins: bool
        Make one class of them; else they are only warned of.

    Returns a dict of each name to the class's name.
    """
    by_folded = collections.defaultdict(list)
    for name in sorted(names):
        by_folded[fold_name(name)].append(name)
    twins = [group for group in by_folded.values() if len(group) > 1]
    if not merge_twins:
        if twins:
            listed = "; ".join(" and ".join(map(ascii, group)) for group in twins)
            warnings.warn(
                f"{location}: classes that differ only in case or in how an accent is encoded: {listed}; "
                "merge_twins=True makes one class of them",
                stacklevel=4,
            )
        return {name: name for name in names}
    if len(by_folded) == 1:
        raise ValueError(f"merge_twins: leaves {location} one class, expected two or more: leave it False")
    return {name: unicodedata.normalize("NFC", group[-1]) for group in by_folded.values() for name in group}
