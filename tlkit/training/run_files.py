"""The files of a run: its tensors and its description, written and read together."""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from tlkit import __version__
from tlkit.storage import written_whole

_DESCRIPTION = "run.json"
_WEIGHTS = "weights-{}.safetensors"
# The parts of a run that are tensors.
TENSOR_PARTS = ("backbone", "head", "adapters")
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


def write_run(folder, tensors, described):
    """Write tensors and plain values into a folder, which has the earlier or the new run at any moment."""
    folder = Path(folder)
    data = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    weights = _WEIGHTS.format(digest[:_N_DIGITS])
    text = json.dumps(described | {"weights": {"file": weights, "sha256": digest}}, indent=1)
    try:
        # Under a new name, so that the earlier description has its weights until it is replaced.
        with written_whole(folder / weights) as temporary:
            temporary.write_bytes(data)
        with written_whole(folder / _DESCRIPTION) as temporary:
            temporary.write_text(text, encoding="utf-8")
    finally:
        _remove_others(folder)


def read_run(folder):
    """Return the (tensors, description) that `write_run` wrote; an error if files are missing or damaged."""
    folder = Path(folder)
    described = _read_description(folder)
    match described.pop("weights", None):
        case {"file": str(weights), "sha256": str(digest)}:
            pass
        case _:
            raise ValueError(_describe_damage(folder, f"{_DESCRIPTION} doesn't name its weights"))
    if not (folder / weights).is_file():
        raise FileNotFoundError(_describe_missing(folder, weights))
    data = (folder / weights).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(_describe_damage(folder, f"the bytes of {weights} are not those that were saved"))
    try:
        return load(data), described
    except SafetensorError as error:
        raise ValueError(_describe_damage(folder, f"{weights} can't be read: {error}")) from error


def check_tensors(folder, given, expected):
    """Raise ValueError if the tensors of a folder don't have the expected names and shapes."""
    for name in sorted(given.keys() ^ expected.keys()):
        fault = "lacks" if name in expected else "has"
        raise ValueError(_describe_damage(folder, f"its weights are another network's: it {fault} {name}"))
    for name, value in expected.items():
        if given[name].shape != value.shape:
            shapes = f"{name} is {tuple(given[name].shape)}, expected {tuple(value.shape)}"
            raise ValueError(_describe_damage(folder, f"its weights are another network's: {shapes}"))


def check_description(folder, described, expected):
    """Raise ValueError if a description doesn't have exactly the expected entries."""
    for name in sorted(described.keys() ^ expected):
        fault = "lacks" if name in expected else "has an unknown"
        raise ValueError(_describe_damage(folder, f"{_DESCRIPTION} {fault} {name!r}"))


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


def _read_description(folder):
    """Return the description in a folder, a dict."""
    path = folder / _DESCRIPTION
    if not path.is_file():
        raise FileNotFoundError(_describe_missing(folder, _DESCRIPTION))
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(_describe_damage(folder, f"{_DESCRIPTION} can't be read ({error})")) from error
    if not isinstance(described, dict):
        raise ValueError(_describe_damage(folder, f"{_DESCRIPTION} describes no run"))
    return described


def _remove_others(folder):
    """Remove weights that the description doesn't name, of an earlier run or of a save that failed."""
    try:
        kept = _read_description(folder)["weights"]["file"]
    except FileNotFoundError:
        kept = None
    except (ValueError, KeyError, TypeError):
        return  # damaged; the weights that it named may still be needed
    for path in folder.glob(_WEIGHTS.format("*")):
        if path.name != kept:
            path.unlink()


def _describe_missing(folder, name):
    """Return the message for a file that is missing."""
    return f"folder: {folder.absolute()} has no {name}, expected a folder that Run.save wrote, with all its files"


def _describe_damage(folder, damage):
    """Return the message for a folder that is damaged."""
    return f"folder: {Path(folder).absolute()} is damaged, {damage}: copy it again from an intact one, or train again"
