"""`FeatureShards`: features in the files of a folder, of which only the wanted rows are read. Without torch."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.arguments import resolve_index
from tlkit.features.extract import allocate
from tlkit.features.features import Features
from tlkit.names import read_defused

KEY_NAME, RECORD = "features.json", ".shard.json"


class FeatureShards:
    """Features that `extract_shards` has written, shard by shard.

    `len(shards)` counts the pictures. Each shard is a file of rows, `<stem>.npy`, which `numpy.load` reads, and an
    index in the same order, `<stem>.csv`, with the columns `name` and `label`.

    Parameters
    ----------
    folder : path
        The folder that `extract_shards` wrote.
    stems : list of str, optional
        Stems of the files of some shards, in this order. By default all finished shards, sorted by name.

    Attributes
    ----------
    classes : list of str
        Labels of all shards, sorted.
    failures : DataFrame
        Pictures that were left out: `shard`, `picture` and `reason`, all str.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     tl.load_images("styles")[0][0].save(f"{folder}/0.png")
    ...     backbone = tl.load_backbone(weights=None, image_size_px=32)
    ...     _ = tl.extract_shards(backbone, [folder], f"{folder}/features", progress=False)
    ...     len(tl.features.FeatureShards(f"{folder}/features"))
    1
    """

    def __init__(self, folder: str | os.PathLike, stems: Sequence[str] | None = None):
        self.folder = Path(os.path.abspath(Path(folder).expanduser()))
        if not (self.folder / KEY_NAME).is_file():
            raise FileNotFoundError(f"folder: {self.folder} holds no {KEY_NAME}, expected one of extract_shards")
        self.provenance = json.loads((self.folder / KEY_NAME).read_text(encoding="utf-8"))
        names = sorted(path.name.removesuffix(RECORD) for path in self.folder.glob(f"*{RECORD}"))
        self.stems = names if stems is None else list(stems)
        records = [json.loads((self.folder / f"{stem}{RECORD}").read_text(encoding="utf-8")) for stem in self.stems]
        self._starts = np.cumsum([0, *(record["n"] for record in records)])
        self.classes = sorted({name for record in records for name in record["classes"]})
        found = zip(self.stems, records, strict=True)
        rows = [(stem, *failure) for stem, record in found for failure in record["failures"]]
        self.failures = pd.DataFrame(rows, columns=["shard", "picture", "reason"], dtype=str)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __repr__(self):
        counts = f"{len(self):,} pictures in {len(self.stems):,} shards, {len(self.classes)} classes"
        return f"FeatureShards({counts}: {self.provenance['backbone']}, {self.provenance['engine']})"

    def __iter__(self) -> "Iterator[tl.Features]":
        return (self.read(slice(*self._starts[number : number + 2])) for number in range(len(self.stems)))

    def read(self, rows: "slice | Sequence | None" = None) -> Features:
        """Read some of the features into memory, as float32.

        Parameters
        ----------
        rows : slice, list of int or (n,) mask of bool, optional
            The rows to read, counted over all shards, in this order. By default all.

        Returns
        -------
        Features
            The rows, whose labels are indices into `classes` of all shards. Each picture is a group of its own.
        """
        rows = resolve_index(slice(None) if rows is None else rows, len(self))
        places = np.searchsorted(self._starts, rows, side="right") - 1
        shape = np.load(self.folder / f"{self.stems[0]}.npy", mmap_mode="r").shape[1:] if self.stems else (0,)
        values, labels = allocate((len(rows), *shape)), np.zeros(len(rows), np.int64)
        names = np.empty(len(rows), object)
        for place in np.unique(places):
            stem, is_here = self.stems[place], places == place
            local = rows[is_here] - self._starts[place]
            values[is_here] = np.load(self.folder / f"{stem}.npy", mmap_mode="r")[local]
            index = pd.read_csv(self.folder / f"{stem}.csv", dtype=str, keep_default_na=False).iloc[local]
            names[is_here] = f"{stem}/" + index["name"].map(read_defused)
            labels[is_here] = np.searchsorted(self.classes, index["label"].map(read_defused))
        names = names.astype(str)
        return Features(values, labels, self.classes, names, names, self.provenance)
