"""The SHA-256 that a weights file must have. Without torch.

A published file must have the hash in `data/weights_sha256.txt`. If it isn't listed there, its hash must be that of its
first load, and begin with the digits in its name, if any. A user's file may be rewritten, with a warning, but must not
change while its size and times stay the same. One JSON file in the cache folder records these hashes, sizes and times.
"""

import functools
import hashlib
import importlib.resources
import json
import re
from pathlib import Path

from tlkit.backbones.weights.error import WeightsError
from tlkit.notices import warn
from tlkit.storage import cache_folder, find_kept, locked, written_whole

_LOCK_TIMEOUT_S = 10
_RECORDS = "weights-sha256.json"
_TABLE = importlib.resources.files("tlkit") / "backbones" / "data" / "weights_sha256.txt"


def hash_prefix(file_name):
    """Return the digits of the SHA-256 in a published file's name, or ""."""
    found = re.search(r"-([0-9a-f]{8,})\.", file_name)
    return found.group(1) if found else ""


@functools.cache
def list_published():
    """Return {file name: SHA-256} of the published files whose whole hash is known."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    return {name: sha256 for sha256, name in map(str.split, lines)}


def expected_sha256(entry):
    """Return the first digits, or all, of the SHA-256 that an entry's file must have; "" if nothing is known yet."""
    known = read_records()["published"] | list_published()
    return known.get(entry.weights_file) or hash_prefix(entry.weights_file)


def describe_check(entry):
    """Return a text on how far the hash of an entry's file was checked."""
    if entry.weights_file in list_published():
        return "SHA-256 as published"
    if prefix := hash_prefix(entry.weights_file):
        return f"SHA-256 begins with the {len(prefix)} published digits; more are not known"
    return "no SHA-256 is published; the one of the first load counts"


def known_sha256(path):
    """Return the recorded SHA-256 of a loaded file; None if it wasn't loaded, or its size or times have changed."""
    path = Path(path)
    record = read_records()["files"].get(_key(path))
    if record is None or not path.is_file() or record["stamp"] != _stamp(path.stat()):
        return None
    return record["sha256"]


def compute_sha256(path):
    """Return the SHA-256 of a file, read in blocks."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path, status, sha256, entry=None):
    """Raise WeightsError if a file (os.stat result, SHA-256) isn't the published one of `entry`, or is damaged."""
    if entry is not None:
        expected = expected_sha256(entry)
        if not sha256.startswith(expected):
            raise WeightsError(_describe_difference(path, status, sha256, entry, expected))
        return
    record = read_records()["files"].get(_key(path))
    if record and record["sha256"] != sha256 and record["stamp"] == _stamp(status):
        raise WeightsError(
            f"{path} is damaged: nobody wrote to it since it was last loaded, but its SHA-256 begins {sha256[:8]} now, "
            f"and began {record['sha256'][:8]} then. Copy it again from its source, and check the disk"
        )


def record_sha256(path, status, sha256, entry=None):
    """Record the hash of a file that was read and found good; warn if the user has rewritten the file."""
    record = read_records()["files"].get(_key(path))
    if entry is None and record and record["sha256"] != sha256:
        warn(
            f"{path} holds other weights than when it was last loaded: its SHA-256 begins {sha256[:8]}, "
            f"{record['sha256'][:8]} then. It was rewritten in the meantime; the new hash is recorded"
        )
    _record("files", _key(path), {"sha256": sha256, "stamp": _stamp(status)})


def record_published(entry, sha256):
    """Record the hash of an entry's file, which fitted its network, unless the whole published hash is known."""
    if entry.weights_file not in list_published():
        _record("published", entry.weights_file, sha256)


def _record(kind, key, value):
    """Add a value to the records; only warn if that fails, since the weights themselves are good."""
    if read_records()[kind].get(key) == value:
        return
    try:
        with locked(f"{_records_path()}.lock", _LOCK_TIMEOUT_S):
            records = read_records()
            if records.pop("unreadable", False) and _records_path().exists():
                return  # they may be sound, so they are not replaced
            records[kind][key] = value
            with written_whole(_records_path()) as temporary:
                temporary.write_text(json.dumps(records, indent=1), encoding="utf-8")
    except OSError as error:
        warn(f"the SHA-256 of {key} couldn't be recorded in {_records_path()}: {error}")


def _records_path():
    """Return the path of the JSON file."""
    return cache_folder() / _RECORDS


def read_records():
    """Return {"files": {path: {"sha256", "stamp"}}, "published": {file name: sha256}}; empty if they can't be read."""
    empty = {"files": {}, "published": {}}
    effect = "is damaged; the SHA-256 of each weights file is recorded again when it is next loaded"
    try:
        records = json.loads((find_kept(_RECORDS) or _records_path()).read_text(encoding="utf-8"))
        if _is_sound(records):
            return records
    except FileNotFoundError:
        return empty
    except OSError as error:
        empty["unreadable"] = True
        effect = f"can't be read ({error.strerror}), so no weights are compared with the SHA-256 of their last load"
    except ValueError:  # not JSON, or not even text
        pass
    warn(f"{_records_path()} {effect}")
    return empty


def _is_sound(records):
    """Return whether records have the expected structure."""
    if not isinstance(records, dict) or not all(isinstance(records.get(key), dict) for key in ("files", "published")):
        return False
    files, published = records["files"].values(), records["published"].values()
    return all(isinstance(record, dict) and record.keys() == {"sha256", "stamp"} for record in files) and all(
        isinstance(sha256, str) for sha256 in published
    )


def _key(path):
    """Return the key of a path in the records."""
    return str(Path(path).resolve())


def _stamp(status):
    """Return size and times of a file, which change if it is written to."""
    # On Windows, ctime is the time of creation; there, mtime reveals that a file was written to.
    return [status.st_size, status.st_ctime_ns, status.st_mtime_ns]


def _describe_difference(path, status, sha256, entry, expected):
    """Return the message for a file that isn't the published one."""
    size_mb, whole_mb = status.st_size / 1e6, entry.weights_size_mb
    if whole_mb and size_mb < 0.99 * whole_mb:
        return f"{path} is incomplete: {size_mb:.0f} of {whole_mb} MB. Delete it and load again"
    known = list_published().get(entry.weights_file, "")
    if not sha256.startswith(prefix := hash_prefix(entry.weights_file) or known[:8]):
        begins = f"its SHA-256 begins {sha256[:8]}, its publisher states {prefix}"
        return f"{path} is damaged: {begins}. Delete it and load again"
    if known:
        found = f"{path} is forged: its SHA-256 begins like the published one"
        return f"{found}, but is {sha256} instead of {expected}. Delete it, and take no other files from its source"
    return (
        f"{path} is not the file that was first used for {entry.name}: its SHA-256 begins {sha256[:16]}, "
        f"{expected[:16]} then, and its publisher states {len(prefix) or 'no'} digits, so tlkit can't know which is "
        "right. If it is damaged, delete it and load again. If the publisher replaced it and you want the new one, "
        f"remove the line {entry.weights_file!r} from {_records_path()}, or pass the path of the file as weights"
    )
