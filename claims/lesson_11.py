"""Claims of lesson 11: pictures of none of the classes, by the probability and by the distance in features."""

import functools

import numpy as np
from sklearn.metrics import roc_auc_score

import tlkit as tl
from tlkit.claims import Claim, measurement
from tlkit.evaluation.rejection import find_threshold, fit_tensors, score_mahalanobis
from tlkit.heads.numerics import normalise

SHARE = 0.05
N_WALLS = 40


@functools.cache
def load(domain):
    return tl.load_images("styles", domain=domain)


def make_walls():
    """Return plain walls of many colours, lit from one side, with a little noise."""
    random, across = np.random.default_rng(0), np.linspace(-1, 1, 160)
    walls = []
    for _ in range(N_WALLS):
        light = random.uniform(-25, 25) * across + random.uniform(-25, 25) * across[:, None]
        noise = random.normal(0, 3, (160, 160, 1))
        walls.append((random.uniform(60, 220, 3) + light[..., None] + noise).clip(0, 255).astype(np.uint8))
    return walls


@functools.cache
def extract(network, image_size_px, domain):
    backbone = tl.load_backbone(network, image_size_px=image_size_px)
    return tl.extract_features(backbone, make_walls() if domain == "walls" else load(domain), progress=False)


def measure_auroc(known, unknown):
    return roc_auc_score(np.repeat([1, 0], [len(known), len(unknown)]), np.concatenate([known, unknown]))


@measurement(
    choices={
        "network": ["efficientnet_lite0", "efficientnet_lite1"],
        "image_size_px": [128, 160],
        "domain": ["photo", "clipart", "sketch"],
        "fold": [0, 1, 2, 3, 4],
        "first_class": [0, 1],
    },
    n_replications=24,
    strangers_get_probabilities=Claim(
        "A logistic head gives more than a tenth of the pictures of an unknown class a probability above 0.5.",
        (0.1, None),
        effect="share of pictures",
    ),
    most_strangers_pass=Claim(
        "If the distance in features rejects 5 % of the known pictures, it accepts more than a fifth of the pictures "
        "of an unknown class.",
        (0.2, None),
        effect="share of pictures",
    ),
    distance_against_probability=Claim(
        "Seven unknown classes can't tell whether the distance in features or the probability recognises them better.",
        "can't tell",
        effect="difference in AUROC",
    ),
    distance_recognises_walls=Claim(
        "The distance in features tells plain walls from known pictures better than the probability does.",
        "helps",
        effect="difference in AUROC",
    ),
    walls_are_rejected=Claim(
        "If the distance in features rejects 5 % of the known pictures, it rejects more than 95 % of plain walls.",
        (0.95, None),
        effect="share of pictures",
    ),
)
def leave_classes_out(network, image_size_px, domain, fold, first_class):
    """Every second class is unknown in turn: its pictures, and walls, against known pictures of a test fold."""
    features, walls = (extract(network, image_size_px, name) for name in (domain, "walls"))
    is_test = np.isin(features.names, load(domain).split(test_fold=fold)[1].names)
    rows = []
    for label in np.unique(features.labels)[first_class::2]:
        is_out = features.labels == label
        learned = features[~is_test & ~is_out]
        groups = [features.values[is_test & ~is_out], features.values[is_out], walls.values]
        weight, bias = tl.fit_head(learned).linear()
        tensors = fit_tensors(normalise(learned.values.astype(float)), learned.labels)
        logits = [values @ weight.T + bias for values in groups]
        sure = [scores.max(axis=1) - np.logaddexp.reduce(scores, axis=1) for scores in logits]
        near = [score_mahalanobis(normalise(values.astype(float)), **tensors) for values in groups]
        threshold = find_threshold(np.sort(near[0]), SHARE)
        rows.append(
            {
                "strangers_get_probabilities": np.mean(np.exp(sure[1]) > 0.5),
                "most_strangers_pass": np.mean(near[1] >= threshold),
                "distance_against_probability": measure_auroc(*near[:2]) - measure_auroc(*sure[:2]),
                "distance_recognises_walls": measure_auroc(*near[::2]) - measure_auroc(*sure[::2]),
                "walls_are_rejected": np.mean(near[2] < threshold),
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@measurement(
    choices={
        "network": ["efficientnet_lite0", "efficientnet_lite1"],
        "image_size_px": [128, 160],
        "domain": ["photo", "sketch"],
        "other": ["clipart", "emoji"],
        "fold": [0, 1, 2, 3, 4],
    },
    n_replications=10,
    another_style_is_rejected=Claim(
        "Learned on photographs or sketches, the distance in features rejects clip-art and emoji of the known classes "
        "more often than new pictures of its own style.",
        "helps",
        effect="difference in the share of rejected pictures",
    ),
)
def reject_another_style(network, image_size_px, domain, other, fold):
    """Share of rejected pictures of the same classes in another style, minus that of new ones in the own style."""
    features, strange = (extract(network, image_size_px, name) for name in (domain, other))
    is_test = np.isin(features.names, load(domain).split(test_fold=fold)[1].names)
    known = np.unique(features.labels)
    learned = features[~is_test]
    tensors = fit_tensors(normalise(learned.values.astype(float)), learned.labels)
    is_known = np.isin(strange.labels, known)
    new, styled = (
        score_mahalanobis(normalise(values.astype(float)), **tensors)
        for values in (features.values[is_test], strange.values[is_known])
    )
    threshold = find_threshold(np.sort(new), SHARE)
    return {"another_style_is_rejected": (styled < threshold) - np.mean(new < threshold)}
