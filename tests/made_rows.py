"""Rows of features made for tests of the cache; other processes import them too, so without torch."""

import numpy as np

KEY = {"backbone": "tiny", "engine": "torch 2"}
DIGESTS = [f"{number:064x}" for number in range(20)]
ROWS = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)


def make_row(digest):
    """Return 2,000 numbers that depend on a picture's digest only."""
    return np.random.default_rng(int(digest, 16)).normal(size=2000).astype(np.float32)
