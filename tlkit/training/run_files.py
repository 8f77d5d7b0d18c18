"""The files of a run, tensors and description, written together; `saved_run` reads them."""

import dataclasses
import hashlib
import importlib
import json
import platform
import re
from importlib.metadata import version
from pathlib import Path, PurePath

import numpy as np
from safetensors.torch import save

from tlkit import __version__
from tlkit.storage import written_whole
from tlkit.training.checkpoints import hash_facts

DESCRIPTION = "run.json"
_WEIGHTS = "weights-{}.safetensors"
_OUR_WEIGHTS = re.compile(r"weights-[0-9a-f]{16}\.safetensors")
# The parts of a run that are tensors.
TENSOR_PARTS = ("backbone", "head", "adapters", "rejection", "recipe")
# Digits of the hash in the name of a file of weights.
_N_DIGITS = 16


def join_parts(parts):
    """Return {"part.name": tensor} of {part: {name: tensor}}."""
    return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}


def split_parts(tensors):
    """Return {part: {name: tensor}}, with all parts, of {"part.name": tensor}."""
    parts = {part: {} for part in TENSOR_PARTS}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = value
    return parts


def describe_run(run):
    """Return all of a run but its tensors, with plain values for its backbone and rejection."""
    names = [field.name for field in dataclasses.fields(run) if field.name not in TENSOR_PARTS]
    described, backbone = {name: getattr(run, name) for name in names}, run.backbone
    described["backbone"] = {
        "name": backbone.name,
        "image_size_px": backbone.image_size_px,
        "recipe": backbone.recipe.describe(),
        "provenance": hide_folders(backbone.provenance),
    }
    if backbone.made is not None:
        probe = importlib.import_module("tlkit.backbones.own_network").probe
        described["backbone"]["made"] = backbone.made | {"features": probe(backbone)}
    return described | {"rejection": run.rejection.describe() if run.rejection else None}


def write_run(folder, tensors, described):
    """Write tensors and plain values into a folder, which has the earlier or the new run at any moment."""
    folder = Path(folder).expanduser()
    if (folder / DESCRIPTION).exists() and not (list_weights(folder) or _describes_run(folder)):
        raise ValueError(f"folder: {folder.absolute()} has a {DESCRIPTION} that Run.save did not write: take another")
    data = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    weights = _WEIGHTS.format(digest[:_N_DIGITS])
    described = described | {"weights": {"file": weights, "sha256": digest}}
    facts = json.loads(json.dumps(described, default=_make_plain))  # as they will be read
    text = json.dumps(facts | {"sha256": hash_facts(facts)}, indent=1)
    try:
        # Under a new name, so that the earlier description has its weights until it is replaced.
        with written_whole(folder / weights) as temporary:
            temporary.write_bytes(data)
        with written_whole(folder / DESCRIPTION) as temporary:
            temporary.write_text(text, encoding="utf-8")
    finally:
        _remove_others(folder)


def _make_plain(value):
    """Return a value of a strategy's own functions as JSON can hold it: NumPy's numbers, or only a name."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return value.name if isinstance(value, PurePath) else type(value).__name__


def hide_folders(provenance):
    """Return a provenance whose files have no folders, since these contain names of users."""
    hidden = dict(provenance)
    if hidden.get("file"):
        hidden["file"] = Path(hidden["file"]).name
    return hidden | ({"start": hide_folders(hidden["start"])} if "start" in hidden else {})


def list_weights(folder):
    """Return the paths of the weights that `write_run` wrote into a folder, known by their names."""
    return [path for path in folder.glob(_WEIGHTS.format("*")) if _OUR_WEIGHTS.fullmatch(path.name)]


def read_versions(with_adapters):
    """Return the versions that decide the results of a training, {name: str}."""
    names = ("torch", "torchvision", "numpy", *(("peft",) if with_adapters else ()))
    return {"tlkit": __version__, "python": platform.python_version()} | {name: version(name) for name in names}


def name_processor():
    """Return the name of the machine's processor."""
    if (path := Path("/proc/cpuinfo")).exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _describes_run(folder):
    """Return whether the description in a folder is that of a run."""
    try:
        return "start_hash" in read_description(folder)
    except ValueError:
        return False


def read_description(folder):
    """Return the description in a folder, a dict."""
    path = folder / DESCRIPTION
    if not path.is_file():
        raise FileNotFoundError(describe_missing(folder, DESCRIPTION))
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(describe_damage(folder, f"{DESCRIPTION} can't be read ({error})")) from error
    if not isinstance(described, dict):
        raise ValueError(describe_damage(folder, f"{DESCRIPTION} describes no run"))
    return described


def _remove_others(folder):
    """Remove weights that the description doesn't name, of an earlier run or of a save that failed."""
    try:
        kept = read_description(folder)["weights"]["file"]
    except FileNotFoundError:
        kept = None
    except (ValueError, KeyError, TypeError):
        return  # damaged; the weights that it named may still be needed
    for path in list_weights(folder):
        if path.name != kept:
            path.unlink()


def describe_missing(folder, name):
    """Return the message for a file that is missing."""
    return f"folder: {folder.absolute()} has no {name}, expected the folder of a saved run, with all its files"


def describe_damage(folder, damage):
    """Return the message for a folder that is damaged."""
    return f"folder: {Path(folder).absolute()} is damaged, {damage}: copy it again from an intact one, or train again"
