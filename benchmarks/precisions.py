"""Does precision="fast" cost accuracy? Counts pictures that a probe predicts correctly with only one precision.

All five folds are tested. Without units for bf16 and JPEG files the two precisions are the same. Prints a table.
"""

import argparse
import dataclasses
import os
import tempfile
from pathlib import Path

import numpy as np
from machine import describe_machine, offers_bf16
from made_pictures import write_enlarged

from tlkit.images.files import PictureFile


def main():
    """Fit a logistic head on the features of each precision, on the same folds, and count discordant pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--jpeg", type=int, metavar="PIXELS", help="enlarge to JPEG files with this shorter side")
    arguments = parser.parse_args()
    print(describe_machine(), "" if offers_bf16() else "; no units for bf16: fast computes in float32 too", sep="")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLKIT_CACHE_DIR"] = os.path.join(folder, "cache")
        import tlkit as tl

        images = tl.load_images("styles")
        if arguments.jpeg:
            images = enlarge(images, Path(folder) / "jpegs", arguments.jpeg)
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
    """Return whether a head fitted on the four other folds predicts each picture correctly, (n,) bool."""
    import tlkit as tl

    right, places = np.zeros(len(images), bool), {name: place for place, name in enumerate(images.names)}
    for fold in range(5):
        sides = [[places[name] for name in side.names] for side in images.split(test_fold=fold)]
        learned, tested = (features[side] for side in sides)
        right[sides[1]] = tl.fit_head(learned).predict(tested.values).argmax(axis=1) == tested.labels
    return right


def enlarge(images, folder, short_side_px):
    """Return the same pictures as JPEG files, enlarged; labels, groups and folds stay."""
    write_enlarged(folder, images, short_side_px)
    paths = [folder / images.classes[label] / f"{index:04d}.jpg" for index, label in enumerate(images.labels)]
    return dataclasses.replace(images, pictures=[PictureFile(path) for path in paths])


if __name__ == "__main__":
    main()
