"""Filling the folder of weights: by download, or with files brought from elsewhere. Without torch."""

import dataclasses
import shutil
from pathlib import Path

from tlkit.backbones.entry import Entry
from tlkit.backbones.networks import find_entry, list_entries
from tlkit.backbones.weights.download import N_BYTES, name_impostor
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import check_sha256, compute_sha256, hash_prefix, record_sha256
from tlkit.backbones.weights.weight_files import fetch_file, find_file, find_published, weights_folders
from tlkit.storage import written_whole


@dataclasses.dataclass(frozen=True)
class Stocked:
    """A weights file that is on this machine, and was found whole.

    Arguments
    ---------
    entry: Entry
    path: path
    sha256: str
    is_new: bool
        Whether it wasn't there before.
    """

    entry: Entry
    path: Path
    sha256: str
    is_new: bool

    @property
    def is_published(self):
        """Whether the publisher states the hash; else it is the one that was recorded here."""
        return bool(hash_prefix(self.entry.weights_file))


def fetch(name, weights="pretrained", *, progress=True):
    """Download a network's weights, unless they are here and whole; a damaged file is replaced.

    Arguments
    ---------
    name: str
    weights: "pretrained" or a tag
    progress: bool
        Show a bar.

    Returns a `Stocked`. Raises ValueError for an unknown name, `WeightsError` where the file can't be had.
    """
    entry = find_entry(name, weights)
    path = find_file(entry)
    if path is not None:
        try:
            return Stocked(entry, path, _check(path, entry), False)
        except WeightsError:
            pass  # what is damaged gives way to what is whole, and stays where that can't be had
    path = fetch_file(entry, progress=progress, replace=path is not None)
    return Stocked(entry, path, _check(path, entry), True)


def identify(path):
    """Find out whose weights a file holds, whatever it is called; returns the `Entry`.

    The hashes that publishers state tell it. A file of timm, which states none, is known by its name.

    Raises `WeightsError` for a file that is none of the catalogue's, or a damaged one.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise WeightsError(f"{path} is {'a folder' if path.is_dir() else 'not there'}; expected a weights file")
    with open(path, "rb") as file:
        impostor = name_impostor(file.read(N_BYTES))
    if impostor:
        raise WeightsError(f"{path} is {impostor}, and not weights: fetch the file itself")
    sha256 = compute_sha256(path)
    if (entry := find_published(sha256)) is not None:
        return entry
    # timm takes seconds to import, so it is asked only where the name may be one of its files.
    patterns = ["*"] if hash_prefix(path.name) else ["*", "timm:*"]
    named = [entry for each in patterns for entry in list_entries(each) if entry.weights_file == path.name]
    if not named:
        raise WeightsError(
            f"{path} is none of the published files that tlkit knows (SHA-256 {sha256[:8]}…). If you know the network, "
            f'load it by its path: tl.load_backbone(NAME, weights="{path}")'
        )
    check_sha256(path, path.stat(), sha256, named[0])
    return named[0]


def add(path, entry):
    """Put a file that `identify` found to be an entry's into the folder of weights, whole; returns a `Stocked`."""
    path, target = Path(path).expanduser(), weights_folders()[0] / entry.weights_file
    if target.is_file():
        try:
            return Stocked(entry, target, _check(target, entry), False)
        except WeightsError:
            pass
    with written_whole(target) as temporary:
        shutil.copyfile(path, temporary)
        _check(temporary, entry)  # what was read from a stick may differ from what was read from it before
    return Stocked(entry, target, _check(target, entry), True)


def _check(path, entry):
    status, sha256 = path.stat(), compute_sha256(path)
    check_sha256(path, status, sha256, entry)
    record_sha256(path, status, sha256, entry)
    return sha256
