"""Shards: files of rows that were computed together, with the hashes of their pictures and of their content.

    head      magic, number of rows, shape of a row, SHA-256 of the values, SHA-256 of these and of the digests
    digests   32 bytes per row: the SHA-256 of the picture
    values    float32, little-endian, row by row

The values are read only if some of the pictures are needed. Every changed byte is noticed.
"""

import contextlib
import hashlib
import math
import os
import struct

import numpy as np

from tlkit.storage import PARTIAL_PREFIX, is_trusted, written_whole

SUFFIX = ".shard"
SHARD_BYTES = 8 * 2**20  # at which a file is full
_MIN_SMALL = 32
_N_JOINED = 16
_MAGIC = b"tlkit-2\n"
_MAX_AXES = 3
_HEAD = struct.Struct(f"<{len(_MAGIC)}s{1 + _MAX_AXES}Q32s")
_N_HASH_BYTES = 32
_DTYPE = np.dtype("<f4")


class DamagedShardError(ValueError):
    """A file differs from the one that was written."""


class Shard:
    """A file, with the `digests` (list of n bytes) of its pictures and the `shape` of a row, both checked."""

    def __init__(self, path):
        self._path = path
        with open(path, "rb") as file:
            head = file.read(_HEAD.size)
            expected = file.read(_N_HASH_BYTES)
            if len(expected) < _N_HASH_BYTES or not head.startswith(_MAGIC):
                raise DamagedShardError("the head is missing")
            _, n_rows, *axes, self._values_hash = _HEAD.unpack(head)
            # The size is checked first: a damaged number of rows must not allocate terabytes.
            if n_rows * _N_HASH_BYTES > file.seek(0, 2):
                raise DamagedShardError("the file ends too early")
            file.seek(_HEAD.size + _N_HASH_BYTES)
            digests = file.read(n_rows * _N_HASH_BYTES)
        if hashlib.sha256(head + digests).digest() != expected:
            raise DamagedShardError("the head is damaged")
        self.shape = tuple(axis for axis in axes if axis)
        self.digests = [digests[start : start + _N_HASH_BYTES] for start in range(0, len(digests), _N_HASH_BYTES)]

    def read_values(self):
        """Return the rows (n, *shape) float32; DamagedShardError if they aren't those that were written."""
        values = np.empty(len(self.digests) * math.prod(self.shape), _DTYPE)
        with open(self._path, "rb") as file:
            file.seek(size_bytes(len(self.digests), 0))
            if file.readinto(values) < values.nbytes or file.read(1):
                raise DamagedShardError("the file has another length")
        if hashlib.sha256(values).digest() != self._values_hash:
            raise DamagedShardError("the values are damaged")
        return values.reshape(-1, *self.shape)


def size_bytes(n_rows, row_bytes):
    """Return the size of a file with this number of rows."""
    return _HEAD.size + _N_HASH_BYTES + n_rows * (_N_HASH_BYTES + row_bytes)


def name_shard(digests):
    """Return the file name of a shard of pictures (list of n bytes)."""
    return f"{hashlib.sha256(b''.join(digests)).hexdigest()[:32]}{SUFFIX}"


def write_shard(path, digests, values):
    """Write rows (n, *shape) float32 and their digests (list of n bytes) into a file, whole or not at all."""
    shape = values.shape[1:]
    if len(digests) != len(values) or len(shape) > _MAX_AXES or 0 in shape:
        found = f"shape {values.shape} of {len(digests)} pictures"
        raise ValueError(f"values: {found}, expected rows of up to {_MAX_AXES} axes each")
    values = np.ascontiguousarray(values, _DTYPE)
    axes = (*shape, *(0,) * (_MAX_AXES - len(shape)))
    head = _HEAD.pack(_MAGIC, len(digests), *axes, hashlib.sha256(values).digest())
    digests = b"".join(digests)
    with written_whole(path) as temporary, open(temporary, "wb") as file:
        file.write(head + hashlib.sha256(head + digests).digest() + digests)
        file.write(values)


def list_shards(folder, root):
    """Return the sorted paths of all complete shards in a folder of a cache (root) that can be trusted."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        names = [one.name for one in entries if one.name.endswith(SUFFIX) and not one.name.startswith(PARTIAL_PREFIX)]
        return sorted(path for name in names if is_trusted(path := folder / name, root))
    return []


def merge_shards(paths):
    """Return the paths of shards after joining small ones, such as those of single pictures, if there are many."""
    # Otherwise a look-up would open as many files as there were calls before it.
    small = [path for path in paths if _is_small(path)] if len(paths) >= _MIN_SMALL else []
    if len(small) < _MIN_SMALL:
        return paths
    joined = set(paths) - set(small)
    for start in range(0, len(small), _N_JOINED):
        joined |= _join(set(small[start : start + _N_JOINED]))
    return sorted(joined)


def _is_small(path):
    """Return whether a shard is small, and this user's own."""
    try:
        status = path.stat()
    except OSError:
        return False
    return status.st_size < SHARD_BYTES // _N_JOINED and status.st_uid == getattr(os, "getuid", int)()


def _join(paths):
    """Write the rows of some shards (a set of paths) into one, remove these, and return the set of what is left."""
    rows, read = {}, set()
    for path in paths:
        with contextlib.suppress(OSError, DamagedShardError):
            shard = Shard(path)
            rows |= zip(shard.digests, shard.read_values(), strict=True)
            read.add(path)
    with contextlib.suppress(OSError, ValueError):  # a full disk; nothing to join
        joined = path.with_name(name_shard(rows))
        write_shard(joined, list(rows), np.stack(list(rows.values())))
        for path in read - {joined}:
            path.unlink(missing_ok=True)
        return paths - read | {joined}
    return paths
