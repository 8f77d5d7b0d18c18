"""Loading a set of many classes: seconds beyond a bare listing, bytes per picture, and what is done with it then.

The pictures are tiny files with different content in a temporary folder.
"""

import argparse
import gc
import os
import tempfile
import time
import tracemalloc
import warnings
from pathlib import Path

from machine import describe_machine
from PIL import Image

import tlkit as tl


def main():
    """Make the pictures, load them twice (for time and for memory), and time draws, splits and selections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-classes", type=int, default=1_000)
    parser.add_argument("--n-per-class", type=int, default=100)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), arguments.n_classes, arguments.n_per_class)
        listing_s, n_files = measure(lambda: sum(len(names) for _, _, names in os.walk(folder)))
        loading_s, images = measure(lambda: tl.load_images(folder))
        print(f"{n_files:,} pictures: bare listing {listing_s:.1f} s, load_images {loading_s:.1f} s")
        actions = {
            "few(5)": lambda: images.few(5),
            "split()": lambda: images.split(),
            "select(one class)": lambda: images.select(classes=images.classes[0]),
            "every second picture": lambda: images[::2],
        }
        for name, action in actions.items():
            print(f"{name:20} {measure(action)[0]:.2f} s")
        del images
        gc.collect()
        tracemalloc.start()
        images = tl.load_images(folder)
        gc.collect()
        print(f"{tracemalloc.get_traced_memory()[0] / len(images):.0f} bytes per picture")


def measure(action):
    """Return (seconds, result) of a call."""
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def write_pictures(folder, n_classes, n_per_class):
    """Write tiny pictures, the colours of which hold their number, into class folders."""
    for number in range(n_classes * n_per_class):
        path = folder / f"class_{number // n_per_class:04}" / f"{number:06}.bmp"
        path.parent.mkdir(exist_ok=True)
        Image.frombytes("RGB", (2, 1), number.to_bytes(6, "big")).save(path)


if __name__ == "__main__":
    main()
