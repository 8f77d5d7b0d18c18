"""What lies in the cache folder: features, converted networks, weights; when it was last used, and removing it.

Without torch and NumPy.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

from tlkit.storage import cache_folder

KINDS = ("features", "converted", "weights")
KEY_NAME = "key.json"  # in each folder of features: what made them
PARTIAL_PREFIX = ".partial-"  # begins the name of a file that is still being written
_ABANDONED_AFTER_S = 24 * 60 * 60


@dataclasses.dataclass(frozen=True)
class Kept:
    """What is removed as one: a shard of features, a converted network or a file of weights.

    Arguments
    ---------
    kind: one of KINDS
    paths: tuple of Path
        Its files, in the order in which they are to be removed.
    size_bytes: int
    used_s: float
        When it was last written or read, in seconds since 1970.
    """

    kind: str
    paths: tuple
    size_bytes: int
    used_s: float


def list_kept(kinds=KINDS):
    """Return what there is of some kinds (list of Kept)."""
    kept = []
    if "features" in kinds:
        for folder in _list_folders(cache_folder() / "features"):
            kept += [_weigh("features", [file]) for file in _list_files(folder) if file.name != KEY_NAME]
    if "converted" in kinds:
        networks = {}
        for file in _list_files(cache_folder() / "converted"):
            if file.suffix != ".json":  # some hundred bytes that are remembered of a network
                networks.setdefault(file.stem, []).append(file)
        # A network without its hash isn't read, so nobody reads a half of it while the others go.
        kept += [
            _weigh("converted", sorted(files, key=lambda file: file.suffix != ".sha256")) for files in networks.values()
        ]
    if "weights" in kinds:
        files = _list_files(cache_folder() / "weights")
        kept += [_weigh("weights", [file]) for file in files if file.suffix != ".lock"]
    return [one for one in kept if one is not None]


def describe(kept):
    """Say what made features, which network was converted, or whose weights these are (str)."""
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
    """Remove files from the cache; returns whether they are gone. What a program holds open may stay, on Windows."""
    try:
        for path in kept.paths:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def tidy():
    """Remove what killed writers left more than a day ago, and folders of features that hold nothing any more."""
    now_s = time.time()
    folders = _list_folders(cache_folder() / "features")
    for folder in (*folders, cache_folder() / "converted"):
        for path in map(Path, _scan(folder)):
            is_partial = path.name.startswith((PARTIAL_PREFIX, "tmp"))
            with contextlib.suppress(OSError):
                if is_partial and now_s - path.stat().st_mtime > _ABANDONED_AFTER_S:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in folders:
        with contextlib.suppress(OSError):  # somebody writes into it again
            if [path.name for path in folder.iterdir()] in ([], [KEY_NAME]):
                (folder / KEY_NAME).unlink(missing_ok=True)
                folder.rmdir()


def _list_folders(folder):
    return [Path(entry) for entry in _scan(folder) if entry.is_dir()]


def _list_files(folder):
    return [Path(entry) for entry in _scan(folder) if entry.is_file() and not entry.name.startswith(".")]


def _scan(folder):
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _weigh(kind, paths):
    # None where another process has just removed it.
    try:
        status = [path.stat() for path in paths]
    except FileNotFoundError:
        return None
    return Kept(kind, tuple(paths), sum(one.st_size for one in status), max(one.st_mtime for one in status))


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
