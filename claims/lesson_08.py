"""Claims of lesson 08: sources at a weight, and how often noise gets a verdict."""

import dataclasses
import functools

import numpy as np
from scipy import stats

import tlkit as tl
from tlkit.claims import Claim, measurement


@functools.cache
def _load(classes):
    images = tl.load_images("styles", domain=["photo", "sketch", "clipart"])
    if classes == "core":
        return images.select(role="core")
    present = np.unique(images.labels[images.domains == "photo"])
    return images.select(classes=[images.classes[label] for label in present])


@functools.cache
def _extract(image_size_px, classes):
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    return tl.extract_features(backbone, _load(classes), progress=False)


@measurement(
    {"first_seed": [0, 10, 20], "image_size_px": [128, 160, 224], "classes": ["core", "all"]},
    pooled_sketches_harm=Claim(
        "At one photograph per class, all sketches pooled lose to the photographs alone.", "harms"
    ),
    weight_decides=Claim(
        "At one photograph per class, the same sketches at a quarter of the weight beat pooling.", "helps"
    ),
    pooled_clipart_helps=Claim(
        "At one photograph per class, all clip-art pooled gains over the photographs alone.", "helps"
    ),
    help_fades=Claim(
        "The gain of pooled clip-art is smaller at fifteen photographs per class than at one.",
        (None, 0),
        effect="change of the gain in accuracy",
    ),
)
def weigh_sources(first_seed, image_size_px, classes):
    """Put sketches and clip-art beside photographs, over ten seeds."""
    images, features = _load(classes), _extract(image_size_px, classes)
    settings = {"seeds": list(range(first_seed, first_seed + 10)), "progress": False}
    compare = functools.partial(tl.adaptation.compare_target_shots, features, images, target="photo", **settings)
    sketch = compare("sketch", weights=[0.25, "pooled"], shots=[1])
    clipart = compare("clipart", weights=["pooled"], shots=[1, 15])
    gains = clipart[0].pivot_table(index="fold", columns=["shots", "strategy"], values="accuracy")
    of_clipart = [gains[shots, "clipart, pooled"] - gains[shots, "target_only"] for shots in (1, 15)]
    return {
        "pooled_sketches_harm": _read_gain(sketch, "target_only", "sketch, pooled"),
        "weight_decides": _read_gain(sketch, "sketch, pooled", "sketch × 0.25"),
        "pooled_clipart_helps": _read_gain(clipart, "target_only", "clipart, pooled"),
        "help_fades": (of_clipart[1] - of_clipart[0]).to_numpy(),
    }


def _read_gain(tables, baseline, strategy):
    """Return (gain, low, high) of an arm over a baseline at one photograph per class."""
    gains = tl.evaluation.transfer_gain(*tables, baseline, simultaneous=False).set_index(["strategy", "shots"])
    row = gains.loc[(strategy, 1)]
    return row["gain"], row["gain_low"], row["gain_high"]


@measurement(
    {"first_seed": [0, 5], "image_size_px": [128, 160, 224], "weight": ["0.25", "pooled"], "step": [1, 3]},
    wrong_labels_harm=Claim(
        "Clip-art whose classes are all mislabelled harms at five photographs per class, pooled or at a quarter.",
        "harms",
    ),
)
def mislabel_clipart(first_seed, image_size_px, weight, step):
    """Give clip-art the labels of other classes, over five seeds with a fold each."""
    images, features = _load("core"), _extract(image_size_px, "core")
    present = np.unique(images.labels)
    moved = np.roll(present, -step)[np.searchsorted(present, images.labels)]
    labels = np.where(images.domains == "clipart", moved, images.labels)
    misled = [dataclasses.replace(part, labels=labels) for part in (features, images)]
    weights = [weight if weight == "pooled" else float(weight)]
    settings = {"weights": weights, "shots": [5], "seeds": list(range(first_seed, first_seed + 5)), "progress": False}
    runs, _ = tl.adaptation.compare_target_shots(*misled, "clipart", "photo", **settings)
    accuracies = runs.pivot_table(index="seed", columns=runs["source"].notna(), values="accuracy")
    return {"wrong_labels_harm": (accuracies[True] - accuracies[False]).to_numpy()}


@measurement(
    {"seed_spread": [0.05, 0.1], "photo_spread": [0.1, 0.2], "n_seeds": [10, 20], "first_study": [0, 1000]},
    noise_gets_verdicts=Claim(
        "If twenty sources do nothing and each gets its own 95 % interval, more than a quarter of studies find help or "
        "harm (simulated).",
        (0.25, None),
        effect="share of studies with a false verdict",
    ),
    joint_intervals_prevent_verdicts=Claim(
        "If the twenty intervals hold together, fewer than a tenth of studies find help or harm (simulated).",
        (None, 0.1),
        effect="share of studies with a false verdict",
    ),
)
def judge_noise(seed_spread, photo_spread, n_seeds, first_study):
    """Simulate 200 studies of twenty sources, and give each source a two-way interval."""
    studies = range(first_study, first_study + 200)
    found = np.array([_judge_study(study, seed_spread, photo_spread, n_seeds) for study in studies])  # (200, 2)
    apart, together = (_read_share(column) for column in found.T)
    return {"noise_gets_verdicts": apart, "joint_intervals_prevent_verdicts": together}


def _judge_study(study, seed_spread, photo_spread, n_seeds, n_sources=20, n_photos=240):
    """Return whether a source gets a verdict by intervals that hold each by itself, and together."""
    random = np.random.default_rng(study)
    is_tested = np.arange(n_seeds)[:, None] % 5 == np.arange(n_photos) % 5
    found = [False, False]
    for _ in range(n_sources):
        seeds, photos = random.normal(size=(n_seeds, 1)), random.normal(size=n_photos)
        rest = random.normal(size=is_tested.shape)
        differences = seed_spread * seeds + photo_spread * photos + 0.4 * rest
        mean, error = _measure_error(differences, is_tested)
        quantiles = stats.t.ppf([1 - 0.05 / 2, 1 - 0.05 / 2 / n_sources], n_seeds - 1)
        found = [before or abs(mean) > quantile * error for before, quantile in zip(found, quantiles, strict=True)]
    return found


def _measure_error(differences, is_tested):
    """Return the mean and its two-way standard error over seeds and photographs (Cameron et al. 2011)."""
    mean = differences[is_tested].mean()
    deviations = np.where(is_tested, differences - mean, 0) / is_tested.sum()
    parts = deviations.sum(axis=1), deviations.sum(axis=0), deviations[is_tested]
    seeds, photos, both = (np.sum(part**2) * len(part) / (len(part) - 1) for part in parts)
    return mean, np.sqrt(max(seeds + photos - both, seeds, photos))


def _read_share(found):
    """Return (share, low, high) of studies, with Wilson's interval."""
    interval = stats.binomtest(int(found.sum()), len(found)).proportion_ci(method="wilson")
    return found.mean(), interval.low, interval.high
