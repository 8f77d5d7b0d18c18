"""Rules that folders and zips share: a folder at the top is a class, and its pictures lie at any depth in it."""

import collections
import dataclasses
import os
import re
import typing
import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath

from tlkit.images.encodings import decode_names
from tlkit.images.formats import EXTENSIONS
from tlkit.images.hierarchy import check_hierarchy, find_inner, list_some
from tlkit.images.label_file import NAME, read_edits
from tlkit.names import make_printable
from tlkit.notices import warn

MAX_DEPTH = 100  # of folders in each other


class Medium(typing.NamedTuple):
    """How examples are found in tables and folders; the defaults are those of pictures."""

    noun: str = "picture"
    loader: str = "load_images"
    bundled: tuple = ("styles",)  # names of sets
    extensions: frozenset = EXTENSIONS
    formats: str = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and PPM"
    # Names of their column in lower case.
    columns: frozenset = frozenset(
        {"image", "img", "picture", "path", "file", "file_name", "filename", "file_path", "filepath", "image_path"}
    )
    advice: str = "call the column “image”, and give other columns other names"
    entries: str = "pictures or paths"  # of that column
    pair: str = "(file, label)"  # an entry of a list
    make_item: Callable | None = None  # from (row, entry, location); None for files and pixels


PICTURES = Medium()


@dataclasses.dataclass(frozen=True)
class Tree:
    """Files of a folder or zip by PurePosixPath within it, and its folders, empty ones included."""

    location: str  # of the whole, for messages
    files: dict
    folders: set
    format_call: object  # returns the call that would load an inner folder, for messages
    medium: Medium = PICTURES

    def narrow(self, inner):
        """Return the part of the tree below an inner folder as a `Tree`."""
        return Tree(
            location=f"{self.location}/{inner}",
            files={path.relative_to(inner): file for path, file in self.files.items() if inner in path.parents},
            folders={path.relative_to(inner) for path in self.folders if inner in path.parents},
            format_call=lambda path: self.format_call(inner / path),
            medium=self.medium,
        )


def normalise_name(name):
    """Return a form that is equal for names that differ only in case or in the encoding of an accent."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def count(number, noun):
    """Return a number with a noun, as in "1 picture" or "3 classes"."""
    return f"{number:,} {noun}{'' if number == 1 else 'es' if noun.endswith('s') else 's'}"


def unwrap(tree):
    """Return the part of a tree below its only folder, repeatedly, as long as that folder holds class folders."""
    while len(tops := {path.parts[0] for path in find_pictures(tree)}) == 1:
        inner = PurePosixPath(*tops)
        n_inner = len({path.parts[1] for path in find_pictures(tree) if len(path.parts) > 2})
        if n_inner < 2 and inner / NAME not in tree.files:
            break
        tree = tree.narrow(inner)
    return tree


def label_tree(tree, *, merge_twins=False, inside=None):
    """Return ([(path, label, file)] by label file or top folder, a group of each or None); warn of what is left out."""
    pictures = find_pictures(tree)
    edits, notice = read_edits(tree, pictures)
    pictures = {path: pictures[path] for path in sorted(pictures) if edits[path].dropped != "1"}
    if garbled := sorted(filter(_GARBLED.search, {part for path in pictures for part in path.parts})):
        found = f"{tree.location}: {count(len(garbled), 'garbled name')}, the first {garbled[0]!r}"
        warn(f"{found}, as if an archive was unpacked in a wrong encoding: load the archive itself, or rename them")
    labels, by_class, by_folder = {}, collections.defaultdict(list), collections.defaultdict(list)
    for path in pictures:
        if label := edits[path].label:
            labels[path] = label
        elif len(path.parts) > 1:
            labels[path] = path.parts[0]
            by_folder[path.parts[0]].append(path)
    for path, label in labels.items():
        by_class[label].append(path)
    _check_class_folders(tree, pictures, by_class, notice and f"{notice}; ")
    if by_folder and not f"/{inside}".endswith("/."):  # by which a user insists that these folders are the classes
        check_hierarchy(tree, by_folder)
    _warn_of_omissions(tree, pictures, labels, notice)
    names = name_classes(tree.location, by_class, merge_twins=merge_twins)
    groups = [edits[path].group or f"{path}" for path in labels]
    is_grouped = any(entry.group for entry in edits.values())
    return [(path, names[labels[path]], pictures[path]) for path in labels], groups if is_grouped else None


def find_pictures(tree):
    """Return {path: file} of the pictures in a tree, recognised by their extension."""
    return {path: file for path, file in tree.files.items() if path.suffix.casefold() in tree.medium.extensions}


def _count_others(tree, known=()):
    """Return a text that counts the files of a tree that are no pictures, by extension, without known ones."""
    others = [path.suffix.casefold() for path in tree.files if path not in known]
    others = collections.Counter(name or "without extension" for name in others if name not in tree.medium.extensions)
    return ", ".join(f"{count} {extension}" for extension, count in others.most_common())


def _check_class_folders(tree, pictures, by_class, notice):
    """Raise ValueError with advice if the top folders of a tree aren't at least two classes."""
    source, noun = f"source: {tree.location}", tree.medium.noun
    unlabelled = f"{notice}{noun}s without classes are classified by a trained run: run.predict(folder)"
    if not pictures:
        others = _count_others(tree)
        found = f"only {others}" if others else "it is empty"
        raise ValueError(
            f"{source} holds no {noun} ({found}), expected a folder for each class with its {noun}s inside; "
            f"formats read are {tree.medium.formats}"
        )
    if not by_class:
        raise ValueError(
            f"{source} holds {count(len(pictures), noun)} in no class folder, expected a folder for each class: "
            f"sort them into folders, or give a list of (file, label); {unlabelled}"
        )
    if len(by_class) == 1:
        (only,) = by_class
        folder, inner = find_inner([path for path in by_class[only] if path.parts[0] == only] or [PurePosixPath(only)])
        if inner:
            advice = f"{folder} holds {list_some(inner)}: did you mean {tree.format_call(folder)}?"
        else:
            advice = f"with one class every answer is right: add a folder for each other class; {unlabelled}"
        raise ValueError(f"{source} has one class, {only!r}, expected two or more; {advice}")


def _warn_of_omissions(tree, pictures, labels, notice):
    """Warn of the label file, empty class folders, pictures outside class folders, and files that are no pictures."""
    notices = [notice] if notice else []
    tops = {path.parts[0] for path in tree.folders}
    if empty := sorted(tops - {path.parts[0] for path in pictures}):
        notices.append(f"no {tree.medium.noun} in the class folders {', '.join(empty)}, so these are no classes")
    if loose := [path for path in pictures if path not in labels]:
        place = "without a label" if notice else "beside the class folders"
        notices.append(f"{count(len(loose), tree.medium.noun)} {place}, the first {min(loose)}, left out")
    if others := _count_others(tree, {PurePosixPath(NAME)} if notice else ()):
        notices.append(f"other files left out: {others}")
    if notices:
        warn(f"{tree.location}: {'; '.join(notices)}")


# Letters of the Cyrillic and Greek alphabets that look like Latin ones, and characters that aren't seen.
_LOOK_ALIKES = str.maketrans("аеорсухіјАВЕКМНОРСТХοΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aeopcyxijABEKMHOPCTXoABEZHIKMNOPTYX")
# Frames, and signs after capitals with accents, appear when bytes are read in a wrong encoding.
_GARBLED = re.compile("[\u2500-\u259f\ufffd]|[ÂÃ][\x80-\xbf]|[åäæç][\x80-\xbf]{2}")
_UNSEEN = re.compile("[\xad\u180e\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]")


def name_classes(location, names, *, merge_twins):
    """Return {name: printable class}; names that look alike are merged, or else warned of."""
    by_form = collections.defaultdict(list)
    for name in sorted(names):
        # Equal for names that look alike, such as "cat" and "Cat "; NFKC makes usual letters of full-width ones.
        form = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).translate(_LOOK_ALIKES).casefold())
        by_form[" ".join(_UNSEEN.sub("", form).split())].append(name)
    if merge_twins:
        if len(by_form) == 1:
            raise ValueError(f"merge_twins: leaves {location} one class, expected two or more: leave it False")
        merged = {twins[-1]: twins for twins in by_form.values()}
        plain = {last: _UNSEEN.sub("", unicodedata.normalize("NFC", last)).strip() for last in merged}
        return {name: make_printable(plain[last]) for last, twins in merged.items() for name in twins}
    if several := [twins for twins in by_form.values() if len(twins) > 1]:
        listed = "; ".join(" and ".join(map(ascii, twins)) for twins in several)
        why = "since they differ only in case, spaces, invisible characters or the encoding of a letter"
        warn(f"{location}: classes that look alike, {why}: {listed}; merge_twins=True makes one class of them")
    return {name: make_printable(name) for name in names}


def decode_tree(tree):
    """Return a folder's tree with names that can be printed and saved, whatever their encoding on the disk."""
    parts = {part for path in (*tree.files, *tree.folders) for part in path.parts}
    odd = {part: os.fsencode(part) for part in parts if part != make_printable(part)}
    if not odd:
        return tree
    texts = decode_names(set(odd.values()), tree.location)
    parts = {part: make_printable(texts[raw]) for part, raw in odd.items()}
    paths = (*tree.files, *tree.folders)
    paths = {path: PurePosixPath(*(parts.get(part, part) for part in path.parts)) for path in paths}
    files = {paths[path]: file for path, file in tree.files.items()}
    if len(files) < len(tree.files):
        raise ValueError(f"source: {tree.location} has several files of the same readable name: rename them")
    return dataclasses.replace(tree, files=files, folders={paths[path] for path in tree.folders})


def check_depth(path, location):
    """Raise ValueError if a file or folder lies too deep."""
    if len(path.parts) > MAX_DEPTH:
        depth = f"more than {MAX_DEPTH} deep, from {path.parts[0]!r} on"
        raise ValueError(f"source: {location} has folders {depth}, expected a folder for each class: move them up")
