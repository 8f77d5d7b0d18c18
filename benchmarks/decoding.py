"""From JPEG files to the network's input: the tutorial's chain against tlkit's exact and fast decoding."""

import argparse
import concurrent.futures
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import describe_machine, use_cores
from made_pictures import MEDIUM_PX, PHONE_PX, write_enlarged, write_jpegs


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, help="processor cores, by default all")
    parser.add_argument("--medium", type=int, default=2000, help="JPEGs of 500 × 375")
    parser.add_argument("--phone", type=int, default=48, help="JPEGs of 2000 × 1500")
    parser.add_argument("--shots", type=int, default=10, help="bundled pictures per class for the probe")
    parser.add_argument("--repeats", type=int, default=3, help="repetitions of each way in turn; the best counts")
    options = parser.parse_args()
    use_cores(options.cores)
    n_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    print(f"{describe_machine()}; {n_threads} threads decode in every way")
    with tempfile.TemporaryDirectory() as folder:
        for kind, n_pictures, size_px in (
            ("medium", options.medium, MEDIUM_PX),
            ("phone", options.phone, PHONE_PX),
        ):
            compare_speed(write_jpegs(Path(folder, kind), n_pictures, size_px), size_px, n_threads, options.repeats)
        for short_side_px in (500, 1500):
            compare_probes(Path(folder, f"enlarged{short_side_px}"), options.shots, short_side_px)


def make_chain():
    """Return the preprocessing of PyTorch's transfer-learning tutorial: a callable from a path to a float tensor."""
    from PIL import Image
    from torchvision import transforms

    steps = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    return lambda path: steps(Image.open(path).convert("RGB"))


def compare_speed(paths, size_px, n_threads, n_repeats):
    """Print the pictures per second of each way, its ratio to the chain, and the distance of fast from exact pixels."""
    import torch

    from tlkit.backbones.recipe import Recipe
    from tlkit.features.crops import read_crops
    from tlkit.images.inputs import gather_pictures

    torch.set_num_threads(1)  # the pool provides the threads of the chain
    chain, images, indices = make_chain(), gather_pictures(paths), range(len(paths))
    recipe = Recipe(256, 224, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

    def run_chain():
        with concurrent.futures.ThreadPoolExecutor(n_threads) as pool:
            for start in range(0, len(paths), 64):  # as many at once as tlkit keeps
                for _ in pool.map(chain, paths[start : start + 64]):
                    pass

    def run(precision):
        for _ in read_crops(images, indices, recipe, precision, n_threads):
            pass

    ways = {"tutorial": run_chain, "exact": lambda: run("exact"), "fast": lambda: run("fast")}
    seconds = {way: [] for way in ways}
    for _ in range(n_repeats):
        for way, work in ways.items():
            started_s = time.perf_counter()
            work()
            seconds[way].append(time.perf_counter() - started_s)
    print(f"\n{len(paths)} JPEGs of {size_px[0]} × {size_px[1]}")
    for way, times_s in seconds.items():
        rate = len(paths) / min(times_s)
        print(f"  {way:9s} {rate:8.0f} pictures/s, {min(seconds['tutorial']) / min(times_s):5.2f} times the chain")
    some = range(min(48, len(paths)))
    pairs = zip(read_crops(images, some, recipe), read_crops(images, some, recipe, "fast"), strict=True)
    differences = [np.abs(exact.astype(float) - fast).mean() for exact, fast in pairs]
    print(f"  fast from exact, mean levels of 255: {np.mean(differences):.2f}, worst picture {max(differences):.2f}")


def compare_probes(folder, shots, short_side_px):
    """Print the accuracy of a logistic head on features of enlarged bundled pictures, exact and decoded fast."""
    from sklearn.linear_model import LogisticRegression

    import tlkit as tl
    from tlkit.features.crops import read_crops
    from tlkit.features.engines import choose_engine, open_engine, run_in_batches
    from tlkit.features.frozen_network import FrozenNetwork

    drawn = tl.load_images("styles", domain="clipart").few(shots)
    is_test = np.zeros(len(drawn), bool)
    is_test[::2] = True
    images = tl.load_images(write_enlarged(folder, drawn, short_side_px))
    network = FrozenNetwork.named("efficientnet_lite0")
    correct = {}
    for precision in ("exact", "fast"):
        # Both use the same float32 engine, so only the decoding differs.
        engine = open_engine(choose_engine("auto"), network, network.output(None, True), "exact")
        squares = read_crops(images, range(len(images)), network.recipe, precision)
        values = np.concatenate([np.array(batch) for batch in run_in_batches(engine, squares)])
        head = LogisticRegression(max_iter=1000).fit(values[~is_test], images.labels[~is_test])
        correct[precision] = head.predict(values[is_test]) == images.labels[is_test]
    won = int((correct["fast"] & ~correct["exact"]).sum())
    lost = int((correct["exact"] & ~correct["fast"]).sum())
    print(
        f"\nLite0 and a logistic head on {len(images)} bundled pictures enlarged to {short_side_px} px: "
        f"exact {correct['exact'].mean():.3f}, decoded fast {correct['fast'].mean():.3f} ({won} won, {lost} lost)"
    )


if __name__ == "__main__":
    main()
