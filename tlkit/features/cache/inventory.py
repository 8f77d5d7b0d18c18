"""List and remove files of the cache folder: features, converted networks and weights. Without torch and NumPy."""

import contextlib
import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

from tlkit.storage import cache_folder

KINDS = ("features", "converted", "weights")
KEY_NAME = "key.json"  # in each folder of features: network, engine and precision
PARTIAL_PREFIX = ".partial-"  # of files that are still being written
_ABANDONED_AFTER_S = 24 * 60 * 60


@dataclasses.dataclass(frozen=True)
class Kept:
    """Files that are removed together: a shard of features, a converted network or a file of weights."""

    kind: str  # one of KINDS
    paths: tuple  # in the order of removal
    size_bytes: int
    used_s: float  # time of the last use, in seconds since 1970


def list_kept(kinds=KINDS):
    """Return a list of `Kept` of some kinds."""
    kept = []
    if "features" in kinds:
        for folder in _list_folders(cache_folder() / "features"):
            kept += [_weigh("features", [file]) for file in _list_files(folder) if file.name != KEY_NAME]
    if "converted" in kinds:
        networks = {}
        for file in _list_files(cache_folder() / "converted"):
            if file.suffix != ".json":  # the small record of a network
                networks.setdefault(file.stem, []).append(file)
        # The hash is removed first: without it, no process reads the rest of a network.
        kept += [
            _weigh("converted", sorted(files, key=lambda file: file.suffix != ".sha256")) for files in networks.values()
        ]
    if "weights" in kinds:
        files = _list_files(cache_folder() / "weights")
        kept += [_weigh("weights", [file]) for file in files if file.suffix != ".lock"]
    return [one for one in kept if one is not None]


def describe(kept):
    """Return a text on the content: network, size, stage, engine and precision of features, or the file name."""
    path = kept.paths[0]
    if kept.kind == "features":
        key = _read_json(path.parent / KEY_NAME)
        if not isinstance(key, dict):
            return "an unknown network"
        parts = [f"{key.get('backbone', 'an unknown network')} at {key.get('image_size_px', '?')} px"]
        if "stage" in key:
            parts.append(key["stage"] if key.get("pooled") == "True" else f"maps of {key['stage']}")
        return ", ".join([*parts, key.get("engine", "unknown engine"), key.get("precision", "unknown precision")])
    if kept.kind == "converted":
        fingerprint = path.stem.split("-")[0]
        for record in (cache_folder() / "converted").glob("*.json"):
            with contextlib.suppress(TypeError, KeyError, AttributeError):  # damaged
                known = _read_json(record)
                if known["fingerprint"].startswith(fingerprint):
                    return f"{known['name']} at {known['recipe']['crop_size_px']} px"
        return f"an unknown network, {fingerprint[:8]}"
    return path.name


def remove(kept):
    """Remove files from the cache and return whether that worked; on Windows, files in use may stay."""
    try:
        for path in kept.paths:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def tidy():
    """Remove partial files of killed processes after a day, and empty folders of features."""
    now_s = time.time()
    folders = _list_folders(cache_folder() / "features")
    for folder in (*folders, cache_folder() / "converted"):
        for path in map(Path, _scan(folder)):
            is_partial = path.name.startswith((PARTIAL_PREFIX, "tmp"))
            with contextlib.suppress(OSError):
                if is_partial and now_s - path.stat().st_mtime > _ABANDONED_AFTER_S:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in folders:
        with contextlib.suppress(OSError):  # another process writes into it again
            if [path.name for path in folder.iterdir()] in ([], [KEY_NAME]):
                (folder / KEY_NAME).unlink(missing_ok=True)
                folder.rmdir()


def _list_folders(folder):
    """Return the paths of the folders in a folder."""
    return [Path(entry) for entry in _scan(folder) if entry.is_dir()]


def _list_files(folder):
    """Return the paths of the files in a folder, without hidden ones."""
    return [Path(entry) for entry in _scan(folder) if entry.is_file() and not entry.name.startswith(".")]


def _scan(folder):
    """Return the entries of a folder; none if it doesn't exist."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _weigh(kind, paths):
    """Return the `Kept` of some files; None if another process has just removed them."""
    try:
        status = [path.stat() for path in paths]
    except FileNotFoundError:
        return None
    return Kept(kind, tuple(paths), sum(one.st_size for one in status), max(one.st_mtime for one in status))


def _read_json(path):
    """Return the content of a JSON file; None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
