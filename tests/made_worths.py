"""Made runs with and without sources, for what reads and draws them."""

import numpy as np
import pandas as pd

CLASSES = ("cat", "dog", "eel")


def make_worths(changes, n_seeds=5, n_pictures=30):
    """Return (runs, predictions), as `compare_target_shots` returns them.

    Arguments
    ---------
    changes: dict of (source, weight, shots) to float
        By how much the source changes the chance that a picture is labelled right, which is 0.6 without it.
    n_seeds, n_pictures: int
        Each seed tests as many pictures of its own.
    """
    random = np.random.default_rng(0)
    runs, predictions = [], []
    for seed in range(n_seeds):
        labels = np.arange(n_pictures) % len(CLASSES)
        for shots in sorted({shots for _, _, shots in changes}):
            luck = random.random(n_pictures)
            arms = {("target_only", None, None): 0.0}
            arms |= {(None, source, weight): change for (source, weight, n), change in changes.items() if n == shots}
            for (name, source, weight), change in arms.items():
                strategy = name or (f"{source}, pooled" if weight == "pooled" else f"{source} × {weight:g}")
                right = luck < 0.6 + change
                cell = {"strategy": strategy, "shots": shots, "seed": seed, "fold": seed}
                arm = {"source": source, "method": "source_only" if source else None, "weight": weight}
                scores = {"accuracy": right.mean(), "balanced_accuracy": right.mean()}
                runs.append(cell | arm | {"n_train": 9} | scores)
                said = {
                    "picture": [f"{seed}/{place}" for place in range(n_pictures)],
                    "group": [f"{seed}/{place}" for place in range(n_pictures)],
                    "label": [CLASSES[label] for label in labels],
                    "predicted": [
                        CLASSES[label if hit else (label + 1) % 3] for label, hit in zip(labels, right, strict=True)
                    ],
                }
                predictions.append(pd.DataFrame(said).assign(**cell))
    return pd.DataFrame(runs), pd.concat(predictions, ignore_index=True)


CHANGES = {
    ("far", 0.25, 1): 0.0,
    ("far", "pooled", 1): -0.4,
    ("far", 0.25, 5): 0.0,
    ("far", "pooled", 5): -0.2,
    ("near", 0.25, 1): 0.1,
    ("near", "pooled", 1): 0.3,
    ("near", 0.25, 5): 0.05,
    ("near", "pooled", 5): 0.1,
}
