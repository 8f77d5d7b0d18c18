"""`extract_features`: a frozen network over pictures, each computed once and kept on disk."""

import importlib.metadata
import warnings

import numpy as np
from tqdm.auto import tqdm

import tlkit
from tlkit.features.cache import FeatureCache
from tlkit.features.engines import choose_engine, engine_version, run_engine
from tlkit.features.features import Features
from tlkit.images import ImageSet


def extract_features(backbone, images, engine="auto", precision="exact", cache=True, progress=True):
    """Compute the features of pictures with a frozen network.

    The network runs in evaluation mode and is left in the mode it was in. The same pictures, weights and engine give
    the same bits, whichever pictures are computed beside them.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
    images: ImageSet
    engine: "auto", "openvino" or "torch"
        "auto" is OpenVINO where it is installed, whatever the processor.
    precision: "exact"
        float32.
    cache: bool
        Keep the features on disk, and take from there what is kept of the same pictures, weights, preprocessing and
        engine.
    progress: bool
        Show a bar while pictures are computed.

    Returns `Features`.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart")[:6]
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> tl.extract_features(backbone, images, progress=False).values.shape
    (6, 1280)
    """
    if precision != "exact":
        raise ValueError(f"precision: {precision!r}, expected 'exact'")
    if not isinstance(images, ImageSet):
        raise TypeError(f"images: a {type(images).__name__}, expected an ImageSet, as load_images makes it")
    if isinstance(backbone, str):
        from tlkit.backbones.loading import load_backbone

        backbone = load_backbone(backbone)
    elif not hasattr(backbone, "fingerprint"):
        raise TypeError(
            f"backbone: a {type(backbone).__name__}, expected a Backbone, as load_backbone makes it, or its name"
        )
    engine = choose_engine(engine)
    fingerprint = backbone.fingerprint()
    key = {
        "backbone": backbone.name,
        "fingerprint": fingerprint,
        "image_size_px": str(backbone.image_size_px),
        "engine": engine_version(engine),
        "precision": precision,
        # What decodes and resizes the pictures.
        "software": f"tlkit {tlkit.__version__}, pillow {importlib.metadata.version('pillow')}",
    }
    digests = [images.digest(index) for index in range(len(images))]
    store = FeatureCache(key) if cache else None
    rows = store.load(digests) if cache else {}
    # A picture that stands twice in the set is computed once.
    missing = list({digest: i for i, digest in enumerate(digests) if digest not in rows}.items())
    if missing:
        values = _compute(engine, backbone, fingerprint, images, [index for _, index in missing], progress)
        computed = [digest for digest, _ in missing]
        if cache:
            _keep(store, computed, values)
        rows.update(zip(computed, values, strict=True))
    values = np.stack([rows[digest] for digest in digests]) if digests else np.empty((0, backbone.n_features), "f4")
    return Features(values, images.labels, images.classes, images.names, images.groups, key)


def _keep(store, digests, values):
    try:
        store.store(digests, values)
    except OSError as error:  # a full disk must not cost what was computed
        warnings.warn(
            f"the features can't be kept in {store.folder.parent} ({error}) and will be computed again: make room "
            "there, or set TLKIT_CACHE_DIR to a folder on another disk",
            stacklevel=3,
        )


def _compute(engine, backbone, fingerprint, images, indices, progress):
    training = {module: module.training for module in backbone.modules()}
    backbone.eval()
    arrays = (backbone.preprocess(images.read(index)) for index in indices)
    try:
        with tqdm(total=len(indices), desc="features", unit="picture", disable=not progress, leave=False) as bar:
            return run_engine(engine, backbone, fingerprint, arrays, len(indices), bar.update)
    finally:
        for module, mode in training.items():
            module.training = mode
