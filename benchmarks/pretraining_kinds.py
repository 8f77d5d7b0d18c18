"""General, domain- and task-specific pretraining, crossed with digits, clip-art, photographs and sketches.

A head is fitted on frozen features of each network. Each row is written as soon as its features are scored, and rows
that are there are not repeated. Prints the tables; with --report also writes Markdown. The weights have to be fetched
before: `tlkit backbones fetch ppocr_rec open_nsfw`.
"""

import argparse
import platform
from pathlib import Path

import numpy as np
from machine import describe_machine
from rows import append_row, read_rows, write_cell
from small_task import load_digits

COLUMNS = ("network", "image_size_px", "pictures", "shots", "seed", "accuracy", "n_train", "n_test", "processor")
# Network and size. A network's first size is that of its training; each network is also tried at the size of another.
ARMS = (
    *(("ppocr_rec", 48), ("ppocr_rec", 96), ("open_nsfw", 224), ("open_nsfw", 96), ("efficientnet_lite0", 224)),
    *(("efficientnet_lite0", 96), ("random efficientnet_lite0", 96), ("raw pixels", 16)),
)
BASELINE = ("efficientnet_lite0", 224)
SETS = ("digits, blocky", "digits, smooth", "clipart", "photo", "sketch")
SHOTS = (1, 5, 20)
N_SEEDS = 5


def main():
    """Make the missing rows, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--report", type=Path, help="a Markdown file")
    arguments = parser.parse_args()
    done = {(row["network"], int(row["image_size_px"]), row["pictures"]) for row in read_rows(arguments.rows)}
    for pictures in SETS:
        images = load_pictures(pictures)
        for network, size in ARMS:
            if (network, size, pictures) not in done:
                for row in list(score(network, size, images)):  # written together
                    row |= {"network": network, "image_size_px": size, "pictures": pictures}
                    append_row(arguments.rows, row | {"processor": describe_machine()}, COLUMNS)
                print(f"{pictures}: {network}, {size} px", flush=True)
    report = write_report(read_rows(arguments.rows))
    print(report)
    if arguments.report:
        arguments.report.write_text(report, encoding="utf-8")


def load_pictures(name):
    """Return the `ImageSet` of a name in SETS."""
    import tlkit as tl

    if name.startswith("digits"):
        return load_digits(smooth=name.endswith("smooth"))
    return tl.load_images("styles", domain=name)


def score(network, size_px, images):
    """Yield a row (dict) for each number of shots and seed, which draws test fold, shots, and random weights."""
    import tlkit as tl

    features = None
    for seed in range(N_SEEDS):
        if features is None or network.startswith("random"):
            features = extract(network, size_px, images, seed)
        train, test = images.split(test_fold=seed)
        places = {name: row for row, name in enumerate(features.names)}
        tested = features[[places[name] for name in test.names]]
        for shots in SHOTS:
            few = train.few(shots, seed=seed)
            head = tl.fit_head(features[[places[name] for name in few.names]])
            accuracy = np.mean(head.predict(tested.values).argmax(1) == tested.labels)
            yield {"shots": shots, "seed": seed, "accuracy": accuracy, "n_train": len(few), "n_test": len(test)}


def extract(network, size_px, images, seed):
    """Return the `Features` of all pictures by a network, one with random weights, or the pixels themselves."""
    import tlkit as tl

    if network == "raw pixels":
        squares = [picture.convert("RGB").resize((size_px, size_px), 3) for picture, _ in images]  # 3 is bicubic
        values = np.stack([np.asarray(square, np.float32).reshape(-1) / 255 for square in squares])
        return tl.Features(values, images.labels, images.classes, images.names, images.groups, {"backbone": network})
    name = network.removeprefix("random ")
    settings = {"image_size_px": size_px, "seed": seed}
    backbone = tl.load_backbone(name, weights="pretrained" if name == network else None, **settings)
    return tl.extract_features(backbone, images, progress=False)


def write_report(rows):
    """Return the report as Markdown: accuracies, and gains over the baseline of the same seeds, with intervals."""
    from tlkit.evaluation.intervals import t_interval

    scores = {}
    for row in rows:
        arm = row["network"], int(row["image_size_px"])
        scores.setdefault((arm, row["pictures"], int(row["shots"])), {})[int(row["seed"])] = float(row["accuracy"])
    # A gain is paired: the arms of a seed share test fold and shots.
    gains = {
        key: {seed: value - scores[BASELINE, *key[1:]][seed] for seed, value in cells.items()}
        for key, cells in scores.items()
        if key[0] != BASELINE and (BASELINE, *key[1:]) in scores
    }
    processors = " and ".join(sorted({row["processor"] for row in rows}))
    lines = [
        *("# Kinds of pretraining", ""),
        "A logistic head on frozen features. Each cell is the share of correct test pictures with 1, 5 and 20 training "
        f"pictures per class: the mean over {N_SEEDS} seeds ± half the 95 % interval (Student's t). A seed draws test "
        "fold, shots and random weights. The sets differ in their numbers of classes, so compare within a column.",
        "",
        f"Made by `benchmarks/pretraining_kinds.py` on {processors}, Python {platform.python_version()}.",
    ]
    titles = ("Accuracy", f"Gain over {BASELINE[0]} at {BASELINE[1]} px on the same seeds")
    for title, cells in zip(titles, (scores, gains), strict=True):
        lines += ["", f"## {title}", "", f"| network | {' | '.join(SETS)} |", "|---" * (1 + len(SETS)) + "|"]
        for arm in dict.fromkeys(key[0] for key in cells):
            columns = [
                " / ".join(write_cell(cells.get((arm, pictures, shots), {}), t_interval) for shots in SHOTS)
                for pictures in SETS
            ]
            lines.append(f"| {arm[0]}, {arm[1]} px | {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
