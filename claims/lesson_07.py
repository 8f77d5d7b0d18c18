"""Claims of lesson 07: the gap between two domains, and what closes it without labels of the target."""

import functools

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.claims import Claim, measurement

DOMAINS = ["photo", "sketch", "clipart", "emoji"]
SPLIT = ["source", "target", "seed"]


@functools.cache
def _load():
    return tl.load_images("styles", domain=DOMAINS).select(role="core")


@functools.cache
def _extract(image_size_px):
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    return tl.extract_features(backbone, _load(), progress=False)


@measurement(
    {"source": ["photo", "emoji", "clipart"], "image_size_px": [128, 224], "n_folds": [3, 5], "seeds": [1, 2]},
    gap_is_appearance=Claim(
        "From photographs, emoji or clip-art to sketches, class shares make less than a fifth of the gap in accuracy.",
        (None, 0.2),
        effect="share of the gap that is due to class shares",
    ),
)
def explain_sketches(source, image_size_px, n_folds, seeds):
    """Take the gap to sketches to pieces."""
    settings = {"seeds": seeds, "n_folds": n_folds, "progress": False}
    parts = tl.adaptation.explain_gap(_extract(image_size_px), _load(), source, "sketch", **settings)
    row = parts.set_index("measure").loc["accuracy"]
    return {"gap_is_appearance": abs(row["priors"]) / row["whole"]}


@measurement(
    {"image_size_px": [128, 160, 224], "shrinkage": [0.5, 0.8], "kernel": ["gaussian", "laplace"]},
    coral_removes_mmd=Claim(
        "From photographs to sketches, CORAL removes more than two thirds of the squared MMD.",
        (2 / 3, None),
        effect="share of the squared MMD that is removed",
    ),
)
def align_photographs(image_size_px, shrinkage, kernel):
    """Align photographs with sketches by CORAL."""
    features, domains = _extract(image_size_px), _load().domains
    photos, sketches = (features.values[domains == domain] for domain in ("photo", "sketch"))
    aligned = tl.adaptation.align_coral(photos, sketches, shrinkage=shrinkage)
    before, after = (tl.adaptation.distance_mmd(part, sketches, kernel) for part in (photos, aligned))
    return {"coral_removes_mmd": 1 - after / before}


@measurement(
    {"seed": [0, 1, 2, 3], "image_size_px": [128, 160, 224], "shrinkage": [0.5, 0.8]},
    coral_leaves_half=Claim(
        "Over the twelve pairs, CORAL wins back less than half of the gap in balanced accuracy.",
        (None, 0.5),
        effect="share of the gap that is won back",
    ),
)
def align_twelve_pairs(seed, image_size_px, shrinkage):
    """Align every pair of domains with CORAL."""
    features, images = _extract(image_size_px), _load()
    methods = {"coral": tl.adaptation.Align("coral", alignment_parameter=shrinkage)}
    compared = tl.adaptation.compare_pairs(features, images, methods, seeds=[seed], n_folds=0, progress=False)
    row = compared.table.set_index("method").loc["coral"]
    return {"coral_leaves_half": (row["recovered"], row["recovered_low"], row["recovered_high"])}


@measurement(
    {"seed": [0, 1, 2, 3], "image_size_px": [128, 224], "left_out": ["photo", "sketch", "clipart", "emoji"]},
    self_training_helps=Claim(
        "Over the pairs of three of the four domains, CORAL with self-training gains over source only.",
        "helps",
        effect="gain in balanced accuracy over source only",
    ),
    estimated_shares_harm=Claim(
        "Over the pairs of three of the four domains, correcting for estimated class shares loses to source only.",
        "harms",
        effect="gain in balanced accuracy over source only",
    ),
    surest_head_loses=Claim(
        "Over the pairs of three of the four domains, taking the surest head (entropy) loses to source only.",
        "harms",
        effect="gain in balanced accuracy over source only",
    ),
    fixed_method_keeps_up=Claim(
        "Over the pairs of three of the four domains, always taking CORAL with self-training costs at most two points "
        "against choosing by BNM.",
        (-0.02, None),
        effect="balanced accuracy of the fixed method minus that of the choice by BNM",
    ),
)
def choose_blind(seed, image_size_px, left_out):
    """Choose a method for each pair by rules that need no label of the target."""
    domains = [domain for domain in DOMAINS if domain != left_out]
    methods = ["align_mean", "priors", "coral", "coral_self_training"]
    settings = {"domains": domains, "seeds": [seed], "n_folds": 0, "progress": False}
    compared = tl.adaptation.compare_pairs(_extract(image_size_px), _load(), methods, **settings)
    runs = compared.runs[compared.runs["method"] != "oracle"]
    oracle = compared.runs[compared.runs["method"] == "oracle"]
    by_split = runs.groupby(SPLIT)
    entropy, bnm = (runs.loc[by_split[score].idxmax()] for score in ("entropy", "bnm"))
    fixed = runs[runs["method"] == "coral_self_training"]
    source_only = runs[runs["method"] == "source_only"]
    of_method = compared.table.set_index("method")
    return {
        "self_training_helps": _read_gain(of_method.loc["coral_self_training"]),
        "estimated_shares_harm": _read_gain(of_method.loc["priors"]),
        "surest_head_loses": _judge(compared, {"source_only": source_only, "rule": entropy, "oracle": oracle}),
        "fixed_method_keeps_up": _judge(compared, {"source_only": bnm, "rule": fixed, "oracle": oracle}),
    }


def _judge(compared, rules):
    """Return (gain, low, high) of "rule" over "source_only", each given by the runs that it chooses."""
    tables = [
        (chosen.assign(method=name), compared.predictions.merge(chosen[[*SPLIT, "method"]]).assign(method=name))
        for name, chosen in rules.items()
    ]
    runs, predictions = map(pd.concat, zip(*tables, strict=True))
    return _read_gain(tl.adaptation.PairComparison(runs, predictions, {}).table.set_index("method").loc["rule"])


def _read_gain(row):
    return row["gain"], row["gain_low"], row["gain_high"]


@measurement(
    {
        "first_seed": [0, 4, 8],
        "image_size_px": [64, 96],
        "learning_rate": [2e-4, 5e-4],
        "seen_class": ["bird", "mammal"],
    },
    adabn_harms=Claim(
        "If the last two stages were tuned on clip-art, AdaBN with photographs of all classes lowers their accuracy.",
        "harms",
        ignores=["seen_class"],
    ),
    adabn_erases_a_class=Claim(
        "AdaBN with birds only, or mammals only, lowers the recall of that class by more than 20 points.",
        (None, -0.2),
        effect="difference in recall",
    ),
)
def replace_statistics(first_seed, image_size_px, learning_rate, seen_class):
    """Tune on clip-art with moving statistics, and put those of photographs in their place, over four seeds."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    tune = tl.Phase([-2, -1, "head"], 3, learning_rate, norm_statistics="moving")
    strategy = tl.Strategy([tl.Phase(["head"], None), tune], name="moving")
    images, names, of_all, of_class = _load(), np.array(_load().classes), [], []
    for seed in range(first_seed, first_seed + 4):
        learned, adapted, tested = tl.adaptation.split_pair(images, "clipart", "photo", seed=seed)
        run = tl.transfer(backbone, learned, strategy, batch_size=32, seed=seed, progress=False)
        is_class = tested.labels == images.classes.index(seen_class)
        seen = adapted.select(classes=[seen_class])
        runs = run, *(tl.adaptation.adapt_run(run, part, "adabn", progress=False) for part in (adapted, seen))
        before, with_all, with_class = (
            np.array(each.classes)[each.predict(tested).argmax(axis=1)] == names[tested.labels] for each in runs
        )
        of_all.append(with_all.mean() - before.mean())
        of_class.append(with_class[is_class].mean() - before[is_class].mean())
    return {"adabn_harms": np.array(of_all), "adabn_erases_a_class": np.array(of_class)}


@measurement(
    {"share": [0.7, 0.8, 0.9], "distance": [2.5, 3.0, 4.0], "n_points": [100, 400], "move": [0, 4]},
    frequent_class_loses=Claim(
        "Two classes, reversed shares: if means are aligned, the class frequent in the target loses (simulated).",
        "harms",
        effect="recall of the class frequent in the target minus that of the other",
    ),
)
def align_toy_means(share, distance, n_points, move):
    """Align the means of two clouds per domain in the plane, over ten draws."""
    differences = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        sides = []
        for cats in (share, 1 - share):
            labels = (np.arange(n_points) >= cats * n_points).astype(int)
            sides.append((random.normal(size=(n_points, 2)) + distance * labels[:, None] * (1, 0), labels))
        (source, labels), (target, truth) = sides
        target = target + np.array([move, move / 2])
        head = tl.adaptation.Align("mean").fit(source, labels, target, 2, seed=0)
        right = head.predict(target).argmax(axis=1) == truth
        differences.append(right[truth == 1].mean() - right[truth == 0].mean())
    return {"frequent_class_loses": np.array(differences)}
