"""The size that the cache keeps to: what was used longest ago goes first. Without torch."""

import contextlib
import os

import filelock

from tlkit.features.cache.inventory import list_kept, remove, tidy
from tlkit.storage import cache_folder

# Weights don't count: they are not computed but fetched, maybe where there was internet for once.
LIMITED = ("features", "converted")
_DEFAULT_LIMIT_GB = 20
_FILLED_AFTERWARDS = 0.9  # of the limit, so that not each file that is written has the folder searched
_LOCK_TIMEOUT_S = 10


def read_limit_bytes():
    """Return the limit of features and converted networks together, in bytes: `TLKIT_CACHE_LIMIT_GB`, or 20 GB.

    Raises ValueError where that isn't a number above 0. "inf" is no limit.
    """
    text = os.environ.get("TLKIT_CACHE_LIMIT_GB") or str(_DEFAULT_LIMIT_GB)
    with contextlib.suppress(ValueError):
        limit_gb = float(text)
        if limit_gb > 0:
            return limit_gb * 1e9
    raise ValueError(f"TLKIT_CACHE_LIMIT_GB: {text!r}, expected a number of gigabytes above 0, such as 20, or inf")


def make_room(needed_bytes, limit_bytes, start_s):
    """Remove what was used longest ago, where otherwise the limit would be passed.

    Arguments
    ---------
    needed_bytes: int
        About to be written.
    limit_bytes: float
    start_s: float
        What was used at that time or later stays, in seconds since 1970.

    Returns how many bytes can be written then (float); fewer than needed where too much is in use.
    """
    lock = filelock.FileLock(cache_folder() / "features.lock", timeout=_LOCK_TIMEOUT_S)
    with contextlib.ExitStack() as stack:
        # On a disk that knows no locks two may remove at once, which costs what is removed too much and no more.
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
    try:
        return max(path.stat().st_mtime for path in kept.paths) > kept.used_s
    except FileNotFoundError:
        return False
