"""Four scores of familiarity: how well does each tell pictures of left-out classes from known ones?

Each class is left out of the training pictures in turn, and its test pictures are unknown. A figure is the mean AUROC
over all classes and five folds. `mahalanobis` is the score of tlkit, as `fit_rejection` describes it.
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

import tlkit as tl
from tlkit.evaluation.rejection import fit_tensors, score_mahalanobis
from tlkit.heads.numerics import normalise


def score_neighbors(features, kept):
    """Return minus the distance (n,) of features to the nearest kept one, both of length 1 (Sun et al. 2022)."""
    # The paper takes the 50th neighbour or a later one; our classes have fewer pictures than that.
    return -np.linalg.norm(features[:, None] - kept, axis=2).min(axis=1)


def score_energy(logits):
    """Return the logarithm of the summed exponentials of logits, minus the energy of Liu et al. 2020; (n,)."""
    return np.logaddexp.reduce(logits, axis=1)


def score_probability(logits):
    """Return the logarithm of the largest softmax probability (n,) of logits (Hendrycks and Gimpel 2017)."""
    return logits.max(axis=1) - np.logaddexp.reduce(logits, axis=1)


def judge(features, is_test, label):
    """Return {score: AUROC} for one left-out class, of the test pictures."""
    learned, tested = features[~is_test & (features.labels != label)], features[is_test]
    weight, bias = tl.fit_head(learned).linear()
    known, new = (normalise(part.values.astype(float)) for part in (learned, tested))
    logits = tested.values @ weight[np.unique(learned.labels)].T + bias[np.unique(learned.labels)]
    scores = {"mahalanobis": score_mahalanobis(new, **fit_tensors(known, learned.labels))}
    scores |= {"neighbors": score_neighbors(new, known), "energy": score_energy(logits)}
    scores["probability"] = score_probability(logits)
    return {name: roc_auc_score(tested.labels != label, values) for name, values in scores.items()}


def main():
    """Print the mean AUROC of each score and domain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--domains", nargs="+", default=["photo", "clipart"])
    settings, rows = parser.parse_args(), []
    for domain in settings.domains:
        images = tl.load_images("styles", domain=domain)
        features = tl.extract_features(settings.backbone, images, progress=False)
        for fold in range(5):
            is_test = np.isin(images.names, images.split(test_fold=fold)[1].names)
            for label in np.unique(images.labels[is_test]):
                rows.append({"domain": domain} | judge(features, is_test, label))
    print(pd.DataFrame(rows).groupby("domain", sort=False).mean().round(2).to_string())


if __name__ == "__main__":
    main()
