"""Claims of lesson 01: the worth of pretraining with few pictures per class, on the bundled pictures."""

import dataclasses

import numpy as np

import tlkit as tl
from tlkit.claims import Claim, measurement

N_SEEDS = 5  # one for each test fold
NETWORK = "efficientnet_lite0"


@measurement(
    choices={
        "first_seed": [0, 5, 10],
        "image_size_px": [64, 96],
        "fewest_shots": [1, 2],
        "most_shots": [10, 20],
        "metric": ["accuracy", "balanced_accuracy"],
    },
    probe_beats_random_features=Claim(
        "On clip-art with five pictures per class, a linear probe on pretrained features is more accurate than one on "
        "random features.",
        "helps",
        ignores=["fewest_shots", "most_shots"],
    ),
    gain_over_random_grows=Claim(
        "On clip-art, from one or two pictures per class to ten or twenty, the gain over random features grows, or "
        "shrinks by less than three points.",
        (-0.03, None),
        effect="change of the gain",
    ),
)
def measure_probe_gains(first_seed, image_size_px, fewest_shots, most_shots, metric):
    """Gains of the linear probe over random features."""
    images = tl.load_images("styles", domain="clipart")
    shots, seeds = [fewest_shots, 5, most_shots], list(range(first_seed, first_seed + N_SEEDS))
    pretrained = tl.load_backbone(NETWORK, image_size_px=image_size_px)
    random = tl.load_backbone(NETWORK, weights=None, seed=first_seed, image_size_px=image_size_px)
    scores = []
    for backbone in (pretrained, random):
        runs = tl.learning_curve(backbone, images, ["linear_probe"], shots, seeds, progress=False).runs
        scores.append(runs.pivot(index="seed", columns="shots", values=metric).to_numpy().T)
    gains = scores[0] - scores[1]
    return {
        "probe_beats_random_features": gains[1],
        "gain_over_random_grows": gains[2] - gains[0],
    }


@measurement(
    choices={
        "first_seed": [0, 5],
        "image_size_px": [64, 96],
        "drawings": ["sketch", "emoji", "twemoji"],
        "shots": [2, 5],
        "metric": ["accuracy", "balanced_accuracy"],
    },
    probe_beats_hand_made_on_photographs=Claim(
        "On photographs with two or five pictures per class, a linear probe on pretrained features is more accurate "
        "than hand-made features.",
        "helps",
        ignores=["drawings"],
    ),
    photographs_gain_more=Claim(
        "The gain over hand-made features is larger on photographs than on sketches or emoji of the same classes.",
        "helps",
        effect="difference between gains",
    ),
)
def compare_gains_of_domains(first_seed, image_size_px, drawings, shots, metric):
    """Gain of the linear probe over hand-made features on photographs, minus that on drawings."""
    photos = tl.load_images("styles", domain="photo")
    classes = [photos.classes[label] for label in np.unique(photos.labels)]
    backbone = tl.load_backbone(NETWORK, image_size_px=image_size_px)
    gains = []
    for domain in ("photo", drawings):
        images = tl.load_images("styles", domain=domain).select(classes=classes)
        seeds = list(range(first_seed, first_seed + N_SEEDS))
        runs = tl.learning_curve(backbone, images, ["linear_probe", "hand_made"], shots, seeds, progress=False).runs
        scores = runs.pivot(index="seed", columns="strategy", values=metric)
        gains.append((scores["linear_probe"] - scores["hand_made"]).to_numpy())
    return {"probe_beats_hand_made_on_photographs": gains[0], "photographs_gain_more": gains[0] - gains[1]}


@measurement(
    choices={
        "first_seed": [0, 5],
        "image_size_px": [64, 96, 128],
        "domain": ["clipart", "photo", "emoji"],
        "shots": [5, 10],
    },
    n_replications=10,
    raw_pixels_harm=Claim(
        "A linear probe that gets pixels from 0 to 255 is less accurate than one with the recipe of its network.",
        "harms",
    ),
    raw_pixels_harm_more_than_plain=Claim(
        "Pixels from 0 to 255 cost more accuracy than pixels from 0 to 1 that were not standardised.", "harms"
    ),
)
def break_recipe(first_seed, image_size_px, domain, shots):
    """Accuracy with a wrong recipe minus accuracy with the right one."""
    images = tl.load_images("styles", domain=domain)
    backbone = tl.load_backbone(NETWORK, image_size_px=image_size_px)
    own = backbone.recipe
    accuracies = {}
    for name, deviation in {"own": own.std, "plain": (1, 1, 1), "raw": (1 / 255,) * 3}.items():
        mean = own.mean if name == "own" else (0, 0, 0)
        backbone.recipe = dataclasses.replace(own, mean=mean, std=deviation)
        seeds = list(range(first_seed, first_seed + N_SEEDS))
        curve = tl.learning_curve(backbone, images, ["linear_probe"], shots, seeds, progress=False)
        accuracies[name] = curve.runs.sort_values("seed")["accuracy"].to_numpy()
    return {
        "raw_pixels_harm": accuracies["raw"] - accuracies["own"],
        "raw_pixels_harm_more_than_plain": accuracies["raw"] - accuracies["plain"],
    }
