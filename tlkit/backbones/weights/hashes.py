"""The SHA-256 that a weights file must have: its publisher's, or the one it had at first. Without torch.

One JSON file in the cache folder remembers, for each file that was loaded, its hash with its size and times, and, for
each published file whose name bears no hash, the hash that it had at first.
"""

import hashlib
import json
import re
import warnings
from pathlib import Path

import filelock

from tlkit.backbones.weights.error import WeightsError
from tlkit.storage import cache_folder, written_whole

_LOCK_TIMEOUT_S = 10


def hash_prefix(file_name):
    """Return the digits of the SHA-256 that stand in a published file's name, as in resnet18-f37072fd.pth.

    >>> hash_prefix("resnet18-f37072fd.pth"), hash_prefix("model.safetensors")
    ('f37072fd', '')
    """
    found = re.search(r"-([0-9a-f]{8,})\.", file_name)
    return found.group(1) if found else ""


def expected_sha256(entry):
    """Return the first digits, or all, of the SHA-256 that an entry's file must have; "" where nothing is known yet."""
    return hash_prefix(entry.weights_file) or _read_records()["published"].get(entry.weights_file, "")


def known_sha256(path):
    """Return the SHA-256 of a file that was loaded before and hasn't been touched since, without reading it.

    None where it wasn't loaded, or where its size or times are others now.
    """
    path = Path(path)
    kept = _read_records()["files"].get(_key(path))
    if kept is None or not path.is_file() or kept["stamp"] != _stamp(path.stat()):
        return None
    return kept["sha256"]


def compute_sha256(path):
    """Return the SHA-256 of a file, read piece by piece."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path, status, sha256, entry=None):
    """Raise WeightsError where a file's content isn't the one that it must have.

    Arguments
    ---------
    path: path
    status: os.stat_result
        Of the file when it was read.
    sha256: str
        Of what was read.
    entry: Entry, optional
        Where given, the file is the published one of that entry, else a file of the user's.
    """
    if entry is not None:
        expected = expected_sha256(entry)
        if not sha256.startswith(expected):
            raise WeightsError(_describe_difference(path, status, sha256, entry, expected))
        return
    kept = _read_records()["files"].get(_key(path))
    if kept and kept["sha256"] != sha256 and kept["stamp"] == _stamp(status):
        raise WeightsError(
            f"{path} is damaged: nobody wrote to it since it was last loaded, but its SHA-256 begins {sha256[:8]} now, "
            f"and began {kept['sha256'][:8]} then. Copy it again from where it came, and check the disk"
        )


def record_sha256(path, status, sha256, entry=None):
    """Remember the hash of a file that was read and found good; takes the arguments of `check_sha256`.

    Warns where the user has rewritten a file since it was last loaded. Where nothing can be remembered, because the
    disk is full or another process holds on to the record, that is a warning too: the file itself is good.
    """
    found = {"sha256": sha256, "stamp": _stamp(status)}
    kept = _read_records()["files"].get(_key(path))
    if entry is None and kept and kept["sha256"] != sha256:
        warnings.warn(
            f"{path} holds other weights than when it was last loaded: its SHA-256 begins {sha256[:8]}, "
            f"{kept['sha256'][:8]} then. It was rewritten in the meantime; the new one is recorded",
            stacklevel=4,
        )
    # What a name tells by itself need not be remembered.
    published = {entry.weights_file: sha256} if entry is not None and not hash_prefix(entry.weights_file) else {}
    if kept == found and (not published or expected_sha256(entry)):
        return
    try:
        with filelock.FileLock(f"{_records_path()}.lock", timeout=_LOCK_TIMEOUT_S):
            records = _read_records()
            records["files"][_key(path)] = found
            records["published"] = published | records["published"]
            with written_whole(_records_path()) as temporary:
                temporary.write_text(json.dumps(records, indent=1), encoding="utf-8")
    except OSError as error:
        warnings.warn(f"the SHA-256 of {path} couldn't be recorded in {_records_path()}: {error}", stacklevel=4)


def _records_path():
    return cache_folder() / "weights-sha256.json"


def _read_records():
    try:
        records = json.loads(_records_path().read_text(encoding="utf-8"))
        if _is_sound(records):
            return records
    except FileNotFoundError:
        return {"files": {}, "published": {}}
    except ValueError:  # not JSON, or not even text
        pass
    warnings.warn(
        f"{_records_path()} is damaged; the SHA-256 of each weights file is recorded anew when it is next loaded",
        stacklevel=4,
    )
    return {"files": {}, "published": {}}


def _is_sound(records):
    if not isinstance(records, dict) or not all(isinstance(records.get(key), dict) for key in ("files", "published")):
        return False
    files = records["files"].values()
    return all(isinstance(kept, dict) and kept.keys() == {"sha256", "stamp"} for kept in files)


def _key(path):
    return str(Path(path).resolve())


def _stamp(status):
    # On Windows, ctime is when the file was made; there, mtime tells that it was written to.
    return [status.st_size, status.st_ctime_ns, status.st_mtime_ns]


def _describe_difference(path, status, sha256, entry, expected):
    size_mb, whole_mb = status.st_size / 1e6, entry.weights_size_mb
    if whole_mb and size_mb < 0.99 * whole_mb:
        return f"{path} is incomplete: {size_mb:.0f} of {whole_mb} MB. Delete it and load again"
    if hash_prefix(entry.weights_file):
        return (
            f"{path} is damaged: its SHA-256 begins {sha256[:8]}, its publisher says {expected}. "
            "Delete it and load again"
        )
    return (
        f"{path} is not the file that was first used for {entry.name}: its SHA-256 begins {sha256[:8]}, "
        f"{expected[:8]} then, and its publisher states none to tell which is right. If it is damaged, delete it and "
        f"load again. If the publisher replaced it and you want the new one, remove the line {entry.weights_file!r} "
        f"from {_records_path()}, or pass the path of the file as weights"
    )
