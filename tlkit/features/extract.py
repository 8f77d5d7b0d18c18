"""Feature extraction with a frozen network; each picture is computed once and kept on disk. Without torch."""

import contextlib
import errno
import itertools
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence

import numpy as np

import tlkit as tl
from tlkit.arguments import check_flag, check_known
from tlkit.cpu.threads import default_states
from tlkit.features.cache.feature_cache import FeatureCache
from tlkit.features.cache.shards import SHARD_BYTES
from tlkit.features.crops import describe_decoder, read_crops
from tlkit.features.engines import PRECISIONS, choose_engine, describe_engine, open_engine, run_in_batches
from tlkit.features.features import Features
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.notices import show_progress
from tlkit.storage import cache_folder

_MAX_SHARD_ROWS = 1024
_MAX_BYTES_IN_MEMORY = 2**30


def extract_features(
    backbone: "tl.Backbone | str",
    images: "tl.ImageSet | str | Sequence",
    engine: str = "auto",
    precision: str = "exact",
    cache: bool = True,
    progress: bool = True,
    *,
    stage: str | int | None = None,
    pooled: bool = True,
    report: Callable[[int], object] | None = None,
) -> Features:
    """Compute the features of pictures with a frozen network.

    The network runs in evaluation mode and is not changed. The same pictures, weights and engine give the same bits,
    whatever other pictures are computed with them. After Ctrl-C the next call continues with the remaining pictures.

    Parameters
    ----------
    backbone : Backbone or str
        A network, or its name for `load_backbone`. By name, a network that was converted before runs without torch.
    images : ImageSet, folder, or list of path, PIL.Image or (height, width, 3) uint8
        The pictures. Other forms than an ImageSet have the one class "unlabelled".
    engine : {"auto", "openvino", "torch", "cuda"}
        Software that runs the network. "auto" is an NVIDIA GPU if torch can use one, else OpenVINO, else torch.
    precision : {"exact", "fast"}
        "exact" is float32, equal on all machines within 1e-4; "fast" is bfloat16, on JPEG decoded at a reduced size.
    cache, progress : bool
        Keep the features on disk and reuse them, except those of a network with hooks or replaced methods; show a bar.
    stage, pooled : str or negative int, optional, and bool
        Stage whose output is taken, by default the last, and whether its mean over spatial axes is taken, or else maps.
    report : callable, optional
        Is called with the number of newly computed pictures; an exception in it ends the extraction like Ctrl-C.

    Returns
    -------
    Features
        One row per picture. Values of more than 1 GiB are read from a temporary file.

    Raises
    ------
    TypeError, ValueError, PictureError
        If an argument can't be used, the engine isn't installed, the stage has no maps, or a picture can't be read.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart")[:6]
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> tl.extract_features(backbone, images, progress=False).values.shape
    (6, 1280)
    """
    settings = {"cache": cache, "progress": progress, "report": report}
    network = find_network(backbone)
    images = network.recipe.gather(images, "images")
    values, key = extract_values(network, images, engine, precision, stage, check_flag("pooled", pooled), **settings)
    return Features(values, images.labels, images.classes, images.names, images.groups, key)


@default_states()
def extract_values(
    backbone, images, engine, precision, stage, pooled, *, cache=True, progress=False, report=None, start=None
):
    """Return the values (n, …) of `extract_features` and their cache key, a dict of str to str."""
    # `pooled` may also be None: then a stage's output keeps the order of axes that the rest of the network takes. In
    # OpenVINO, outputs of a stage `start` are computed and kept first, if they are small and the rest gives these bits.
    check_known("precision", [precision], PRECISIONS)
    network = find_network(backbone)
    network.recipe.check(images)
    engine = choose_engine(engine, network)
    output = network.output(stage, pooled)
    key = describe_extraction(network, output, engine, precision)
    # A picture is identified by its own hash.
    digests = [images.digest(index) for index in range(len(images))]
    values = allocate((len(images), *output.shape))
    store = FeatureCache(key) if cache and network.is_covered else None
    missing = store.load(digests, values) if store else range(len(images))
    # A picture that occurs twice in the set is computed once.
    first = {}
    for index in missing:
        first.setdefault(digests[index], index)
    if first:
        first = {digests[index]: index for index in network.recipe.sort(images, first.values())}
        rows = list(first.values())
        running = open_engine(engine, network, output, precision)
        crops = read_crops(images, rows, network.recipe, precision)
        n_bytes = 4 * len(rows) * math.prod(network.output(start, None).shape) if start else math.inf
        if engine == "openvino" and store and n_bytes <= _MAX_BYTES_IN_MEMORY:
            maps, _ = extract_values(network, images[rows], engine, precision, start, None, report=report)
            rest, report = open_engine(engine, network, output, precision, start), None
            one = next(run_in_batches(running, read_crops(images, rows[:1], network.recipe, precision)))
            if np.array_equal(next(run_in_batches(rest, maps[:1])), one):
                running, crops = rest, maps
        with show_progress(len(first), "features", network.recipe.noun, progress) as bar:
            _fill(values, run_in_batches(running, crops), first, images, store, [bar.update, *filter(None, [report])])
        for index in missing:
            values[index] = values[first[digests[index]]]
    return values, key


def describe_extraction(network, output, engine, precision):
    """Return everything but the picture that decides the bits of a row, a dict of str to str."""
    key = {
        "backbone": network.name,
        "fingerprint": network.fingerprint,
        "image_size_px": str(network.recipe.input_size),
        "engine": describe_engine(engine, precision),
        "precision": precision,
        "software": f"tlkit {tl.__version__}, {describe_decoder(precision)}",
    }
    return key if output.stage is None else key | {"stage": output.stage, "pooled": str(output.pooled)}


def find_network(backbone):
    """Return the `FrozenNetwork` of a `Backbone` or a name."""
    if isinstance(backbone, FrozenNetwork):
        return backbone
    if isinstance(backbone, str):
        return FrozenNetwork.named(backbone)
    if not hasattr(backbone, "fingerprint"):
        raise TypeError(f"backbone: a {type(backbone).__name__}, expected a Backbone, as of load_backbone, or a name")
    return FrozenNetwork.of(backbone)


def allocate(shape):
    """Return an empty float32 array; a large one lies in a file that the system deletes with the array."""
    if math.prod(shape) * 4 <= _MAX_BYTES_IN_MEMORY:
        return np.empty(shape, np.float32)
    folder, n_bytes = cache_folder(), math.prod(shape) * 4
    free_bytes = shutil.disk_usage(folder).free
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # A file with holes would kill the process later, when it is filled and the disk is full.
            if n_bytes > free_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, n_bytes)
            return np.memmap(file, np.float32, "w+", shape=shape)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror}: the features {shape} take {n_bytes / 2**30:.2f} GiB in {folder}, which has "
            f"{free_bytes / 2**30:.2f} GiB left; make room there, set TLKIT_CACHE_DIR to a folder on another disk, or "
            "take pooled=True or fewer pictures",
        ) from error


# Rows are kept shard by shard, so a crash costs the pictures of one shard at most, and Ctrl-C none.
def _fill(values, rows, first, images, store, reports):
    """Write computed rows into `values` at the indices of `first`, {digest: index} in their order, and keep them."""
    n_in_shard = max(1, min(_MAX_SHARD_ROWS, SHARD_BYTES // max(1, values[0].nbytes)))
    targets, done = iter(first.items()), []

    def keep():
        same = {}  # features of a file that has changed or gone meanwhile must not be kept under its former digest
        for digest, index in done if store else ():
            with contextlib.suppress(OSError):
                same |= {digest: index} if images.digest(index) == digest else {}
        if same:
            store.store(list(same), values[list(same.values())])
        done.clear()

    try:
        for batch in rows:
            for row, (digest, index) in zip(batch, itertools.islice(targets, len(batch)), strict=True):
                values[index, : len(row)], values[index, len(row) :] = row, 0  # texts are filled up
                done.append((digest, index))
            for report in reports:
                report(len(batch))
            if len(done) >= n_in_shard:
                keep()
    finally:
        keep()
