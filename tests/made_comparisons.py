"""Comparisons made up for tests: predictions by dice, without any network."""

import numpy as np
import pandas as pd

from tlkit.comparison.compare import summarise

STRATEGIES = {"random_features": 0.2, "linear_probe": 0.5}


def make_comparison(images, strategies=None, shots=(1, 5, 20), n_seeds=5, seed=0):
    """Return a Comparison whose strategies label right with a chance that grows with shots.

    Arguments
    ---------
    images: ImageSet
        Each seed tests every `n_seeds`-th picture.
    strategies: dict of str to float, optional
        The chance of being right at the largest number of shots.
    """
    strategies = strategies or STRATEGIES
    random = np.random.default_rng(seed)
    classes = np.array(images.classes)
    runs, tables = [], []
    for number in range(n_seeds):
        tested = np.arange(number, len(images), n_seeds)
        for n_shots in shots:
            for strategy, best in strategies.items():
                chance = best * (0.5 + 0.5 * n_shots / max(shots))
                right = random.random(len(tested)) < chance
                wrong_by = random.integers(1, len(classes), len(tested))
                predicted = (images.labels[tested] + np.where(right, 0, wrong_by)) % len(classes)
                place = {"strategy": strategy, "shots": n_shots, "seed": number, "fold": number}
                costs = {"n_train": n_shots * len(classes), "n_steps": 0, "duration_s": 0.1, "peak_memory_mib": 300.0}
                scores = {"accuracy": right.mean(), "balanced_accuracy": right.mean()}
                runs.append(place | scores | costs)
                tables.append(
                    pd.DataFrame(
                        {
                            **place,
                            "picture": images.names[tested],
                            "group": images.groups[tested],
                            "label": classes[images.labels[tested]],
                            "predicted": classes[predicted],
                            "probability": random.uniform(0.3, 1, len(tested)),
                        }
                    )
                )
    return summarise(pd.DataFrame(runs), pd.concat(tables, ignore_index=True), next(iter(strategies)), {})
