"""A run as files for another program: written, compared with the run's own predictions, then moved into place."""

import contextlib
import functools
import hashlib
import importlib
import json
import shutil
import tempfile
import uuid
from pathlib import Path

import numpy as np
from PIL import Image

from tlkit import __version__
from tlkit.arguments import check_known, check_one_label
from tlkit.backbones.recipe import check_takes_pictures
from tlkit.export.card import CARD, END, is_edited, write_card
from tlkit.images.imageset import ImageSet
from tlkit.images.inputs import gather_pictures
from tlkit.images.load import load_images
from tlkit.notices import show_progress
from tlkit.storage import PARTIAL_PREFIX

FACTS = "export.json"
N_CHECKED = 50
_NEAR = 0.01  # of the threshold of familiarity

# The module of each kind, and the largest difference of a probability. A module has these functions:
# - write_model(run, folder) writes the model and returns facts for export.json, at least its file name as "model";
#   "sha256" is that of this file unless it is given.
# - predict(folder, facts, images) returns the probabilities (n, n_classes) of an `ImageSet`, perhaps with a last column
#   of familiarity, and the name and version of the runtime. Facts are those of export.json so far.
# - add_card(folder, facts, text), if there is one, puts the text of the card into the model.
KINDS = {"onnx": ("onnx_graph", 0.01), "openvino": ("openvino_model", 1e-4), "web": ("web_page", 0.01)}


def export_run(run, folder, kind, pictures=None, progress=True):
    """Write a `Run` into a folder as one kind of model, after predicting pictures with it; return its facts (dict)."""
    (kind,) = check_known("kind", kind, KINDS)
    check_takes_pictures("run", run.backbone)
    folder = Path(folder).expanduser().resolve()
    _check_folder(folder, kind)
    name, bound = KINDS[kind]
    module = importlib.import_module(f"tlkit.export.{name}")
    facts = {"kind": kind, "model": None, "sha256": None, "classes": list(run.classes)}
    facts |= {"recipe": run.backbone.recipe.describe(), "rejection": run.rejection and run.rejection.describe()}
    above = next(path for path in folder.parents if path.exists())
    with (
        show_progress(3, f"{kind} export", "step", progress) as bar,
        tempfile.TemporaryDirectory(prefix=PARTIAL_PREFIX, dir=above) as beside,
    ):
        made, variants = Path(beside, "export"), Path(beside, "variants")
        made.mkdir()
        variants.mkdir()
        facts |= module.write_model(run, made)
        bar.update()
        facts["files"] = sorted(path.name for path in made.iterdir())
        images = choose_pictures(pictures, variants, run.backbone.recipe.n_channels)
        found, runtime = module.predict(made, facts, images)
        bar.update()
        facts |= compare(run, images, np.asarray(found, float), kind, bound)
        bar.update()
        facts |= {"checked_in": runtime, "version": __version__}
        _write_facts(made, facts)
        write_card(made, run)
        if hasattr(module, "add_card"):
            module.add_card(made, facts, (made / CARD).read_text(encoding="utf-8").rpartition(END)[0])
        facts = _write_facts(made, facts)
        _check_folder(folder, kind)
        _move(made, folder)
    return facts


def _write_facts(folder, facts):
    """Write and return the facts of export.json; a model without a hash of its own gets that of its file."""
    digest = facts["sha256"] or hashlib.sha256((folder / facts["model"]).read_bytes()).hexdigest()
    facts = facts | {"sha256": digest}
    (folder / FACTS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return facts


def _check_folder(folder, kind):
    """Raise ValueError if a folder has other files than those of an earlier export of this kind."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    earlier = {}
    with contextlib.suppress(OSError, ValueError, AttributeError):
        earlier = dict(json.loads((folder / FACTS).read_text(encoding="utf-8")))
    known = {FACTS, *earlier.get("files", [])} if earlier.get("kind") == kind else set()
    known |= set() if is_edited(folder / CARD) else {CARD}  # one's own words stay
    others = [folder.name] if folder.is_file() else sorted({path.name for path in folder.iterdir()} - known)
    if others:
        raise ValueError(f"folder: {folder} has {others[0]}, which is no earlier {kind} export: take a new folder")


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


def compare(run, images, found, kind, bound):
    """Return the facts on the difference between a run and the outputs (n, n_outputs) of a model; ValueError beyond."""
    # A tie is no fault: two best classes closer than the bound, or a familiarity near the threshold.
    expected, rows, n_classes = run.predict(images), np.arange(len(images)), len(run.classes)
    best, differences = found[:, :n_classes].argmax(1), np.abs(expected - found[:, :n_classes]).max(1)
    differing, lead = best != expected.argmax(1), expected.max(1) - expected[rows, best]
    faults = ~(differences <= bound) | (differing & (lead > bound))
    if found.shape[1] > n_classes:
        familiarity, threshold = found[:, -1], run.rejection.find_threshold()
        otherwise = (familiarity < threshold) != run.classify(images)["rejected"].to_numpy()
        faults |= otherwise & ~(np.abs(familiarity - threshold) <= _NEAR * abs(threshold))
        differing |= otherwise
    worst = int(np.nan_to_num(differences, nan=np.inf).argmax())
    if faults.any():
        raise ValueError(
            f"kind: the {kind} model predicts otherwise than the run for {faults.sum()} of {len(images)} pictures; "
            f"probabilities differ by up to {differences[worst]:.2g} (of {images.names[worst]}), expected at most "
            f"{bound:g}; nothing was written: take another kind"
        )
    counts = {"n_disagreements": int(differing.sum()), "n_checked": len(images)}
    return {"largest_difference": float(differences[worst])} | counts


def choose_pictures(pictures, folder, n_channels=3):
    """Return an `ImageSet` of 50: pictures of the user, bundled ones if these are few, and variants of the first."""
    check_one_label("pictures", pictures)
    # For networks of other channels than colours or gray, random pixels take the place of bundled pictures.
    if n_channels not in (1, 3):
        draw = np.random.default_rng(0).integers
        noise = [draw(0, 256, (60 + number, 90, n_channels), np.uint8) for number in range(N_CHECKED)]
        noise, given = gather_pictures(noise), None if pictures is None else gather_pictures(pictures)
        return noise if given is None else (_spread(given, N_CHECKED) + noise)[:N_CHECKED]
    bundled = load_images("styles", domain=["clipart", "photo"])
    given = bundled[:0] if pictures is None else gather_pictures(pictures)
    variants = gather_pictures(make_variants((given if len(given) else bundled).read(0), folder))
    given = _spread(given, N_CHECKED - len(variants))
    bundled = _spread(bundled, N_CHECKED - len(variants) - len(given))
    return functools.reduce(ImageSet.__add__, [given, bundled, variants])


def _spread(images, n):
    """Return at most n pictures, evenly spread over an `ImageSet`."""
    return images[np.linspace(0, len(images) - 1, min(n, len(images))).round().astype(int)]


def make_variants(picture, folder):
    """Write variants of a PIL picture that decoders easily read differently into a folder; return their paths."""
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
