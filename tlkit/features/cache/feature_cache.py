"""Features kept on disk, by the content of pictures, weights, preprocessing and engine. Without torch.

A folder a network, in it shards: files of rows that were computed together, each whole or absent, and each with the
pictures that its rows belong to. A picture that is in some shard is never computed again; a damaged shard is computed
anew. Any number of threads and processes may load, store and remove at the same time.
"""

import contextlib
import hashlib
import json
import os
import time
import warnings

from tlkit.features.cache.inventory import KEY_NAME, PARTIAL_PREFIX
from tlkit.features.cache.limit import make_room, read_limit_bytes
from tlkit.features.cache.shards import SUFFIX, DamagedShardError, open_shard, size_bytes, write_shard
from tlkit.storage import cache_folder, written_whole

# Part of each key: what was kept in another arrangement lies in another folder.
_LAYOUT = "2"
# Others may remove an empty folder time and again just before a shard is written into it, though hardly so often.
_N_TRIES = 20


class FeatureCache:
    """The kept features of one network run in one way; one call's view of them.

    Arguments
    ---------
    key: dict of str to str
        Everything but the picture that decides a row: another value anywhere, another folder.

    Raises ValueError where the limit of the cache's size is set to nonsense, before anything is computed.
    """

    def __init__(self, key):
        name = hashlib.sha256(json.dumps(key | {"layout": _LAYOUT}, sort_keys=True).encode()).hexdigest()[:32]
        self.folder = cache_folder() / "features" / name
        self.key = key
        self._limit_bytes = read_limit_bytes()
        # What is used from now on is what this call reads and writes, and is not removed for it.
        self._start_s = time.time() - 1
        self._room_bytes = 0  # what can still be written before the cache's size is looked at again
        self._is_full = False

    def load(self, digests, values):
        """Fill in the rows that are kept, each checked.

        Arguments
        ---------
        digests: list of n str
            SHA-256 of the pictures, 64 hexadecimal digits each. One that stands there twice gets two rows.
        values: (n, *shape) float32
            The rows that are kept are written into it; in the others nothing is to be relied on.

        Returns the indices of the rows that aren't kept (list of int).
        """
        first = {}
        for index, digest in enumerate(digests):
            first.setdefault(digest, index)
        wanted = {bytes.fromhex(digest): index for digest, index in first.items()}
        for path in self._list_shards():
            if not wanted:
                break
            _take(path, wanted, values)
        missing = set(wanted.values())
        absent = []
        for index, digest in enumerate(digests):
            if first[digest] in missing:
                absent.append(index)
            elif first[digest] != index:
                values[index] = values[first[digest]]
        return absent

    def store(self, digests, values):
        """Keep rows in one shard, which is there whole or not at all.

        What was used longest ago is removed where the cache would outgrow its limit. What this call alone would put
        there beyond the limit is not kept, with one warning.

        Arguments
        ---------
        digests: list of n str
        values: (n, *shape) float32

        Raises OSError where it can't be written.
        """
        needed_bytes = size_bytes(len(values), values[:1].nbytes)
        if not self._has_room(needed_bytes):
            return
        self._room_bytes -= needed_bytes
        pictures = [bytes.fromhex(digest) for digest in digests]
        path = self.folder / f"{hashlib.sha256(b''.join(pictures)).hexdigest()[:32]}{SUFFIX}"
        for n_left in reversed(range(_N_TRIES)):
            try:
                write_shard(path, pictures, values)
                break
            except (FileNotFoundError, FileExistsError):  # the folder was removed as it was being made, or just after
                if not n_left:
                    raise
        self._name_folder()

    def _has_room(self, needed_bytes):
        if self._is_full:
            return False
        if needed_bytes > self._room_bytes:
            free_bytes = make_room(needed_bytes, self._limit_bytes, self._start_s)
            # Others write too, so a part of it only.
            self._room_bytes = max(needed_bytes, free_bytes / 4)
            if needed_bytes > free_bytes:
                self._is_full = True
                warnings.warn(
                    f"the features of this call don't fit into the cache's limit of {self._limit_bytes / 1e9:g} GB; "
                    "the rest of them is not kept and will be computed again: set TLKIT_CACHE_LIMIT_GB to more",
                    stacklevel=3,
                )
        return not self._is_full

    def _list_shards(self):
        try:
            with os.scandir(self.folder) as entries:
                names = [entry.name for entry in entries]
        except FileNotFoundError:
            return []
        kept = (name for name in names if name.endswith(SUFFIX) and not name.startswith(PARTIAL_PREFIX))
        return [self.folder / name for name in sorted(kept)]

    def _name_folder(self):
        # For `tlkit cache`; the features don't depend on it.
        path = self.folder / KEY_NAME
        with contextlib.suppress(OSError):
            if not path.exists():
                with written_whole(path) as temporary:
                    temporary.write_text(json.dumps(self.key, indent=1), encoding="utf-8")


def _take(path, wanted, values):
    # Moves the rows of a shard that are wanted into values; what was found is wanted no more.
    try:
        with open_shard(path) as shard:
            found = [(row, wanted[digest]) for row, digest in enumerate(shard.digests) if digest in wanted]
            if not found:
                return
            if shard.shape != values.shape[1:]:
                raise DamagedShardError(f"its rows have shape {shard.shape}, expected {values.shape[1:]}")
            rows, indices = zip(*found, strict=True)
            values[list(indices)] = shard.read_values()[list(rows)]
            for row in rows:
                wanted.pop(shard.digests[row], None)
        with contextlib.suppress(OSError):  # in a folder of somebody else's
            os.utime(path)  # the time of its last use: what was used longest ago is removed first
    except FileNotFoundError:
        pass  # another process has just removed it
    except OSError as error:
        warnings.warn(f"{path} can't be read ({error}); what it holds is computed again", stacklevel=4)
    except DamagedShardError as error:
        warnings.warn(f"{path} is damaged ({error}); what it held is computed again", stacklevel=4)
        with contextlib.suppress(OSError):  # where it can't go, it is passed over the next time too
            path.unlink()
