"""Claims of lesson 10: heat maps against simple rivals, similarity of networks, calibration, and leaks."""

import functools

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

import tlkit as tl
from tlkit.claims import Claim, measurement

WHITE = 250  # photographs are cut out on white
N_SHUFFLES = 2
OTHER_STYLE = {"emoji": "twemoji", "twemoji": "emoji"}


@functools.cache
def load(domain):
    """Return the pictures of a domain, of the ten classes with most pictures."""
    return tl.load_images("styles", domain=domain).select(role="core")


@functools.cache
def train(image_size_px, fold):
    """Return a linear probe on photographs, and the test photographs of a fold."""
    learned, test = load("photo").split(test_fold=fold)
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    return tl.transfer(backbone, learned, "linear_probe", progress=False), test


def share_heat(maps, is_object, empty):
    """Return the share of each map's heat on the object; a map without heat is left out (NaN) or counts as even."""
    total = maps.sum(axis=(1, 2))
    instead = np.nan if empty == "left out" else is_object.mean(axis=(1, 2))
    return np.where(total > 0, (maps * is_object).sum(axis=(1, 2)) / np.maximum(total, 1e-9), instead)


def average_groups(differences, groups):
    """Return one mean difference per group of pictures, without NaN."""
    return pd.Series(differences).groupby(np.asarray(groups)).mean().dropna().to_numpy()


@measurement(
    choices={
        "fold": [0, 1, 2, 3, 4],
        "image_size_px": [128, 160],
        "first_shuffle": [0, 2, 4],
        "blob_width": [0.1, 0.15, 0.2],
        "empty": ["left out", "even"],
    },
    trained_beats_random_head=Claim(
        "At 128 and 160 pixels, Grad-CAM puts more of its heat on the object if the head is trained than if it is "
        "random.",
        "helps",
        effect="difference in the share of heat on the object",
        ignores=["blob_width"],
    ),
    random_head_matches_area=Claim(
        "With a random head, the share of Grad-CAM's heat on the object is within 0.1 of the object's share of the "
        "picture.",
        (-0.1, 0.1),
        effect="share of heat minus share of area",
        ignores=["blob_width"],
    ),
    blob_beats_trained=Claim(
        "A blob in the middle, with a standard deviation of at most a fifth of the side, has more heat on the object "
        "than the trained network's map.",
        "helps",
        effect="difference in the share of heat on the object",
        ignores=["first_shuffle"],
    ),
)
def put_heat(fold, image_size_px, first_shuffle, blob_width, empty):
    """Share of the heat on the object: trained network, random head, and a blob without a network."""
    run, test = train(image_size_px, fold)
    is_object = (tl.inspection.show_inputs(run, test) < WHITE).any(axis=3)
    method = {"Grad-CAM": tl.inspection.grad_cam}
    settings = {"depths": ["head"], "progress": False}
    shares = []
    for seed in range(first_shuffle, first_shuffle + N_SHUFFLES):
        maps = tl.inspection.study_heat_maps(run, test, method, seed=seed, **settings).maps["Grad-CAM"]
        shares.append([share_heat(of_depth, is_object, empty) for of_depth in maps])
    trained, random = pd.DataFrame(shares[0]).to_numpy()[0], pd.DataFrame([of_head for _, of_head in shares]).mean()
    places = (np.arange(image_size_px) + 0.5) / image_size_px - 0.5
    blob = np.exp(-(places**2 + places[:, None] ** 2) / (2 * blob_width**2))
    differences = {
        "trained_beats_random_head": trained - random.to_numpy(),
        "random_head_matches_area": random.to_numpy() - is_object.mean(axis=(1, 2)),
        "blob_beats_trained": share_heat(np.tile(blob, (len(test), 1, 1)), is_object, empty) - trained,
    }
    return {name: average_groups(values, test.groups) for name, values in differences.items()}


@measurement(
    choices={"fold": [0, 1, 2, 3, 4], "image_size_px": [64, 96], "n_steps": [8, 16], "shuffle": [0, 1, 2]},
    n_replications=10,
    drawing_survives=Claim(
        "Over the whole picture, integrated gradients of a fully random network correlate above 0.7 with those of the "
        "trained one.",
        (0.7, None),
        effect="rank correlation",
    ),
    attribution_changes=Claim(
        "Inside the object, integrated gradients of a fully random network correlate below 0.55 with those of the "
        "trained one.",
        (None, 0.55),
        effect="rank correlation",
    ),
)
def randomise(fold, image_size_px, n_steps, shuffle):
    """Rank correlation of integrated gradients, trained against fully random, over ten photographs."""
    run, test = train(image_size_px, fold)

    def attribute(run, pictures, label):
        settings = {"n_steps": n_steps, "baseline": (255, 255, 255)}
        return np.abs(tl.inspection.integrated_gradients(run, pictures, label=label, **settings))

    photos = pd.Series(range(len(test))).groupby(test.labels).first()
    settings = {"depths": ["stem"], "seed": shuffle, "progress": False}
    study = tl.inspection.study_heat_maps(run, test[photos.tolist()], {"attribution": attribute}, **settings)
    is_object = (study.inputs < WHITE).any(axis=3)
    pairs = list(zip(*study.maps["attribution"], is_object, strict=True))
    return {
        "drawing_survives": np.array([spearmanr(a, b, axis=None)[0] for a, b, _ in pairs]),
        "attribution_changes": np.array([spearmanr(a[inside], b[inside])[0] for a, b, inside in pairs]),
    }


@measurement(
    choices={
        "image_size_px": [64, 96],
        "network_seed": [0, 1, 2, 3],
        "domain": ["photo", "clipart", "sketch"],
        "n_pictures": [60, 120],
    },
    n_replications=10,
    stem_is_alike=Claim(
        "After the stem, a pretrained and a random network have a debiased CKA above 0.7.", (0.7, None), effect="CKA"
    ),
    last_stage_differs=Claim(
        "After the last stage, a pretrained and a random network have a debiased CKA below 0.5.",
        (None, 0.5),
        effect="CKA",
    ),
)
def align_networks(image_size_px, network_seed, domain, n_pictures):
    """CKA of a pretrained and a random network on the same pictures."""
    pictures = load(domain)
    chosen = np.random.default_rng(network_seed).permutation(len(pictures))[:n_pictures]
    pretrained = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    random = tl.load_backbone("efficientnet_lite0", None, image_size_px, seed=network_seed)
    table = tl.inspection.compare_stages(pretrained, random, pictures[np.sort(chosen)], n_permutations=0)
    return {"stem_is_alike": table["cka"].iloc[0], "last_stage_differs": table["cka"].iloc[-1]}


@measurement(
    choices={
        "image_size_px": [64, 96],
        "held_out": [1, 2, 3, 4],
        "split_seed": [0, 1, 2],
    },
    n_replications=10,
    head_is_overconfident=Claim(
        "A logistic head on clip-art is more confident than accurate on new clip-art.",
        "helps",
        effect="confidence minus accuracy",
    ),
    temperature_closes_the_gap=Claim(
        "After temperature scaling on held-out clip-art, confidence on new clip-art is within 0.07 of accuracy.",
        (-0.07, 0.07),
        effect="confidence minus accuracy",
    ),
    sketches_stay_overconfident=Claim(
        "After this scaling, the head is still more confident than accurate on sketches.",
        "helps",
        effect="confidence minus accuracy",
    ),
)
def scale_temperature(image_size_px, held_out, split_seed):
    """Confidence against accuracy of a logistic head on clip-art, before and after temperature scaling."""
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    drawings = {domain: tl.load_images("styles", domain=domain) for domain in ("clipart", "sketch")}
    clipart, sketch = (tl.extract_features(backbone, images, progress=False) for images in drawings.values())
    splits = [drawings["clipart"].split(test_fold=fold, seed=split_seed)[1] for fold in range(5)]
    parts = [np.isin(clipart.names, part.names) for part in splits]
    gaps, gaps_after, gaps_of_sketches = [], [], []
    for fold, tested in enumerate(parts):
        held = parts[(fold + held_out) % 5]
        head, test = tl.fit_head(clipart[~tested & ~held]), clipart[tested]
        temperature = tl.evaluation.fit_temperature(head.predict(clipart.values[held]), clipart.labels[held])
        before = head.predict(test.values)
        after, of_sketches = (
            tl.evaluation.apply_temperature(part, temperature) for part in (before, head.predict(sketch.values))
        )
        gaps.append(average_groups(measure_gap(before, test.labels), test.groups))
        gaps_after.append(average_groups(measure_gap(after, test.labels), test.groups))
        gaps_of_sketches.append(measure_gap(of_sketches, sketch.labels))
    return {
        "head_is_overconfident": np.concatenate(gaps),
        "temperature_closes_the_gap": np.concatenate(gaps_after),
        "sketches_stay_overconfident": average_groups(np.mean(gaps_of_sketches, axis=0), sketch.groups),
    }


def measure_gap(probabilities, labels):
    """Return the confidence of each prediction minus whether it is right."""
    return probabilities.max(axis=1) - (probabilities.argmax(axis=1) == labels)


@measurement(
    choices={
        "learned": list(OTHER_STYLE),
        "image_size_px": [64, 96, 128],
        "kind": ["logistic", "ridge"],
    },
    leak_inflates=Claim("Concepts shared by two styles of emoji inflate the accuracy from one to the other.", "helps"),
)
def leak_concepts(learned, image_size_px, kind):
    """Accuracy learned with the test set's concepts minus without."""
    images, other = load(learned), load(OTHER_STYLE[learned])
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    parts = [other.split(test_fold=fold)[1] for fold in range(5)]
    costs = [tl.inspection.measure_leak(backbone, images, part, kind=kind, seeds=3) for part in parts]
    gains = [(cost.right_with.astype(float) - cost.right_without).mean(axis=0) for cost in costs]
    return {"leak_inflates": average_groups(np.concatenate(gains), np.concatenate([part.groups for part in parts]))}


@measurement(
    choices={"learned": list(OTHER_STYLE), "image_size_px": [64, 96], "fold": [0, 1, 2, 3, 4]},
    maps_hide_the_leak=Claim(
        "Grad-CAM puts the same share of its heat on the object with and without this leak, within 0.02.",
        "no difference that matters",
        effect="difference in the share of heat on the object",
    ),
)
def compare_maps(learned, image_size_px, fold):
    """Heat on the object, learned with the test set's concepts minus without."""
    images, (_, test) = load(learned), load(OTHER_STYLE[learned]).split(test_fold=fold)
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px)
    is_object = (tl.inspection.show_inputs(backbone, test) < WHITE).any(axis=3)
    kept = ~tl.inspection.find_leaks(images, test).in_train
    runs = [tl.transfer(backbone, part, "linear_probe", progress=False) for part in (images, images[kept])]
    labels = runs[0].predict(test).argmax(axis=1)
    maps = [tl.inspection.grad_cam(run, test, label=labels) for run in runs]
    with_leak, without = (share_heat(of_run, is_object, "left out") for of_run in maps)
    return {"maps_hide_the_leak": average_groups(with_leak - without, test.groups)}
