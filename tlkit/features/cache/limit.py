"""Size limit of the cache: the least recently used files are removed first. Without torch."""

import contextlib
import os

import filelock

from tlkit.features.cache.inventory import list_kept, remove, tidy
from tlkit.storage import cache_folder

# Weights don't count: they are downloaded, perhaps during the only time with internet.
LIMITED = ("features", "converted")
_DEFAULT_LIMIT_GB = 20
_FILLED_AFTERWARDS = 0.9  # of the limit, so that the next files don't require another search at once
_LOCK_TIMEOUT_S = 10


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
    lock = filelock.FileLock(cache_folder() / "features.lock", timeout=_LOCK_TIMEOUT_S)
    with contextlib.ExitStack() as stack:
        # On a disk without locks, two processes may remove files at once; then only too much is removed.
        with contextlib.suppress(OSError, NotImplementedError):
            stack.enter_context(lock)
        kept = list_kept(LIMITED)
        total_bytes = sum(one.size_bytes for one in kept)
        if total_bytes + needed_bytes > limit_bytes:
            for one in sorted(kept, key=lambda one: one.used_s):
                if total_bytes + needed_bytes <= _FILLED_AFTERWARDS * limit_bytes or one.used_s >= start_s:
                    break
                if not _was_used_since(one) and remove(one):
                    total_bytes -= one.size_bytes
        tidy()
    return limit_bytes - total_bytes


def _was_used_since(kept):
    """Return whether files were read or written after they were listed."""
    try:
        return max(path.stat().st_mtime for path in kept.paths) > kept.used_s
    except FileNotFoundError:
        return False
