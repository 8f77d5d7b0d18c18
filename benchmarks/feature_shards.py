"""Features of many pictures through a local cluster, a probe on them, and a second call. Prints times and memory.

The pictures are links to the bundled ones, 4,000 in each folder, which is a shard.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from machine import describe_machine

import tlkit as tl

N_PER_SHARD = 4_000


def main():
    """Make the links, extract twice with new workers, and fit a probe on one tenth of the features."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-pictures", type=int, default=100_000)
    parser.add_argument("--image-size", type=int, default=64, help="height and width in pixels")
    parser.add_argument("--n-workers", type=int, default=2)
    parser.add_argument("--folder", help="folder for links and features; what it holds is used again")
    arguments = parser.parse_args()
    print(f"{describe_machine()}\n{arguments.n_pictures:,} links, {arguments.image_size} px")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(arguments.folder or place)
        shards = write_links(folder / "pictures", arguments.n_pictures)
        for name in ("first call", "second call"):
            extract(name, shards, folder / "features", arguments)
        start = time.perf_counter()
        features = tl.features.FeatureShards(folder / "features")
        train, test = features.read(slice(0, None, 10)), features.read(slice(5, None, 10))
        head = tl.fit_head(train, "ridge")
        print(
            f"probe on {len(train):,}: accuracy {head.score(test):.3f} on others, {time.perf_counter() - start:.1f} s"
        )
    print(f"this process: at most {read_peak_mib():.0f} MiB")


def extract(name, shards, folder, arguments):
    """Extract with workers of a new cluster, and print what it took."""
    from distributed import Client, LocalCluster

    options = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None, "memory_limit": 0}
    with LocalCluster(n_workers=arguments.n_workers, **options) as cluster, Client(cluster) as client:
        start = time.perf_counter()
        network = tl.load_backbone("efficientnet_lite0", image_size_px=arguments.image_size)
        settings = {"label": find_class, "dtype": "float16", "client": client, "progress": False}
        features = tl.extract_shards(network, shards, folder, **settings)
        duration_s, peaks_mib = time.perf_counter() - start, client.run(read_peak_mib).values()
    rate = len(features) / duration_s
    print(f"{name}: {features}\n  {duration_s:.1f} s, {rate:,.0f} per second, workers at most {max(peaks_mib):.0f} MiB")


def find_class(name):
    """Return the class in the name of a link, such as "bird-000123.webp"."""
    return name.partition("-")[0]


def read_peak_mib():
    """Return the largest memory of this process until now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_links(folder, n_pictures):
    """Write hard links to a copy of each bundled picture into folders, unless they are there, and return these."""
    images = tl.load_images("styles")
    folders = [folder / f"{number:05}" for number in range(-(-n_pictures // N_PER_SHARD))]
    if folders[-1].is_dir():
        return folders
    (folder / "copies").mkdir(parents=True)
    copies = [folder / "copies" / f"{index:05}" for index in range(len(images))]
    for picture, copy in zip(images.pictures, copies, strict=True):
        copy.write_bytes(picture.read_bytes())
    for number in range(n_pictures):
        index, target = number * 7919 % len(images), folders[number // N_PER_SHARD]
        target.mkdir(exist_ok=True)
        suffix = Path(images.names[index]).suffix
        os.link(copies[index], target / f"{images.classes[images.labels[index]]}-{number:07}{suffix}")
    return folders


if __name__ == "__main__":
    main()
