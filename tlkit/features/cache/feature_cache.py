"""Features kept on disk, by the content of pictures, weights, preprocessing and engine. Without torch.

There is one folder per network, named by the hash of its key. It holds shards: files of rows that were computed
together, with the hashes of their pictures. A picture in any shard is not computed again, and a damaged shard is
replaced. Any number of threads and processes may load, store and remove at the same time.
"""

import contextlib
import hashlib
import json
import os
import time

from tlkit.features.cache import shards
from tlkit.features.cache.inventory import KEY_NAME, make_room, read_limit_bytes
from tlkit.features.cache.shards import DamagedShardError, Shard, write_shard
from tlkit.notices import warn
from tlkit.storage import cache_folder, cache_folders, written_whole

_LAYOUT = "2"  # part of each key, so that files of another layout are in another folder
# Other processes may remove the empty folder just before a shard is written into it, but hardly this often.
_N_TRIES = 20


class FeatureCache:
    """One call's view of the kept features for a key, a dict of all but the picture that decides a row."""

    def __init__(self, key):
        name = hashlib.sha256(json.dumps(key | {"layout": _LAYOUT}, sort_keys=True).encode()).hexdigest()[:32]
        self.folder = cache_folder() / "features" / name  # others, such as a teacher's, are only read
        self.key = key
        self._limit_bytes = read_limit_bytes()  # raises before anything is computed if it is no number
        self._start_s = time.time() - 1  # files used since then belong to this call and are not removed for it
        self._room_bytes = 0  # bytes to write before the size of the cache is computed again
        self._is_full = self._has_warned = False

    def load(self, digests, values):
        """Write kept rows into values (n, *shape) by n digests (str), and return the indices of the missing rows."""
        wanted = {}
        for index, digest in enumerate(digests):
            wanted.setdefault(bytes.fromhex(digest), []).append(index)
        for path in self._list_shards():
            if not wanted:
                break
            self._take(path, wanted, values)
        return sorted(index for indices in wanted.values() for index in indices)

    def store(self, digests, values):
        """Keep rows (n, *shape) float32 of n digests (str) in one shard, if the cache has room; warn if that fails."""
        pictures = [bytes.fromhex(digest) for digest in digests]
        path = self.folder / shards.name_shard(pictures)
        try:
            if not self._has_room(needed_bytes := shards.size_bytes(len(values), values[:1].nbytes)):
                return
            self._room_bytes -= needed_bytes
            for n_left in reversed(range(_N_TRIES)):
                try:
                    write_shard(path, pictures, values)
                    break
                except (FileNotFoundError, FileExistsError):  # another process removed the folder while it was made
                    if not n_left:
                        raise
        except OSError as error:  # a full disk must not lose the computed features
            self._is_full = True
            place = f"in {self.folder.parent} ({error})"
            self._warn(f"the features can't be kept {place}: make room there, or set TLKIT_CACHE_DIR to another disk")
            return
        with contextlib.suppress(OSError):  # the key is for `tlkit cache` alone
            if not (path := self.folder / KEY_NAME).exists():
                with written_whole(path) as temporary:
                    temporary.write_text(json.dumps(self.key, indent=1), encoding="utf-8")

    def _has_room(self, needed_bytes):
        """Return whether a shard fits, after removing the least recently used files; warn once if it doesn't."""
        if self._is_full:
            return False
        if needed_bytes > self._room_bytes:
            free_bytes = make_room(needed_bytes, self._limit_bytes, self._start_s)
            # Only a part of the free room, since other processes write too.
            self._room_bytes = max(needed_bytes, free_bytes / 4)
            if needed_bytes > free_bytes:
                self._is_full = True
                limit = f"the cache's limit of {self._limit_bytes / 1e9:g} GB; the rest of them is not kept"
                warn(f"the features of this call don't fit into {limit}: set TLKIT_CACHE_LIMIT_GB to more")
        return not self._is_full

    def _take(self, path, wanted, values):
        """Copy wanted rows of a shard into values; `wanted`, {digest: indices}, loses the digests that were found."""
        try:
            shard = Shard(path)
            found = [(row, index) for row, digest in enumerate(shard.digests) for index in wanted.get(digest, ())]
            if not found:
                return
            if shard.shape != values.shape[1:]:
                raise DamagedShardError(f"its rows have shape {shard.shape}, expected {values.shape[1:]}")
            rows, indices = zip(*found, strict=True)
            values[list(indices)] = shard.read_values()[list(rows)]
            for digest in shard.digests:
                wanted.pop(digest, None)
            with contextlib.suppress(OSError):  # in another user's folder
                os.utime(path)  # time of last use, which decides the order of removal
        except FileNotFoundError:
            pass  # another process has just removed it
        except OSError as error:
            self._warn(f"{path} can't be read ({error}); its features are computed again")
        except DamagedShardError as error:
            self._warn(f"{path} is damaged ({error}); its features are computed again")
            with contextlib.suppress(OSError):  # if it can't be removed, it is skipped the next time too
                path.unlink()

    def _list_shards(self):
        """Return the paths of the shards to search, one's own first."""
        paths = []
        for folder in cache_folders():
            try:
                paths += shards.list_shards(folder / "features" / self.folder.name, folder)
            except OSError as error:
                self._warn(f"the features in {folder} can't be read ({error}) and are computed again")
        own = [path for path in paths if path.parent == self.folder]
        return shards.merge_shards(own) + paths[len(own) :]

    def _warn(self, message):
        """Warn of the first failure only: on a failing disk there are thousands."""
        if not self._has_warned:
            warn(message)
        self._has_warned = True
