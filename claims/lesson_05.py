"""Claims of lesson 05: when tuning wins, and moving norm statistics."""

import warnings

import numpy as np

import tlkit as tl
from tlkit.claims import Claim, measurement

_SOLVE = tl.Phase(["head"], None)


@measurement(
    choices={
        "image_size_px": [96, 128],
        "learning_rate": [2e-4, 4e-4],
        "n_epochs": [4, 6],
        "first_seed": [0, 5],
    },
    n_replications=10,
    tuning_wins_with_all_pictures=Claim(
        "With all clip-art pictures, solving the head and then tuning the last two stages beats the linear probe.",
        "helps",
    ),
    tuning_five_is_open=Claim(
        "With five clip-art pictures per class, five folds can't tell whether the same tuning helps or harms.",
        "can't tell",
    ),
    gain_grows_with_pictures=Claim(
        "The same tuning gains more over the linear probe with all clip-art pictures than with five per class.",
        "helps",
        effect="gain with all pictures minus gain with five",
    ),
    tuning_pays_before_all=Claim(
        "The gain of the same tuning turns positive before all clip-art pictures are used, on average 36 per class.",
        (None, 36.0),
        effect="pictures per class from which tuning pays",
    ),
)
def tune_last_stages(image_size_px, learning_rate, n_epochs, first_seed):
    """Gains over the linear probe by number of pictures, one per fold."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    tune = tl.Strategy([_SOLVE, tl.Phase([-2, -1, "head"], n_epochs, learning_rate)], name="tune")
    images = tl.load_images("styles", domain="clipart")
    seeds = list(range(first_seed, first_seed + 5))
    settings = {"shots": [5, 10, "all"], "seeds": seeds, "progress": False}
    runs = tl.learning_curve(backbone, images, ["linear_probe", tune], **settings).runs
    accuracy = runs.pivot(index="seed", columns=["shots", "strategy"], values="accuracy")
    gains = accuracy.xs("tune", axis=1, level=1) - accuracy.xs("linear_probe", axis=1, level=1)
    few, middle, most = gains.to_numpy().T
    per_class = runs.groupby("shots")["n_train"].mean().to_numpy() / len(images.classes)
    return {
        "tuning_wins_with_all_pictures": most,
        "tuning_five_is_open": few,
        "gain_grows_with_pictures": most - few,
        "tuning_pays_before_all": find_crossing(per_class, np.stack([few, middle, most])),
    }


def find_crossing(per_class, gains):
    """Return the pictures per class at which the mean gain turns positive, with its 95 % interval."""
    # Each fold's gain is a line over the logarithm of the number. The interval contains all numbers between the
    # fewest and the most at which the folds' interval of the gain contains zero.
    lines = np.polynomial.polynomial.polyfit(np.log(per_class), gains, 1)
    places = np.geomspace(per_class[0], per_class[-1], 200)
    by_fold = np.polynomial.polynomial.polyval(np.log(places), lines)
    mean = by_fold.mean(axis=0)
    half_width = 2.776 * by_fold.std(axis=0, ddof=1) / np.sqrt(len(by_fold))  # Student's t of 4 degrees of freedom
    unclear = places[abs(mean) <= half_width]
    crossing = places[mean > 0][0] if mean[-1] > 0 else places[-1]
    low, high = (unclear[0], unclear[-1]) if len(unclear) else (crossing, crossing)
    return crossing, min(low, crossing), max(high, crossing)


@measurement(
    choices={
        "n_stages": [4, 9],
        "learning_rate": [2e-4, 5e-4],
        "domain": ["clipart", "sketch"],
        "first_seed": [0, 5],
    },
    n_replications=10,
    moving_norms_harm=Claim(
        "With five drawings per class and batches of eight, norm statistics that move cost accuracy after a probe.",
        "harms",
    ),
    moving_norms_harm_features=Claim(
        "There they also leave worse features: a new head on them is less accurate than the linear probe.",
        "harms",
    ),
)
def move_norm_statistics(n_stages, learning_rate, domain, first_seed):
    """Accuracy with moving minus frozen norm statistics, one difference per fold."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=64)
    images = tl.load_images("styles", domain=domain)
    harms, of_features = [], []
    for seed in range(first_seed, first_seed + 5):
        train, test = images.split(test_fold=seed % 5)
        with warnings.catch_warnings(action="ignore"):  # small classes give all they have
            few = train.few(5, seed=seed)
        own, new = {}, {}
        for norms in ("frozen", "moving"):
            phase = tl.Phase([*range(-n_stages, 0), "head"], 2, learning_rate, norm_statistics=norms)
            run = tl.transfer(backbone, few, tl.Strategy([_SOLVE, phase], name=norms), seed=seed, progress=False)
            own[norms] = run.evaluate(test).accuracy
            if norms == "moving":
                extract = {"engine": "torch", "cache": False, "progress": False}
                learned, tested = (tl.extract_features(run.backbone, part, **extract) for part in (few, test))
                new = tl.fit_head(learned).score(tested)
        probe = tl.transfer(backbone, few, "linear_probe", seed=seed, progress=False).evaluate(test).accuracy
        harms.append(own["moving"] - own["frozen"])
        of_features.append(new - probe)
    return {"moving_norms_harm": np.array(harms), "moving_norms_harm_features": np.array(of_features)}
