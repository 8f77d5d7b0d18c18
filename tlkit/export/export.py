"""A run as files for another program: written, compared with the run's own predictions, then moved into place."""

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import json
import shutil
import tempfile
import uuid
from pathlib import Path

import numpy as np

from tlkit import __version__
from tlkit.arguments import check_known
from tlkit.export.card import CARD, write_card
from tlkit.images.imageset import ImageSet
from tlkit.images.inputs import gather_pictures
from tlkit.images.load import load_images
from tlkit.storage import PARTIAL_PREFIX

FACTS = "export.json"
N_CHECKED = 50
_NEAR = 0.01  # of the threshold

# The module of each kind, and the largest difference of a probability. A module has two functions:
# - write_model(run, folder) writes the model and returns facts for export.json, at least its file name as "model";
#   "sha256" is that of this file unless it is given.
# - open_model(folder, facts) returns (predict, name and version of the runtime); `predict` gives the probabilities
#   (n, n_classes) of an `ImageSet`, perhaps with a last column of familiarity. Facts are those of export.json so far.
# And perhaps a third: add_card(folder, facts, text) puts the text of the card into the model.
KINDS = {"onnx": ("onnx_graph", 0.01), "openvino": ("openvino_model", 1e-4), "web": ("web_page", 0.01)}


def export_run(run, folder, kind, pictures=None):
    """Write a `Run` into a folder as one kind of model, after predicting pictures with it; return its facts (dict)."""
    (kind,) = check_known("kind", kind, KINDS)
    folder = Path(folder).expanduser().resolve()
    _check_folder(folder, kind)
    module, bound = KINDS[kind]
    module = importlib.import_module(f"tlkit.export.{module}")
    facts = {"kind": kind, "model": None, "sha256": None, "classes": list(run.classes)}
    facts |= {
        "recipe": dataclasses.asdict(run.backbone.recipe),
        "rejection": run.rejection and run.rejection.describe(),
    }
    above = next(path for path in folder.parents if path.exists())
    with (
        tempfile.TemporaryDirectory(prefix=PARTIAL_PREFIX, dir=above) as made,
        tempfile.TemporaryDirectory(prefix="tlkit-") as other,
    ):
        made = Path(made, "export")
        made.mkdir()
        facts |= module.write_model(run, made)
        facts["files"] = sorted(path.name for path in made.iterdir())
        images = choose_pictures(pictures, Path(other))
        expected = run.predict(images)
        rejected = run.rejection and run.classify(images)["rejected"].to_numpy()
        predict, runtime = module.open_model(made, facts)
        found = np.asarray(predict(images), float)
        facts |= compare(expected, found[:, : len(run.classes)], images.names, kind, bound)
        if found.shape[1] > len(run.classes):
            facts["n_disagreements"] += compare_rejected(rejected, found[:, -1], run.rejection.find_threshold(), kind)
        facts |= {"checked_in": runtime, "version": __version__}
        _write_facts(made, facts)
        write_card(made, run)
        if hasattr(module, "add_card"):
            module.add_card(made, facts, (made / CARD).read_text(encoding="utf-8"))
        facts = _write_facts(made, facts)
        _check_folder(folder, kind)
        _move(made, folder)
    return facts


def _write_facts(folder, facts):
    """Write and return the facts of export.json; a model without a hash of its own gets that of its file."""
    facts = dict(facts)
    facts["sha256"] = facts["sha256"] or hashlib.sha256((folder / facts["model"]).read_bytes()).hexdigest()
    (folder / FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return facts


def _check_folder(folder, kind):
    """Raise ValueError if a folder has other files than those of an earlier export of this kind."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    earlier = {}
    with contextlib.suppress(OSError, ValueError):
        earlier = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    if not isinstance(earlier, dict) or earlier.get("kind") != kind:
        raise ValueError(
            f"folder: {folder} has other files than an earlier export of kind {kind!r}, which alone would be replaced: "
            "take a new folder"
        )
    known = {FACTS, CARD, *earlier.get("files", [])}
    if others := sorted(path.name for path in folder.iterdir() if path.name not in known):
        raise ValueError(f"folder: {folder} has {others[0]}, which is no part of the export: move it elsewhere")


def _move(made, folder):
    """Move a folder to its place; an earlier one there is removed when the new one is in place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    earlier = folder.with_name(f"{PARTIAL_PREFIX}{uuid.uuid4().hex}")
    if folder.exists():
        folder.rename(earlier)
    try:
        made.rename(folder)
    except BaseException:
        if earlier.exists():
            earlier.rename(folder)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def compare(expected, found, names, kind, bound):
    """Return the facts on the difference of two (n, n_classes) probabilities; ValueError beyond the bound."""
    # Where the two best classes are closer than the bound, either may come first.
    rows = np.arange(len(expected))
    lead = expected[rows, expected.argmax(1)] - expected[rows, found.argmax(1)]
    differing = np.flatnonzero(~(lead <= bound))
    differences = np.abs(expected - found).max(axis=1)
    worst = int(np.argmax(np.where(np.isnan(differences), np.inf, differences)))
    if len(differing) or not differences[worst] <= bound:
        raise ValueError(
            f"kind: the {kind} model predicts otherwise than the run: probabilities differ by up to "
            f"{differences[worst]:.2g} (on {names[worst]}), expected at most {bound:g}, and {len(differing)} of "
            f"{len(expected)} pictures get another class; nothing was written: take another kind"
        )
    return {
        "largest_difference": float(differences[worst]),
        "n_disagreements": int((expected.argmax(1) != found.argmax(1)).sum()),
        "n_checked": len(expected),
    }


def compare_rejected(expected, familiarity, threshold, kind):
    """Return the number of pictures that a model rejects otherwise; ValueError unless all are near the threshold."""
    differing = expected != (familiarity < threshold)
    if n_far := int((differing & ~(np.abs(familiarity - threshold) <= _NEAR * abs(threshold))).sum()):
        raise ValueError(
            f"kind: the {kind} model rejects otherwise than the run on {n_far} of {len(expected)} pictures; nothing "
            "was written: take another kind"
        )
    return int(differing.sum())


def choose_pictures(pictures, folder):
    """Return an `ImageSet` to compare predictions on: pictures of the user or bundled ones, and variants of one."""
    given = None if pictures is None else gather_pictures(pictures)
    bundled = _bundled()
    first = given if given is not None and len(given) else bundled
    variants = gather_pictures(make_variants(first.read(0), folder))
    n_bundled = max(0, N_CHECKED - len(variants) - (0 if given is None else len(given)))
    parts = [] if given is None else [given]
    parts += [bundled[np.linspace(0, len(bundled) - 1, n_bundled).round().astype(int)]] if n_bundled else []
    return functools.reduce(ImageSet.__add__, [*parts, variants])


def _bundled():
    """Return the bundled clip-art and photos."""
    return load_images("styles", domain=["clipart", "photo"])


def make_variants(picture, folder):
    """Write variants of a PIL picture that decoders easily read differently into a folder; return their paths."""
    from PIL import Image

    width_px, height_px = picture.size
    enlarged = picture.resize((2048, max(1, 2048 * height_px // width_px)))
    see_through = picture.resize((301, 203)).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize(see_through.size))
    exif = Image.Exif()
    exif[0x0112] = 6  # the orientation: to be turned by 90°
    paths = [folder / name for name in ("large.jpg", "gray.jpg", "transparent.png", "cmyk.jpg", "turned.jpg")]
    variants = [enlarged, picture.resize((333, 217)).convert("L"), see_through, picture.convert("CMYK"), picture]
    for path, variant in zip(paths, variants, strict=True):
        variant.save(path, **({"exif": exif} if path.name == "turned.jpg" else {}))
    return paths
