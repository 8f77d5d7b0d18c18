"""`extract_features`: a frozen network over pictures, each computed once and kept on disk. Without torch."""

import itertools
import math
import tempfile
import warnings

import numpy as np
from tqdm.auto import tqdm

import tlkit
from tlkit.features.arithmetic import PRECISIONS
from tlkit.features.cache.feature_cache import FeatureCache
from tlkit.features.engines import choose_engine, describe_engine, open_engine, run_in_batches
from tlkit.features.features import Features
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.features.picture_batches import describe_decoder, read_squares
from tlkit.images import ImageSet
from tlkit.storage import cache_folder

_SHARD_BYTES = 8 * 2**20
_LARGEST_SHARD = 1024
_MOST_BYTES_IN_MEMORY = 2**30


def extract_features(
    backbone,
    images,
    engine="auto",
    precision="exact",
    cache=True,
    progress=True,
    *,
    stage=None,
    pooled=True,
    report=None,
):
    """Compute the features of pictures with a frozen network.

    The network runs in evaluation mode and is left as it was. The same pictures, weights and engine give the same bits,
    whichever pictures are computed beside them. Ctrl-C keeps what was computed, and the next call goes on from there.
    Features of more than 1 GiB lie in a file of the cache folder that goes with them, and are read from there.

    By name, a network that was converted before is run without torch, which starts in a second and in little memory.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
    images: ImageSet
    engine: "auto", "openvino", "torch" or "cuda"
        "auto" depends only on what is installed: an NVIDIA GPU where torch can use one, else OpenVINO, else torch.
    precision: "exact" or "fast"
        "exact" is float32, the same on every machine within 1e-4 of the features' scale. "fast" computes in bfloat16
        where the processor has units for it, and decodes JPEG pictures at a reduced scale.
    cache: bool
        Keep the features on disk, and take from there what is kept of the same pictures, weights, preprocessing, stage,
        engine and precision.
    progress: bool
        Show a bar with pictures a second and the time left while pictures are computed.
    stage: str or negative int, optional
        Take the output of this stage instead of the network's features.
    pooled: bool
        The mean over places of that output, (n, n_channels); False: the maps themselves, (n, n_channels, height,
        width), without `stage` those of the last stage.
    report: callable, optional
        `report(n_pictures)` is called each time that so many more pictures were computed. What it raises ends this,
        and keeps what was computed as Ctrl-C does.

    Returns `Features`.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart")[:6]
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> tl.extract_features(backbone, images, progress=False).values.shape
    (6, 1280)
    >>> tl.extract_features(backbone, images, progress=False, stage="stage3", pooled=False).values.shape
    (6, 40, 4, 4)
    """
    settings = {"cache": cache, "progress": progress, "report": report}
    values, key = extract_values(backbone, images, engine, precision, stage, bool(pooled), **settings)
    return Features(values, images.labels, images.classes, images.names, images.groups, key)


def extract_values(backbone, images, engine, precision, stage, pooled, *, cache, progress, report=None):
    """Return the values of `extract_features`, and what they depend on besides the pictures, a dict of str to str.

    Arguments as there; `pooled` may also be None: then a stage's output comes in the network's own order of axes, which
    the rest of the network takes, (n, …) float32.
    """
    if not isinstance(images, ImageSet):
        raise TypeError(f"images: a {type(images).__name__}, expected an ImageSet, as load_images makes it")
    if precision not in PRECISIONS:
        raise ValueError(f"precision: {precision!r}, expected one of {', '.join(PRECISIONS)}")
    engine = choose_engine(engine)
    network = _find_network(backbone)
    output = network.output(stage, pooled)
    key = {
        "backbone": network.name,
        "fingerprint": network.fingerprint,
        "image_size_px": str(network.image_size_px),
        "engine": describe_engine(engine, precision),
        "precision": precision,
        # What decodes and resizes the pictures.
        "software": f"tlkit {tlkit.__version__}, {describe_decoder(precision)}",
    }
    if output.stage is not None:
        key |= {"stage": output.stage, "pooled": str(output.pooled)}
    digests = [images.digest(index) for index in range(len(images))]
    values = _allocate((len(images), *output.shape))
    store = FeatureCache(key) if cache else None
    missing = store.load(digests, values) if cache else range(len(images))
    # A picture that stands twice in the set is computed once.
    first = {}
    for index in missing:
        first.setdefault(digests[index], index)
    if first:
        squares = read_squares(images, list(first.values()), network.recipe, precision)
        with tqdm(total=len(first), desc="features", unit="picture", disable=not progress, leave=False) as bar:
            rows = run_in_batches(open_engine(engine, network, output, precision), squares)
            _fill(values, rows, first, images, store, [bar.update, report] if report else [bar.update])
        for index in missing:
            values[index] = values[first[digests[index]]]
    return values, key


def _find_network(backbone):
    if isinstance(backbone, FrozenNetwork):
        return backbone
    if isinstance(backbone, str):
        return FrozenNetwork.named(backbone)
    if not hasattr(backbone, "fingerprint"):
        raise TypeError(
            f"backbone: a {type(backbone).__name__}, expected a Backbone, as load_backbone makes it, or its name"
        )
    return FrozenNetwork.of(backbone)


def _allocate(shape):
    if math.prod(shape) * 4 <= _MOST_BYTES_IN_MEMORY:
        return np.empty(shape, np.float32)
    return np.memmap(tempfile.TemporaryFile(dir=cache_folder()), np.float32, "w+", shape=shape)


def _fill(values, rows, first, images, store, reports):
    # `first` says for each digest where its row goes, in the order of `rows`. Kept shard by shard, so that whatever
    # ends this costs the pictures of one shard at most, and none where Python still runs.
    n_in_shard = max(1, min(_LARGEST_SHARD, _SHARD_BYTES // max(1, values[0].nbytes)))
    places, done = iter(first.items()), []

    def keep():
        same = [(digest, index) for digest, index in done if _is_same(images, index, digest)] if store else []
        if same:
            _keep(store, [digest for digest, _ in same], values[[index for _, index in same]])
        done.clear()

    try:
        for batch in rows:
            for row, (digest, index) in zip(batch, itertools.islice(places, len(batch)), strict=True):
                values[index] = row
                done.append((digest, index))
            for report in reports:
                report(len(batch))
            if len(done) >= n_in_shard:
                keep()
    finally:
        keep()


def _is_same(images, index, digest):
    # What was rewritten since its digest was taken must not be kept under that digest.
    try:
        return images.digest(index) == digest
    except OSError:
        return False


def _keep(store, digests, values):
    try:
        store.store(digests, values)
    except OSError as error:  # a full disk must not cost what was computed
        warnings.warn(
            f"the features can't be kept in {store.folder.parent} ({error}) and will be computed again: make room "
            "there, or set TLKIT_CACHE_DIR to a folder on another disk",
            stacklevel=4,
        )
