"""Features of sets that don't fit into memory, shard by shard, on one machine or a cluster. Without torch."""

import collections
import contextlib
import functools
import importlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.arguments import check_known
from tlkit.cpu.threads import default_states
from tlkit.features.crops import count_processors, read_crop, run_ahead
from tlkit.features.engines import PRECISIONS, choose_engine, open_engine, run_in_batches
from tlkit.features.extract import describe_extraction, find_network
from tlkit.features.feature_shards import KEY_NAME, RECORD, FeatureShards
from tlkit.images.formats import PictureError
from tlkit.images.inputs import UNLABELLED
from tlkit.images.packed import PictureShard
from tlkit.names import defuse
from tlkit.notices import show_progress, warn
from tlkit.storage import written_whole

if TYPE_CHECKING:
    from distributed import Client

_N_AHEAD = 64


def extract_shards(
    backbone: "tl.Backbone | str",
    shards: Iterable,
    folder: str | os.PathLike,
    engine: str = "auto",
    precision: str = "exact",
    *,
    label: str | Callable[[str], str] | None = None,
    stage: str | int | None = None,
    dtype: str = "float32",
    bad: str = "skip",
    client: "Client | None" = None,
    progress: bool = True,
) -> "FeatureShards":
    """Compute the features of a set of any size, shard by shard, into a folder.

    Each finished shard is kept. The same call goes on with those that are missing, or whose files have changed.

    Parameters
    ----------
    backbone : Backbone or str
        A network that takes pictures, or its name for `load_backbone`.
    shards : iterable
        Each is a folder with pictures at any depth; an uncompressed tar, as in WebDataset; a Parquet file with one
        column of bytes, or of {bytes, path} as in Hugging Face's sets; or a list of paths. Labels are optional.
    folder : path
        Folder to write. The workers of a cluster need it, and the shards, under the same path.
    engine, precision : str
        As in `extract_features`.
    label : str or callable, optional
        Labels to keep: a column of Parquet; the extension of a tar's members, as "cls"; or a function of names.
    stage : str or negative int, optional
        Stage whose spatial mean is taken instead of the network's features.
    dtype : {"float32", "float16"}
        "float16" takes half the space, and three digits are kept.
    bad : {"skip", "raise"}
        Leave out pictures that can't be read, and list them in `failures`, or raise an error of the first.
    client, progress : distributed.Client, optional, and bool
        Cluster whose workers compute the shards, by default this process; and whether to show a bar.

    Returns
    -------
    FeatureShards
        The features of these shards, read from the folder when they are needed.

    Raises
    ------
    TypeError, ValueError, OSError
        If an argument or the folder can't be used, or shards can't be read, after the others are finished.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     for number in range(3):
    ...         _ = tl.load_images("styles")[number][0].save(f"{folder}/{number}.png")
    ...     backbone = tl.load_backbone(weights=None, image_size_px=32)
    ...     shards = tl.extract_shards(backbone, [folder], f"{folder}/features", progress=False)
    ...     shards.read([2, 0]).values.shape
    (2, 1280)
    """
    if isinstance(shards, str | os.PathLike):
        raise TypeError(f"shards: {str(shards)!r}, expected several, in a list: [{str(shards)!r}]")
    check_known("dtype", [dtype], ("float32", "float16"))
    check_known("bad", [bad], ("skip", "raise"))
    check_known("precision", [precision], PRECISIONS)
    folder = Path(os.path.abspath(Path(folder).expanduser()))
    settings = {"engine": engine, "precision": precision, "stage": stage, "dtype": dtype, "bad": bad, "label": label}
    make = functools.partial(ShardExtraction, backbone, folder, **settings)
    if client is None:
        extract = make()
        outcomes = ((shard, _try(extract, shard)) for shard in shards)
    else:
        outcomes = importlib.import_module("tlkit.cpu.cluster").share(client, make, shards, n_in_flight=200)
    stems, errors = [], []
    total = len(shards) if hasattr(shards, "__len__") else None
    with show_progress(total, "features", "shard", progress) as bar, contextlib.closing(outcomes):
        for shard, outcome in outcomes:
            if isinstance(outcome, Exception):
                outcome.add_note(f"shards: {shard!s:.200}")
            (errors if isinstance(outcome, Exception) else stems).append(outcome)
            bar.update()
    if errors:
        errors[0].add_note(f"{len(errors)} shards failed; {len(stems)} are finished and stay in {folder}.")
        raise errors[0]
    found = FeatureShards(folder, sorted(set(stems)))
    if len(found.failures):
        warn(f"shards: {len(found.failures)} pictures can't be read and are left out; they are listed in .failures")
    return found


def _try(function, shard):
    """Return function(shard), or its error."""
    try:
        return function(shard)
    except Exception as error:
        return error


class ShardExtraction:
    """Computes a shard (see `extract_shards`) into three files of a folder, and returns their stem."""

    def __init__(self, backbone, folder, *, engine, precision, stage, dtype, bad, label):
        self._network, self._folder, self._dtype, self._bad = find_network(backbone), folder, np.dtype(dtype), bad
        if (noun := self._network.recipe.noun) != "picture":
            raise TypeError(f"backbone: {self._network.name} takes {noun}s, expected one that takes pictures")
        self._label, self._is_fast = label, precision == "fast"
        engine = choose_engine(engine, self._network)
        self._output = self._network.output(stage, True)
        self._engine = open_engine(engine, self._network, self._output, precision)
        key = describe_extraction(self._network, self._output, engine, precision) | {"dtype": dtype}
        path = folder / KEY_NAME
        if not path.exists():
            with written_whole(path) as temporary:
                temporary.write_text(json.dumps(key, indent=1), encoding="utf-8")
        found = json.loads(path.read_text(encoding="utf-8"))
        if differing := [name for name in {**found, **key} if found.get(name) != key.get(name)]:
            name = differing[0]
            given = f"features with {name}={found.get(name)!r}, and these would have {key.get(name)!r}"
            raise ValueError(f"folder: {folder} holds {given}: take another folder")

    @default_states()
    def __call__(self, shard):
        """Return the stem of a shard's files, after computing them if they aren't there for its present state."""
        shard = PictureShard(shard)
        label = getattr(self._label, "__qualname__", self._label)
        path, record = self._folder / f"{shard.stem}{RECORD}", {"stamp": shard.stamp, "label": label}
        with contextlib.suppress(OSError, ValueError, AttributeError):
            found = json.loads(path.read_text(encoding="utf-8"))
            record = found if found.items() >= record.items() else record
        if "n" not in record:
            path.unlink(missing_ok=True)  # the record is written last, and the other files count only with it
            record |= self._compute(shard)
            with written_whole(path) as temporary:
                temporary.write_text(json.dumps(record), encoding="utf-8")
        if record["failures"] and self._bad == "raise":
            raise PictureError(*record["failures"][0])
        return shard.stem

    def _compute(self, shard):
        """Write the rows of a shard and the index of their names, and return what its record holds."""
        rows, failures = [], []  # (name, label), and (name, reason)
        with written_whole(self._folder / f"{shard.stem}.npy") as temporary, open(temporary, "wb") as file:
            self._write_head(file, 0)
            notes = collections.deque()
            for values in run_in_batches(self._engine, self._read_crops(shard, notes)):
                done = [notes.popleft() for _ in values]
                rows += [(name, label) for name, label, reason in done if not reason]
                failures += [(name, reason) for name, _, reason in done if reason]
                self._write_rows(file, values[[not reason for _, _, reason in done]])
            file.seek(0)
            self._write_head(file, len(rows))  # NumPy leaves room for the number of rows, which is known only now
        index = pd.DataFrame(rows, columns=["name", "label"]).fillna(UNLABELLED)
        with written_whole(self._folder / f"{shard.stem}.csv") as temporary:
            index.map(defuse).to_csv(temporary, index=False)
        return {"n": len(rows), "classes": sorted(set(index["label"])), "failures": failures}

    def _read_crops(self, shard, notes):
        """Yield a crop per picture, blank if it can't be read, and append (name, label, reason or "") to notes."""

        def read(item):
            name, label, source = item
            try:
                return read_crop(source, self._network.recipe, self._is_fast), (name, label, "")
            except PictureError as error:
                return None, (name, label, error.reason)
            except FileNotFoundError:
                if not os.path.islink(getattr(source, "path", "")):  # then the disk is gone, or all is being changed
                    raise
                return None, (name, label, "a link to a file that isn't there: mend or remove it")

        recipe = self._network.recipe
        for crop, note in run_ahead(read, shard.read(self._label), count_processors(), _N_AHEAD):
            notes.append(note)
            yield np.zeros(recipe.crop_shape, recipe.crop_dtype) if crop is None else crop

    def _write_head(self, file, n_rows):
        """Write the beginning of a .npy file."""
        head = {"descr": self._dtype.newbyteorder("<").str, "fortran_order": False}
        np.lib.format.write_array_header_1_0(file, head | {"shape": (n_rows, *self._output.shape)})

    def _write_rows(self, file, values):
        """Append rows to a .npy file; ValueError if float16 can't hold a value."""
        with np.errstate(over="ignore"):
            kept = values.astype(self._dtype)
        if not np.isfinite(kept).all():
            largest = f"the features reach {np.abs(values).max():.3g}"
            raise ValueError(f"dtype: {largest}, which {self._dtype} can't hold: take 'float32', or check the network")
        kept.tofile(file)
