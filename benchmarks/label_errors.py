"""Planted label errors among the first suspects, by several scores, on the bundled pictures.

A share of the labels of each domain is replaced by another class: a random one, or, with "alike", the wrong class that
a probe ranks first, which is harder to find. Prints the share of planted errors among the first tenth of the suspects
and the area under the ROC curve: means over seeds, with the smallest.
"""

import argparse
import dataclasses

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.inspection.label_errors import find_label_errors, predict_by_cross_validation
from tlkit.summaries.cuts import find_neighbors

N_NEIGHBORS = 10


def main():
    """Plant errors, sort by each score, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-size", type=int, default=224, help="height and width in pixels")
    parser.add_argument("--domains", nargs="*", default=["photo", "clipart", "all"])
    parser.add_argument("--share", type=float, default=0.05, help="share of the labels that are replaced")
    parser.add_argument("--first", type=float, default=0.1, help="share of the pictures that is inspected")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--l2_penalties", type=float, nargs="*", default=[10.0])
    arguments = parser.parse_args()
    images = tl.load_images("styles")
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=arguments.image_size)
    everything = tl.extract_features(backbone, images, progress=False)
    rows = []
    for domain in arguments.domains:
        features = everything if domain == "all" else everything[images.domains == domain]
        for kind in ("even", "alike"):
            for l2_penalty in arguments.l2_penalties:
                rows += [
                    {"domain": domain, "n": len(features), "errors": kind, "l2_penalty": l2_penalty, **row}
                    for row in measure(features, kind, l2_penalty, arguments)
                ]
    print(pd.DataFrame(rows).round(3).to_string(index=False))


def measure(features, kind, l2_penalty, arguments):
    """Return one row per score: the share found and the area under the ROC curve, means and smallest over seeds."""
    from sklearn.metrics import roc_auc_score

    found = {}
    alike = predict_by_cross_validation(features) if kind == "alike" else None
    neighbors = find_others(features)
    for seed in range(arguments.seeds):
        labels, is_planted = plant(features.labels, alike, len(features.classes), arguments.share, seed)
        planted = dataclasses.replace(features, labels=labels)
        n_first = round(arguments.first * len(labels))
        for name, suspicion in score(planted, neighbors, l2_penalty, seed).items():
            first = np.argsort(-suspicion, kind="stable")[:n_first]
            shares = is_planted[first].sum() / is_planted.sum(), roc_auc_score(is_planted, suspicion)
            found.setdefault(name, []).append(shares)
    return [
        {"score": name, "found": np.mean(shares, 0)[0], "least": np.min(shares, 0)[0], "auc": np.mean(shares, 0)[1]}
        for name, shares in found.items()
    ]


def plant(labels, alike, n_classes, share, seed):
    """Return (labels with errors, (n,) bool of the errors); with `alike`, probabilities, the likeliest other class."""
    random = np.random.default_rng(seed)
    is_planted = np.zeros(len(labels), bool)
    is_planted[random.choice(len(labels), round(share * len(labels)), replace=False)] = True
    others = (labels + random.integers(1, n_classes, len(labels))) % n_classes
    if alike is not None:
        others = np.where(np.eye(n_classes, dtype=bool)[labels], -1, alike).argmax(axis=1)
    return np.where(is_planted, others, labels), is_planted


def find_others(features):
    """Return (n, N_NEIGHBORS) the nearest pictures of other groups, by cosine."""
    numbers = range(len(features))
    return np.stack([find_neighbors(features, number, N_NEIGHBORS, other_groups=True)[0] for number in numbers])


def score(features, neighbors, l2_penalty, seed):
    """Return {score: (n,) suspicion} of several scores."""
    table = find_label_errors(features, seed=seed, l2_penalty=l2_penalty).set_index("picture").loc[features.names]
    probabilities = predict_by_cross_validation(features, seed=seed, l2_penalty=l2_penalty)
    own, margin = table["probability"].to_numpy(), table["margin"].to_numpy()
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-15))).sum(axis=1)
    agreement = (features.labels[neighbors] == features.labels[:, None]).mean(axis=1)
    means = {label: own[features.labels == label].mean() for label in np.unique(features.labels)}
    return {
        "self-confidence": -own,
        "margin": -margin,
        "self-confidence / entropy": -own / np.maximum(entropy, 1e-3),
        "self-confidence - mean of class": np.array([means[label] for label in features.labels]) - own,
        "neighbours": -agreement,
        "self-confidence + neighbours": -own - agreement,
        "margin + neighbours": -margin - agreement,
        "confident, then margin": table["confident"].to_numpy() * 2.0 - margin,
    }


if __name__ == "__main__":
    main()
