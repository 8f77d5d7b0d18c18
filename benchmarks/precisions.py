"""Does precision="fast" cost accuracy? The pictures that a probe gets right on one precision only, over all five folds.

On a processor without units for bf16 and on pictures that are no JPEG the two are the same. Prints a table.
"""

import argparse
import os
import tempfile

import numpy as np
from machine import describe_machine, offers_bf16


def main():
    """Fit a logistic head on the features of each precision, on the same folds, and count discordant pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--jpeg", action="store_true", help="the bundled pictures enlarged to JPEG files of 500 pixels")
    arguments = parser.parse_args()
    print(describe_machine(), "" if offers_bf16() else "; no units for bf16: fast computes in float32 too", sep="")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLKIT_CACHE_DIR"] = os.path.join(folder, "cache")
        import tlkit as tl

        images = tl.load_images("styles")
        if arguments.jpeg:
            images = enlarge(images, folder)
        right, values = {}, {}
        for precision in ("exact", "fast"):
            features = tl.extract_features(arguments.backbone, images, precision=precision, progress=False)
            right[precision], values[precision] = judge(features, images), features.values
    exact, fast = values["exact"].astype(np.float64), values["fast"].astype(np.float64)
    cosines = (exact * fast).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(fast, axis=1)
    difference = np.abs(fast - exact).max() / np.abs(exact).max()
    won, lost = (right["fast"] & ~right["exact"]).sum(), (right["exact"] & ~right["fast"]).sum()
    print(f"{len(images)} pictures; accuracy exact {right['exact'].mean():.4f}, fast {right['fast'].mean():.4f}")
    print(f"discordant: fast won {won}, lost {lost}")
    print(f"largest difference / largest feature {difference:.1e}, smallest cosine {cosines.min():.5f}")


def judge(features, images):
    """Return for each picture whether a head fitted on the four other folds gets it right, (n,) bool."""
    import tlkit as tl

    right, places = np.zeros(len(images), bool), {name: place for place, name in enumerate(images.names)}
    for fold in range(5):
        sides = [[places[name] for name in side.names] for side in images.split(test_fold=fold)]
        learned, tested = (features[side] for side in sides)
        right[sides[1]] = tl.fit_head(learned).predict(tested.values).argmax(axis=1) == tested.labels
    return right


def enlarge(images, folder):
    """Return the same pictures as JPEG files whose longer side has 500 pixels; labels, groups and folds stay."""
    import dataclasses
    from pathlib import Path

    from PIL import ImageOps

    from tlkit.images.stored import PictureFile

    made = []
    for index in range(len(images)):
        path = Path(folder) / f"{index:05}.jpg"
        ImageOps.contain(images.read(index), (500, 500)).save(path, quality=90)
        made.append(PictureFile(path))
    return dataclasses.replace(images, pictures=made)


if __name__ == "__main__":
    main()
