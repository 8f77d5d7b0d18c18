"""Small numeric helpers of heads: softmax, pooling, scale, and the number of BLAS threads."""

import contextlib
import functools
import sys
import types

import numpy as np
from threadpoolctl import ThreadpoolController

from tlkit.cpu.threads import make_lock

# On matrices up to this size, several BLAS threads wait more than they compute, and change the result's last bits.
SMALL = 4_000_000
SHORTEST = 1e-12  # a shorter vector has no direction; as in torch's normalize
# The blocks of all threads within `limit_threads`, and the limits that they share.
_limited = types.SimpleNamespace(lock=make_lock(), n_blocks=0, limits=None)
# The libraries that are loaded, by the number of modules: a search takes milliseconds, and only imports load more.
_find_libraries = functools.lru_cache(1)(lambda n_modules: ThreadpoolController())


@contextlib.contextmanager
def limit_threads(values):
    """Let libraries use one thread for small (n, n_features) values within a block: import what computes before it."""
    if values.size > SMALL:
        return (yield)
    # BLAS has one limit for the whole process: the first of several threads sets it, and the last one resets it.
    with _limited.lock:
        if not _limited.n_blocks:
            _limited.limits = _find_libraries(len(sys.modules)).limit(limits=1, user_api="blas")
        _limited.n_blocks += 1
    try:
        with _find_libraries(len(sys.modules)).limit(limits=1, user_api="openmp"):
            yield
    finally:
        with _limited.lock:
            _limited.n_blocks -= 1
            if not _limited.n_blocks:
                _limited.limits.restore_original_limits()


def normalise(vectors):
    """Return (n, d) vectors divided by their lengths; a zero vector stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), SHORTEST)


def pool(values):
    """Return the mean over each map: (n, c, h, w) becomes (n, c); (n, d) stays as it is."""
    return values.mean(axis=(2, 3)) if values.ndim == 4 else values


def weigh_classes(labels, n_classes):
    """Return class weights (n_classes,) float64, inverse to frequency, with mean 1 over the pictures; 0 without any."""
    counts = np.bincount(labels, minlength=n_classes)
    return np.divide(len(labels) / np.count_nonzero(counts), counts, where=counts > 0, out=np.zeros(n_classes))


def measure_scale(values):
    """Return the standard deviation of all values together, or 1 if they are all equal."""
    # One factor for all features, which share a unit: separate factors would amplify features that hardly vary.
    return float(values.std()) or 1.0


def softmax(scores):
    """Return exp(scores) divided by their sum in each row, (n, n_classes); -inf gives 0."""
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)
