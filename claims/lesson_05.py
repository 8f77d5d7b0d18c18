"""Claims of lesson 05: when tuning wins, and moving norm statistics."""

import functools
import warnings

import numpy as np
import pandas as pd

import tlkit as tl
from tlkit.claims import Claim, measurement

_SOLVE = tl.Phase(["head"], None)


@measurement(
    choices={
        "image_size_px": [96, 128],
        "metric": ["accuracy", "balanced accuracy"],
        "probe": ["logistic", "ridge"],
        "classes": ["all", "those of the photographs"],
    },
    tuning_five_moves_little=Claim(
        "With five clip-art pictures per class, solving the head and then tuning the last four stages moves the "
        "accuracy of the linear probe by less than eight points, up or down.",
        (-0.08, 0.08),
    ),
    tuning_all_loses_little=Claim(
        "With all clip-art pictures, the same tuning gains accuracy, or loses less than two points.",
        (-0.02, None),
    ),
    tuning_gains_on_average=Claim(
        "With all clip-art pictures, the mean gain of the same tuning over five folds is above two points.",
        (0.02, None),
    ),
    gain_does_not_shrink=Claim(
        "From five pictures per class to all, the gain grows, or shrinks by less than two points.",
        (-0.02, None),
        effect="gain with all pictures minus gain with five",
    ),
)
def tune_last_stages(image_size_px, metric, probe, classes):
    """Gains over the linear probe with five pictures per class and with all, one per fold."""
    few, most = measure_gains(image_size_px, metric, probe, classes)
    return {
        "tuning_five_moves_little": few,
        "tuning_all_loses_little": most,
        "tuning_gains_on_average": float(most.mean()),
        "gain_does_not_shrink": most - few,
    }


@measurement(
    choices={
        "metric": ["accuracy", "balanced accuracy"],
        "probe": ["logistic", "ridge", "prototype"],
        "classes": ["all", "those of the photographs"],
    },
    tuning_wins_at_128_px=Claim(
        "With all clip-art pictures at 128 px, solving the head and then tuning the last four stages beats the linear "
        "probe.",
        "helps",
    ),
    tuning_pays_at_128_px=Claim(
        "At 128 px, tuning needs fewer than all pictures, on average 36 per class, until the interval of its gain lies "
        "above zero.",
        (None, 36.0),
        effect="pictures per class from which the interval lies above zero",
    ),
)
def tune_at_128_px(metric, probe, classes):
    """Gains over the linear probe at 128 px, one per fold, and the number of pictures from which they are clear."""
    few, most = measure_gains(128, metric, probe, classes)
    return {
        "tuning_wins_at_128_px": most,
        "tuning_pays_at_128_px": find_crossing(few, most),
    }


def measure_gains(image_size_px, metric, probe, classes):
    """Return the gains over the linear probe with five pictures per class and with all, each (n_folds,)."""
    gains = []
    for shots in (5, None):
        folds = [predict_fold(image_size_px, fold, shots) for fold in range(5)]
        scores = [{name: score(fold, name, metric, classes) for name in ("tuned", probe)} for fold in folds]
        gains.append([one["tuned"] - one[probe] for one in scores])
    return np.array(gains)


@functools.cache
def predict_fold(image_size_px, fold, shots):
    """Return the classes of a fold's test pictures, "label", and as heads and "tuned" predict them."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    train, test = tl.load_images("styles", domain="clipart").split(test_fold=fold)
    with warnings.catch_warnings(action="ignore"):  # small classes give all they have
        part = train.few(shots, seed=fold) if shots else train
    learned, tested = (tl.extract_features(backbone, images, progress=False) for images in (part, test))
    kinds = ("logistic", "ridge", "prototype")
    predictions = {kind: tl.fit_head(learned, kind).predict(tested.values).argmax(axis=1) for kind in kinds}
    tune = tl.Strategy([_SOLVE, tl.Phase([*range(-4, 0), "head"], 6, 2e-4)], name="tune")
    run = tl.transfer(backbone, part, tune, seed=fold, progress=False)
    return predictions | {"label": test.labels, "tuned": run.evaluate(test).predicted}


def score(fold, name, metric, classes):
    """Return the accuracy of predictions as a metric defines it, on the pictures of some classes."""
    kept = np.unique(fold["label"]) if classes == "all" else np.unique(tl.load_images("styles", domain="photo").labels)
    right = pd.Series(fold[name] == fold["label"])[np.isin(fold["label"], kept)]
    return right.mean() if metric == "accuracy" else right.groupby(fold["label"][right.index]).mean().mean()


def find_crossing(few, most):
    """Return the pictures per class from which on the 95 % interval of the mean gain lies above zero."""
    # Between 5 and all pictures, 36 per class on average, each fold's gain is a line over the logarithm of the number.
    places = np.geomspace(5, 36.4, 200)
    share = np.linspace(0, 1, 200)[:, None]
    by_fold = (1 - share) * few + share * most
    mean = by_fold.mean(axis=1)
    half_width = 2.776 * by_fold.std(axis=1, ddof=1) / np.sqrt(len(few))  # Student's t, 4 degrees of freedom
    return float(places[mean <= half_width].max(initial=places[0]))


@measurement(
    choices={
        "n_stages": [4, 9],
        "domain": ["clipart", "sketch"],
        "metric": ["accuracy", "balanced accuracy"],
        "classes": ["all", "those of the photographs"],
    },
    moving_norms_harm=Claim(
        "With five drawings per class and batches of eight, norm statistics that move cost accuracy after a probe.",
        "harms",
    ),
    new_head_gains_little=Claim(
        "There, a new head on the tuned features gains less than seven points over the linear probe, if anything.",
        (None, 0.07),
    ),
)
def move_norm_statistics(n_stages, domain, metric, classes):
    """Accuracy after tuning with moving minus frozen norm statistics, and of a new head minus the probe, by fold."""
    folds = [predict_with_norms(n_stages, domain, fold) for fold in range(5)]
    names = ("moving", "frozen", "new head", "probe")
    scores = [{name: score(fold, name, metric, classes) for name in names} for fold in folds]
    return {
        "moving_norms_harm": np.array([one["moving"] - one["frozen"] for one in scores]),
        "new_head_gains_little": np.array([one["new head"] - one["probe"] for one in scores]),
    }


@functools.cache
def predict_with_norms(n_stages, domain, fold):
    """Return the classes of a fold's test pictures, "label", and as four classifiers predict them."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=64)
    train, test = tl.load_images("styles", domain=domain).split(test_fold=fold)
    with warnings.catch_warnings(action="ignore"):  # small classes give all they have
        few = train.few(5, seed=fold)
    runs = {"probe": tl.transfer(backbone, few, "linear_probe", seed=fold, progress=False)}
    for norms in ("frozen", "moving"):
        phase = tl.Phase([*range(-n_stages, 0), "head"], 3, 2e-4, norm_statistics=norms)
        runs[norms] = tl.transfer(backbone, few, tl.Strategy([_SOLVE, phase], name=norms), seed=fold, progress=False)
    extract = functools.partial(tl.extract_features, runs["moving"].backbone, engine="torch", cache=False)
    learned, tested = (extract(images, progress=False) for images in (few, test))
    predictions = {name: run.evaluate(test).predicted for name, run in runs.items()}
    new_head = tl.fit_head(learned).predict(tested.values).argmax(axis=1)
    return predictions | {"label": test.labels, "new head": new_head}
