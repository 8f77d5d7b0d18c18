"""Every kind of head on the same frozen features: accuracy, cross-entropy and time to fit, by shots. Prints a table."""

import argparse
import time
import warnings

import numpy as np

import tlkit as tl
from tlkit.features.features import Features

ARMS = {
    "logistic": {},
    "logistic, cross-validated": {"l2_penalty": "cross-validated"},
    "ridge": {},
    "ridge, leave-one-out": {"l2_penalty": "leave-one-out"},
    "knn": {},
    "prototype": {},
    "cosine": {},
    "mlp": {},
    "conv": {},
}


def main():
    """Fit every kind on the same draws of clip-art and score it on the same test folds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-size", type=int, default=128, help="height and width in pixels")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 5, 20], help="training pictures per class")
    parser.add_argument("--seeds", type=int, default=5, help="draws, each with its own test fold")
    arguments = parser.parse_args()
    images = tl.load_images("styles", domain="clipart")
    backbone = tl.load_backbone("efficientnet_lite0", image_size_px=arguments.image_size)
    pooled = tl.extract_features(backbone, images, progress=False)
    maps = compute_maps(backbone, images)
    for shots in arguments.shots:
        print(f"{f'{shots} shots':26} accuracy  cross-entropy  fit (s)")
        results = {arm: [] for arm in ARMS}
        for seed in range(arguments.seeds):
            train, test = images.split(test_fold=seed % 5)
            sides = [np.isin(images.names, side.names) for side in (train.few(shots, seed=seed), test)]
            for arm, settings in ARMS.items():
                kind = arm.partition(",")[0]
                learned, tested = ((maps if kind == "conv" else pooled)[side] for side in sides)
                start = time.perf_counter()
                head = tl.fit_head(learned, kind, seed=seed, **settings)
                duration_s = time.perf_counter() - start
                right = head.predict(tested.values)[np.arange(len(tested)), tested.labels]
                cross_entropy = -np.mean(np.log(np.maximum(right, 1e-3)))  # a vote may be 0
                results[arm].append((head.score(tested), cross_entropy, duration_s))
        for arm, rows in results.items():
            accuracy, cross_entropy, duration_s = np.mean(rows, axis=0)
            print(f"{arm:26} {accuracy:8.3f}  {cross_entropy:13.2f}  {duration_s:7.3f}", flush=True)


def compute_maps(backbone, images, batch_size=32):
    """Return the last stage's feature maps as Features."""
    import torch

    until_maps = backbone.until(backbone.stages[-1]).eval()
    values = []
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            numbers = range(start, min(start + batch_size, len(images)))
            batch = np.stack([backbone.preprocess(images.read(number)) for number in numbers])
            values.append(until_maps(torch.from_numpy(batch)).numpy())
    made = {"backbone": backbone.name, "engine": "torch"}
    return Features(np.concatenate(values), images.labels, images.classes, images.names, images.groups, made)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="(shots|l2_penalty): ")
    main()
