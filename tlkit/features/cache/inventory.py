"""Files of the cache folder: features, converted networks and weights, and their size limit. Without torch and NumPy.

Only files that tlkit wrote are listed and removed, by their names; links are not followed.
"""

import contextlib
import dataclasses
import os
import re
import shutil
import time
from pathlib import Path

from tlkit.storage import PARTIAL_PREFIX, cache_folder, locked

KINDS = ("features", "converted", "weights")
# Weights don't count for the limit: they are downloaded, perhaps during the only time with internet.
LIMITED = ("features", "converted")
KEY_NAME = "key.json"  # in each folder of features: network, engine and precision
_OWN_FOLDER = re.compile(r"[0-9a-f]{32}")
_OWN_NAMES = {
    "features": re.compile(r"[^.].*\.shard"),
    "converted": re.compile(r"[0-9a-f]{32}-openvino-.+-stages\.(xml|bin|sha256)"),
    "weights": re.compile(r"[^.].*\.(pth|pt|safetensors|bin)"),
}
_PARTIAL = re.compile(re.escape(PARTIAL_PREFIX) + r"[0-9a-f]{32}.*")
_ABANDONED_AFTER_S = 24 * 60 * 60
_DEFAULT_LIMIT_GB = 20
_FILLED_AFTERWARDS = 0.9  # of the limit, so that the next files don't require another search at once
_LOCK_TIMEOUT_S = 10


@dataclasses.dataclass(frozen=True)
class Kept:
    """Files that are removed together: a shard of features, a converted network or a file of weights."""

    kind: str  # one of KINDS
    paths: tuple  # in the order of removal
    size_bytes: int
    used_s: float  # time of the last use, in seconds since 1970


def list_kept(kinds=KINDS):
    """Return a list of `Kept` of some kinds."""
    groups = []
    for kind in kinds:
        paths = [path for folder in _list_folders(kind) for path in _list_files(folder, _OWN_NAMES[kind])]
        # The hash of a network is removed first: without it, no process reads the rest.
        paths.sort(key=lambda path: path.suffix != ".sha256")
        networks = {}
        for path in paths:
            networks.setdefault(path.stem if kind == "converted" else path, []).append(path)
        groups += [(kind, group) for group in networks.values()]
    return [kept for kind, group in groups if (kept := _weigh(kind, group)) is not None]


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
    now_s, folders = time.time(), _list_folders("features")
    for folder in (*folders, *_list_folders("converted")):
        for path in _list_files(folder, _PARTIAL):
            with contextlib.suppress(OSError):
                if now_s - path.stat().st_mtime > _ABANDONED_AFTER_S:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    for folder in folders:
        with contextlib.suppress(OSError):  # another process writes into it again
            if [path.name for path in folder.iterdir()] in ([], [KEY_NAME]):
                (folder / KEY_NAME).unlink(missing_ok=True)
                folder.rmdir()


def read_limit_bytes():
    """Return the limit for features and converted networks in bytes: `TLKIT_CACHE_LIMIT_GB`, or 20 GB."""
    text = os.environ.get("TLKIT_CACHE_LIMIT_GB") or str(_DEFAULT_LIMIT_GB)
    with contextlib.suppress(ValueError):
        limit_gb = float(text)
        if limit_gb > 0:
            return limit_gb * 1e9
    raise ValueError(f"TLKIT_CACHE_LIMIT_GB: {text!r}, expected a number of gigabytes above 0, such as 20, or inf")


def make_room(needed_bytes, limit_bytes, start_s):
    """Remove the least recently used files, but none used since `start_s`, and return the free room in bytes."""
    with contextlib.ExitStack() as stack:
        # Without a lock, two processes may remove files at once; then only too much is removed.
        with contextlib.suppress(OSError):
            stack.enter_context(locked(cache_folder() / "features.lock", _LOCK_TIMEOUT_S))
        kept = list_kept(LIMITED)
        total_bytes = sum(one.size_bytes for one in kept)
        if total_bytes + needed_bytes > limit_bytes:
            for one in sorted(kept, key=lambda one: one.used_s):
                if total_bytes + needed_bytes <= _FILLED_AFTERWARDS * limit_bytes or one.used_s >= start_s:
                    break
                now = _weigh(one.kind, one.paths)
                if (now is None or now.used_s <= one.used_s) and remove(one):
                    total_bytes -= one.size_bytes
        tidy()
    return limit_bytes - total_bytes


def _list_folders(kind):
    """Return the paths of the folders that hold the files of a kind."""
    folder = cache_folder() / kind
    if folder.is_symlink():
        return []
    return _list_files(folder, _OWN_FOLDER) if kind == "features" else [folder]


def _list_files(folder, names):
    """Return the paths in a folder whose name has a pattern, without links; none if the folder can't be read."""
    try:
        with os.scandir(folder) as entries:
            return [Path(entry) for entry in entries if names.fullmatch(entry.name) and not entry.is_symlink()]
    except OSError:
        return []


def _weigh(kind, paths):
    """Return the `Kept` of some files; None if another process has just removed them."""
    try:
        status = [path.stat() for path in paths]
    except OSError:
        return None
    return Kept(kind, tuple(paths), sum(one.st_size for one in status), max(one.st_mtime for one in status))
