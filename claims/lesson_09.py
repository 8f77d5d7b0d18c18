"""Claims of lesson 09: overfitting on little data, and honest choices."""

import functools

import numpy as np
import torch
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import nn

import tlkit as tl
from tlkit.claims import Claim, measurement

STAGES = ("stage5", "stage6", None)
HEADS = [("ridge", {"l2_penalty": 1}), ("ridge", {"l2_penalty": 10}), ("knn", {"n_neighbors": 1}), ("prototype", {})]
SPLITTERS = (StratifiedKFold, StratifiedGroupKFold)
N_SEEDS, N_DRAWS = 5, 100


@functools.cache
def extract(domain, image_size_px):
    """Return pictures, and their features at each cut."""
    images = tl.load_images("styles", domain=domain)
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    return images, [tl.extract_features(backbone, images, stage=stage, progress=False) for stage in STAGES]


def split(images, seed, shots=None):
    """Return the rows of the training pictures, all or a few per class, and those of the test fold."""
    train, test = images.split(test_fold=seed % 5)
    train = train if shots is None else train.few(shots, seed=seed)
    return find_rows(images, train), find_rows(images, test)


def find_rows(images, some):
    """Return the rows of some of the pictures."""
    return np.flatnonzero(np.isin(images.names, some.names))


def judge(features, train, test, heads=HEADS):
    """Return which test pictures each candidate gets right (n_candidates, n_test): each head at each cut."""
    fitted = [(cut, tl.fit_head(cut[train], kind, **settings)) for cut in features for kind, settings in heads]
    return np.stack([head.predict(cut.values[test]).argmax(axis=1) == cut.labels[test] for cut, head in fitted])


def measure_optimism(right, n_held_out, seed):
    """Return promise minus truth of the best row, chosen on some pictures and judged on the others; mean of draws."""
    generator, differences = np.random.default_rng(seed), []
    for _ in range(N_DRAWS):
        shuffled = right[:, generator.permutation(right.shape[1])]
        promised, measured = shuffled[:, :n_held_out].mean(axis=1), shuffled[:, n_held_out:].mean(axis=1)
        best = promised.argmax()
        differences.append(promised[best] - measured[best])
    return np.mean(differences)


@measurement(
    choices={
        "domain": ["clipart", "sketch"],
        "image_size_px": [64, 96],
        "shots": [3, 5, 8],
        "n_held_out": [10, 14, 20],
    },
    best_candidate_promises_too_much=Claim(
        "The best of twelve heads and cuts, chosen on 10 to 20 held-out pictures, promises at least five points more "
        "than it gives on other pictures.",
        (0.05, None),
        effect="promised minus measured accuracy",
    ),
    more_held_out_pictures_promise_less=Claim(
        "With twice as many held-out pictures, the best of twelve heads and cuts overstates its accuracy less.",
        "harms",
        effect="change of promised minus measured accuracy",
    ),
)
def choose_candidate(domain, image_size_px, shots, n_held_out):
    """Promise minus truth of the best of several heads and cuts."""
    images, features = extract(domain, image_size_px)
    right = [judge(features, *split(images, seed, shots)) for seed in range(N_SEEDS)]
    few, twice = (
        np.array([measure_optimism(rows, n, seed) for seed, rows in enumerate(right)])
        for n in (n_held_out, 2 * n_held_out)
    )
    return {"best_candidate_promises_too_much": few, "more_held_out_pictures_promise_less": twice - few}


def train_head(features, train, test, learning_rate, n_epochs, seed):
    """Return which test pictures a head gets right after each epoch (n_epochs, n_test)."""
    torch.manual_seed(seed)
    values = torch.from_numpy((features.values - features.values[train].mean(axis=0)) / features.values[train].std())
    labels, generator, right = torch.from_numpy(features.labels), np.random.default_rng(seed), []
    head = nn.Linear(values.shape[1], len(features.classes))
    optimizer = torch.optim.AdamW(head.parameters(), lr=learning_rate)
    for _ in range(n_epochs):
        for batch in np.array_split(generator.permutation(train), len(train) // 8):
            optimizer.zero_grad()
            nn.functional.cross_entropy(head(values[batch]), labels[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            right.append((head(values[test]).argmax(dim=1) == labels[test]).numpy())
    return np.stack(right)


@measurement(
    choices={
        "domain": ["clipart", "sketch"],
        "learning_rate": [1e-3, 3e-3, 1e-2],
        "image_size_px": [64, 96],
        "n_epochs": [10, 30],
    },
    best_epoch_promises_too_much=Claim(
        "The best of 10 to 30 epochs of a head, chosen on 14 pictures, looks better than it really is.",
        "helps",
        effect="promised minus measured accuracy",
    ),
)
def stop_at_best(domain, learning_rate, image_size_px, n_epochs):
    """Promise minus truth of the best epoch of a head."""
    images, features = extract(domain, image_size_px)
    optimism = []
    for seed in range(N_SEEDS):
        right = train_head(features[-1], *split(images, seed, shots=5), learning_rate, n_epochs, seed)
        optimism.append(measure_optimism(right, 14, seed))
    return {"best_epoch_promises_too_much": np.array(optimism)}


def score_inner(features, train, splitter, heads=HEADS):
    """Return the accuracy of each candidate over the inner folds of the training pictures."""
    labels = features[0].labels[train]
    groups = None if isinstance(splitter, StratifiedKFold) else features[0].groups[train]
    folds = [judge(features, train[a], train[b], heads) for a, b in splitter.split(train, labels, groups)]
    return np.concatenate(folds, axis=1).mean(axis=1)


@measurement(
    choices={
        "image_size_px": [64, 96],
        "stage": ["stage6", "last"],
        "n_inner": [3, 4, 5],
    },
    ignored_groups_promise_too_much=Claim(
        "On all clip-art training pictures, a nearest-neighbour head looks better in inner folds that ignore groups "
        "than in folds that keep them together.",
        "helps",
    ),
    ignored_groups_flatter_all_heads=Claim(
        "Inner folds that ignore groups also raise the mean score of ridge and prototype heads.",
        "helps",
    ),
)
def ignore_groups(image_size_px, stage, n_inner):
    """Inner folds that ignore groups, minus folds that keep them."""
    images, features = extract("clipart", image_size_px)
    cut = [features[1 if stage == "stage6" else 2]]
    heads = [("knn", {"n_neighbors": 1}), ("ridge", {"l2_penalty": 1}), ("prototype", {})]
    flattered = []
    for seed in range(N_SEEDS):
        train, _ = split(images, seed)
        scores = [score_inner(cut, train, make(n_inner, shuffle=True, random_state=seed), heads) for make in SPLITTERS]
        flattered.append(scores[0] - scores[1])
    flattered = np.array(flattered)
    return {
        "ignored_groups_promise_too_much": flattered[:, 0],
        "ignored_groups_flatter_all_heads": flattered[:, 1:].mean(axis=1),
    }


@measurement(
    choices={
        "image_size_px": [64, 96],
        "n_inner": [3, 5],
        "n_held_out": [10, 14, 20],
    },
    grouped_folds_promise_less=Claim(
        "On clip-art, the choice of head and cut by inner grouped folds overstates its accuracy less than the choice "
        "on 10 to 20 test pictures.",
        "harms",
        effect="difference in promised minus measured accuracy",
    ),
)
def choose_by_folds(image_size_px, n_inner, n_held_out):
    """Promise minus truth of a choice by inner grouped folds, and of a choice on a few test pictures."""
    images, features = extract("clipart", image_size_px)
    by_folds, on_few = [], []
    for seed in range(N_SEEDS):
        train, test = split(images, seed)
        inner = score_inner(features, train, StratifiedGroupKFold(n_inner, shuffle=True, random_state=seed))
        right = judge(features, train, test)
        by_folds.append(inner.max() - right[inner.argmax()].mean())
        on_few.append(measure_optimism(right, n_held_out, seed))
    return {"grouped_folds_promise_less": np.subtract(by_folds, on_few)}


@functools.cache
def tune(policy, learning_rate, shots, seed):
    """Return the accuracy after tuning two stages with an augmentation."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=64)
    train, test = tl.load_images("styles", domain="clipart").split(test_fold=seed)
    phases = [tl.Phase(["head"], None), tl.Phase([-2, -1, "head"], 6, learning_rate, augment=policy)]
    run = tl.transfer(backbone, train.few(shots, seed=seed), tl.Strategy(phases), seed=seed, progress=False)
    return run.evaluate(test).accuracy


@measurement(
    choices={
        "policy": ["flip", "rand_augment", "mixup"],
        "learning_rate": [3e-4, 1e-3],
        "shots": [3, 5],
    },
    augmentation_gain_is_unclear=Claim(
        "With three or five clip-art pictures per class and four seeds, a comparison can't tell whether flip, "
        "rand_augment or mixup helps the tuning of two stages.",
        "can't tell",
    ),
)
def augment_while_tuning(policy, learning_rate, shots):
    """Tuning with an augmentation, minus tuning without."""
    pairs = [[tune(arm, learning_rate, shots, seed) for arm in (policy, None)] for seed in range(4)]
    return {"augmentation_gain_is_unclear": -np.diff(pairs)[:, 0]}
