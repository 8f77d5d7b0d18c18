"""Rows of features made for tests of the cache; other processes import them too, so without torch."""

import numpy as np

KEY = {"backbone": "tiny", "engine": "torch 2"}
DIGESTS = [f"{number:064x}" for number in range(20)]
ROWS = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)
