"""Datasets of torch, torchvision and Hugging Face, read item by item; none of these packages is imported."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit.arguments import check_count, read_array
from tlkit.cpu.threads import make_lock
from tlkit.images.formats import PictureError
from tlkit.images.inputs import hold_pixels
from tlkit.notices import warn

# Loaders of torchvision that read a picture as tlkit does. Another loader may read other formats.
_PICTURE_LOADERS = {"default_loader", "pil_loader", "accimage_loader"}
_reading = make_lock()


class Items:
    """Items of a dataset, or one column of them, read by one thread at a time, as many datasets need it."""

    def __init__(self, dataset, column):
        self.dataset, self.column = dataset, column

    def __getitem__(self, index):
        with _reading:
            row = self.dataset[index]
            return row if self.column is None else row[self.column]


class PictureItem:
    """One picture of a dataset, read again when it is needed; a dataset that changes it is found out."""

    __slots__ = ("_digest", "index", "items")

    def __init__(self, items, index):
        self.items, self.index, self._digest = items, index, None

    @property
    def location(self):
        """The number of the item, for messages."""
        return f"item {self.index} of the {type(self.items.dataset).__name__}"

    def read_bytes(self):
        """Return the picture's file, or its pixels as a file in PPM."""
        data = self._encode(self.items[self.index])
        digest = hashlib.sha256(data).hexdigest()
        if self._digest not in (None, digest):
            reason = "another picture than at the first reading: leave out random transforms of the dataset"
            raise PictureError(self.location, reason)
        self._digest = digest
        return data

    def digest(self):
        """Return the SHA-256 of the content, 64 hexadecimal digits."""
        if self._digest is None:
            self.read_bytes()
        return self._digest

    def _encode(self, value):
        """Return bytes of a picture in any form; Hugging Face gives undecoded ones as {"bytes", "path"}."""
        if isinstance(value, Mapping):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes | bytearray):
            return bytes(value)
        if isinstance(value, str | os.PathLike):
            return Path(value).read_bytes()
        if isinstance(value, Image.Image):
            value.load()  # else the bytes of its file are taken as long as nobody has looked at it
        name = f"source: {self.location}"
        return hold_pixels(name, read_tensor(name, value), self.location).read_bytes()


def read_tensor(name, picture):
    """Return a tensor (channels, height, width), uint8 or from 0 to 1, as an array; other pictures as they are."""
    if isinstance(picture, list):  # of lists, as Hugging Face has arrays
        picture = np.array(picture)
        return picture.astype(np.uint8) if picture.dtype.kind == "i" and not (picture & ~255).any() else picture
    if not hasattr(picture, "cpu"):
        return picture
    values = read_array(name, picture)
    if values.ndim == 3 and (values.shape[0] in (1, 3, 4) or values.shape[0] < min(values.shape[1:])):
        values = values.transpose(1, 2, 0)
    if values.dtype.kind != "f":
        return values
    if not (values.min(initial=0) >= 0 and values.max(initial=0) <= 1):
        bounds = f"{values.min():.3g} to {values.max():.3g}"
        raise ValueError(f"{name} is a tensor with values from {bounds}, expected 0 to 1: leave out Normalize")
    return np.rint(values.astype(np.float32) * 255).astype(np.uint8)


def open_dataset(dataset):
    """Return (dataset, indices) with all `torch.utils.data.Subset` taken off; TypeError if it has no items."""
    kind = type(dataset).__name__
    if isinstance(dataset, Mapping):
        keys = ", ".join(map(repr, list(dataset)[:10]))
        found = f"a {kind} with {keys}: give one of its splits, as in source[{next(iter(dataset), 'train')!r}]"
        raise TypeError(f"source: {found}, or a table of columns as pandas.DataFrame(source)")
    if not (hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")):
        advice = (
            "give list(source)" if hasattr(dataset, "__iter__") else "expected one with a length and items by index"
        )
        advice = "give its .dataset" if hasattr(dataset, "dataset") else advice
        raise TypeError(f"source: {kind!r} is no bundled set's name, folder, zip, table, list or dataset: {advice}")
    indices = list(range(len(dataset)))
    while hasattr(dataset, "dataset") and hasattr(dataset, "indices"):
        n = len(dataset.dataset)
        inner = [check_count("source: an index of a Subset", index, -n, n - 1) for index in dataset.indices]
        dataset, indices = dataset.dataset, [inner[index] for index in indices]
    if getattr(dataset, "format", {"type": "custom"})["type"] != "custom":  # no transform of the user's
        dataset = _undo_format(dataset)
    if not indices:
        raise ValueError(f"source: an empty {kind}, expected (picture, label) items")
    return dataset, indices


# Formats turn pictures to bare pixels, of palettes to numbers, of deep ones to their high bytes, and rows to tables.
def _undo_format(dataset):
    """Return a dataset of Hugging Face with rows as dicts, and pictures as their files."""
    dataset = dataset.with_format(None, columns=dataset.format["columns"])
    for name, feature in dataset.features.items():
        if getattr(feature, "decode", False) and not getattr(feature, "mode", None):
            dataset = dataset.cast_column(name, type(feature)(decode=False))
    return dataset


def read_pairs(dataset, indices):
    """Return (pictures, labels, classes or None) of a dataset of (picture, label)."""
    transformed = getattr(dataset, "target_transform", None) is not None
    classes = None if transformed else find_classes(dataset)
    # A dataset of the user's may shuffle or correct what such attributes list.
    module = getattr(type(dataset).__getitem__, "__module__", None) or ""
    is_listed = not transformed and module.startswith("torchvision.datasets.")
    samples = getattr(dataset, "samples", None) or getattr(dataset, "imgs", None)
    loader = getattr(dataset, "loader", None)
    are_files = samples and (loader is None or getattr(loader, "__name__", "") in _PICTURE_LOADERS)
    if is_listed and are_files and len(samples) == len(dataset) and isinstance(samples[0][0], str | os.PathLike):
        if getattr(dataset, "transform", None) is not None:
            warn("source: the dataset's transform isn't applied to the files, since each network prepares pictures")
        return [samples[index][0] for index in indices], [samples[index][1] for index in indices], classes
    item = _read_pair(dataset, indices[0])
    if isinstance(item[0], str | os.PathLike):
        pairs = [_read_pair(dataset, index) for index in indices]
        return [picture for picture, _ in pairs], [label for _, label in pairs], classes
    items = Items(dataset, 0)
    pictures = [PictureItem(items, index) for index in indices]
    targets = getattr(dataset, "targets", None)
    if is_listed and targets is not None and len(targets) == len(dataset):
        ends = (indices[0], indices[-1])
        # Some datasets use this name for something else.
        if all(np.array_equal(_read_pair(dataset, index)[1], targets[index]) for index in ends):
            return pictures, [targets[index] for index in indices], classes
    return pictures, [_read_pair(dataset, index)[1] for index in indices], classes


def find_classes(dataset):
    """Return the names of a dataset's classes in their order, or None; ValueError if its parts have different ones."""
    if parts := getattr(dataset, "datasets", None):  # torch's ConcatDataset
        named = [find_classes(open_dataset(part)[0]) for part in parts]
        if others := [names for names in named if names != named[0]]:
            found = f"parts of the {type(dataset).__name__} have different classes, such as {named[0]} and {others[0]}"
            raise ValueError(f"source: {found}: load each part, and add up the sets")
        return named[0]
    classes = getattr(dataset, "classes", getattr(dataset, "class_to_idx", None))
    if isinstance(classes, Mapping):  # from numbers to names, or the other way round
        numbered = sorted(pair[::-1] if isinstance(pair[0], str) else pair for pair in classes.items())
        classes = [name for _, name in numbered] if [n for n, _ in numbered] == list(range(len(numbered))) else None
    if classes is None or isinstance(classes, str) or not hasattr(classes, "__iter__"):
        return None
    # ImageNet's names are tuples of synonyms.
    return [", ".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in classes]


def _read_pair(dataset, index):
    """Return (picture, label) of an item."""
    item = dataset[index]
    if not isinstance(item, tuple | list) or len(item) != 2:
        found = type(item).__name__ + (f" of {len(item)}" if hasattr(item, "__len__") else "")
        expected = "expected (picture, label) or a dict of columns"
        raise TypeError(f"source: item {index} of the {type(dataset).__name__} is a {found}, {expected}")
    return item
