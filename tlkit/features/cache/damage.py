"""Whether what is kept in the cache is still what was written. Without torch."""

from tlkit.backbones.weights.hashes import compute_sha256, hash_prefix, known_sha256
from tlkit.features.cache.shards import SUFFIX, DamagedShardError, open_shard
from tlkit.features.openvino_model import is_intact


def find_damage(kept):
    """Read all of something that is kept and say what is wrong with it (str), or None.

    Weights are compared with the hash in their name, else with the one they had when they were last loaded; where
    neither is known, nothing is found.

    Arguments
    ---------
    kept: Kept
    """
    try:
        return _CHECKS[kept.kind](kept.paths)
    except FileNotFoundError:
        return None  # removed in the meantime
    except OSError as error:
        return str(error)


def _check_features(paths):
    (path,) = paths
    if path.suffix != SUFFIX:
        return None  # of an older release, which nobody reads any more
    try:
        with open_shard(path) as shard:
            shard.read_values()
    except DamagedShardError as error:
        return str(error)
    return None


def _check_converted(paths):
    return None if is_intact(paths[0].with_suffix(".xml")) else "it isn't what was written, or a part is missing"


def _check_weights(paths):
    (path,) = paths
    expected = hash_prefix(path.name) or known_sha256(path)
    sha256 = compute_sha256(path)
    if expected and not sha256.startswith(expected):
        return f"its SHA-256 begins {sha256[:8]}, expected {expected[:8]}"
    return None


_CHECKS = {"features": _check_features, "converted": _check_converted, "weights": _check_weights}
