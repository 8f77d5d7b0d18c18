"""Check whether kept files are still as they were written. Without torch."""

from tlkit.backbones.networks import list_entries
from tlkit.backbones.weights.hashes import compute_sha256, hash_prefix, list_published, read_records
from tlkit.features.cache.shards import DamagedShardError, Shard
from tlkit.features.openvino_engine import is_intact


def find_damage(kept):
    """Read all of a `Kept` and return a text on its damage, or None."""
    try:
        if kept.kind == "converted":
            intact = is_intact(kept.paths[0].with_suffix(".xml"))
            return None if intact else "it isn't what was written, or a part is missing"
        if kept.kind == "weights":
            return _check_weights(*kept.paths)
        Shard(kept.paths[0]).read_values()
        return None
    except FileNotFoundError:
        return None  # removed in the meantime
    except (OSError, DamagedShardError) as error:
        return str(error)


def _check_weights(path):
    """Return the damage of published weights; files of the user's may hold anything."""
    expected = stated_sha256(path.name)
    if expected and not (sha256 := compute_sha256(path)).startswith(expected):
        return f"its SHA-256 begins {sha256[:8]}, expected {expected[:8]}"
    return None


def stated_sha256(file_name):
    """Return the digits that are known of the hash of a published file of this name; "" for a file of the user's."""
    known = {entry.weights_file: hash_prefix(entry.weights_file) for entry in list_entries()}
    return (known | read_records()["published"] | list_published()).get(file_name, "")
