"""Features kept on disk, by the content of pictures, weights, preprocessing and engine. Without torch.

A folder a network, in it files of rows that were computed together, each whole or absent, and each with the picture
that every row belongs to. A picture that is in some file is never computed again; a damaged file is computed anew.
"""

import contextlib
import hashlib
import json
import warnings

import numpy as np

from tlkit.storage import cache_folder, written_whole


class FeatureCache:
    """The kept features of one network run in one way.

    Arguments
    ---------
    key: dict of str to str
        Everything but the picture that decides a row: another value anywhere, another folder.
    """

    def __init__(self, key):
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        self.folder = cache_folder() / "features" / name
        self.key = key

    def load(self, digests):
        """Return {digest: (n_features,) float32} of those pictures that are kept."""
        wanted, rows = set(digests), {}
        for path in sorted(self.folder.glob("[!.]*.npz")):  # a dot begins the name of what is still being written
            if wanted <= rows.keys():
                break
            kept = _read(path)
            if kept is None:
                warnings.warn(f"{path} is damaged; what it held is computed again", stacklevel=3)
                with contextlib.suppress(OSError):  # where it can't go, it is passed over the next time too
                    path.unlink()
                continue
            rows.update((digest, row) for digest, row in zip(*kept, strict=True) if digest in wanted)
        return rows

    def store(self, digests, values):
        """Keep the rows of some pictures: (n,) digests, (n, n_features) float32."""
        digests = np.asarray(digests)
        name = hashlib.sha256("".join(digests).encode()).hexdigest()[:32]
        with written_whole(self.folder / f"{name}.npz") as temporary, open(temporary, "wb") as file:
            np.savez(file, digests=digests, values=values, checksum=_checksum(digests, values))


def _read(path):
    try:
        # Opened here, since NumPy leaves a damaged file open, and an open one can't be removed on Windows.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
            digests, values = content["digests"], content["values"]
            intact = str(content["checksum"]) == _checksum(digests, values)
    except FileNotFoundError:
        return [], []  # another process has just removed it
    except Exception:  # zip, NumPy and the disk each have their own words for a damaged file
        return None
    return (digests.tolist(), values) if intact else None


def _checksum(digests, values):
    content = hashlib.sha256("".join(digests).encode())
    content.update(np.ascontiguousarray(values))
    return content.hexdigest()
