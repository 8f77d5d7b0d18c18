"""Claims of lesson 04: where to cut a frozen network, and which head to put on top."""

import functools
import time
import warnings

import numpy as np

import tlkit as tl
from tlkit.claims import Claim, measurement

DOMAINS = ("photo", "clipart", "sketch")
N_SEEDS = 10  # each fifth of the pictures is tested twice
HEADS = {"logistic": {}, "ridge": {"l2_penalty": "leave-one-out"}}


@functools.cache
def load(image_size_px):
    """Return EfficientNet-Lite0 and the pictures of each domain."""
    images = {domain: tl.load_images("styles", domain=domain) for domain in DOMAINS}
    return tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px), images


def compare(image_size_px, domain, arms, shots, first_seed):
    """Return the learning curve of some arms at one number of shots."""
    backbone, images = load(image_size_px)
    seeds = list(range(first_seed, first_seed + N_SEEDS))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="shots: ")  # small classes give all they have
        return tl.learning_curve(backbone, images[domain], arms, shots, seeds, progress=False)


def find_gain(curve, strategy, baseline):
    """Return (gain, low, high) of one arm over another."""
    row = curve.differences.set_index(["strategy", "baseline"]).loc[(strategy, baseline)]
    return tuple(row[["gain", "gain_low", "gain_high"]])


def find_gains(curve, strategy, baseline):
    """Return the gain of one arm over another per test fold, a mean over the seeds that share it."""
    accuracy = curve.runs.pivot_table(index="fold", columns="strategy", values="accuracy")
    return (accuracy[strategy] - accuracy[baseline]).to_numpy()


@measurement(
    choices={"first_seed": [0, 10, 20], "image_size_px": [64, 96], "shots": [10, 20], "head": list(HEADS)},
    photo_needs_depth=Claim("On photographs, cutting after stage4 is worse than the whole network.", "harms"),
    clipart_needs_depth=Claim("On clip-art, cutting after stage4 is worse than the whole network.", "harms"),
    cut_depends_on_domain=Claim(
        "Cutting after stage5 costs more accuracy on photographs than on sketches.",
        "helps",
        effect="gain on sketches minus gain on photographs",
    ),
    stage6_on_sketches=Claim(
        "On sketches, cutting after stage6 loses at most 0.03 against the whole network.", (-0.03, None)
    ),
)
def cut_early(first_seed, image_size_px, shots, head):
    """Gain of an earlier cut over the whole network."""
    arms = [
        tl.Probe(head, stage=stage, name=stage or "whole", **HEADS[head])
        for stage in (None, "stage4", "stage5", "stage6")
    ]
    curves = {domain: compare(image_size_px, domain, arms, shots, first_seed) for domain in DOMAINS}
    photo, sketch = (find_gains(curves[domain], "stage5", "whole") for domain in ("photo", "sketch"))
    return {
        "photo_needs_depth": find_gain(curves["photo"], "stage4", "whole"),
        "clipart_needs_depth": find_gain(curves["clipart"], "stage4", "whole"),
        "cut_depends_on_domain": sketch - photo,
        "stage6_on_sketches": find_gain(curves["sketch"], "stage6", "whole"),
    }


@measurement(
    choices={"first_seed": [0, 10, 20], "image_size_px": [64, 96], "shots": [10, 20], "stage": ["stage5", "stage6"]},
    penalty_needs_tuning=Claim(
        "On sketches, ridge with a tuned penalty beats ridge with penalty 10 after stage5 and stage6.", "helps"
    ),
    prototypes_stay_behind=Claim(
        "On sketches, class means are worse than logistic regression after stage5 and stage6.", "harms"
    ),
)
def choose_head(first_seed, image_size_px, shots, stage):
    """Gain of one head over another at the same cut."""
    tuned = {"l2_penalty": "leave-one-out"}
    arms = [tl.Probe(kind, stage=stage, name=kind) for kind in ("logistic", "ridge", "prototype")]
    arms.append(tl.Probe("ridge", stage=stage, name="tuned", **tuned))
    curve = compare(image_size_px, "sketch", arms, shots, first_seed)
    return {
        "penalty_needs_tuning": find_gain(curve, "tuned", "ridge"),
        "prototypes_stay_behind": find_gain(curve, "prototype", "logistic"),
    }


@measurement(
    choices={"first_seed": [0, 10, 20], "image_size_px": [64, 96], "shots": [10, 20], "head": list(HEADS)},
    learned_beats_hand_made=Claim("On photographs, frozen features beat hand-made features.", "helps"),
    sketches_gain_less=Claim(
        "Frozen features gain more over hand-made features on photographs than on sketches.",
        "helps",
        effect="gain on photographs minus gain on sketches",
    ),
)
def beat_hand_made(first_seed, image_size_px, shots, head):
    """Gain of frozen features over histograms of gradients and colours."""
    arms = ["hand_made", tl.Probe(head, name="frozen", **HEADS[head])]
    photo, sketch = (compare(image_size_px, domain, arms, shots, first_seed) for domain in ("photo", "sketch"))
    return {
        "learned_beats_hand_made": find_gain(photo, "frozen", "hand_made"),
        "sketches_gain_less": find_gains(photo, "frozen", "hand_made") - find_gains(sketch, "frozen", "hand_made"),
    }


@measurement(
    choices={"image_size_px": [64, 96], "domain": list(DOMAINS), "n_batches": [3, 5, 8], "n_pictures": [40, 60]},
    n_replications=10,
    features_once_save_time=Claim(
        "Twenty epochs that send the pictures through the frozen network take more than 3 times as long as features "
        "and head computed once.",
        (3, None),
        effect="time ratio",
    ),
)
def repeat_epochs(image_size_px, domain, n_batches, n_pictures):
    """Duration of twenty epochs of a training loop over that of features and head once."""
    import torch

    backbone, images = load(image_size_px)
    pictures = images[domain][np.linspace(0, len(images[domain]) - 1, n_pictures).astype(int)]
    tl.extract_features(backbone, pictures[:1], cache=False, progress=False)  # converts the network
    network = tl.freeze(tl.load_backbone("efficientnet_lite0", image_size_px=image_size_px))
    head, start = torch.nn.Linear(network.n_features, len(pictures.classes)), time.perf_counter()
    optimizer = torch.optim.Adam(head.parameters())
    for rows in np.array_split(np.random.default_rng(0).permutation(n_pictures), n_batches):
        batch = torch.from_numpy(np.stack([network.preprocess(pictures.read(row)) for row in rows]))
        loss = torch.nn.functional.cross_entropy(head(network(batch)), torch.from_numpy(pictures.labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    epoch_s, start = time.perf_counter() - start, time.perf_counter()
    tl.fit_head(tl.extract_features(backbone, pictures, cache=False, progress=False))
    return {"features_once_save_time": 20 * epoch_s / (time.perf_counter() - start)}
