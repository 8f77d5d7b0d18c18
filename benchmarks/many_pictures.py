"""Features of very many pictures within one GiB, in a first and a second call. Linux only. Prints times and memory.

The pictures are links to the bundled ones, and the same content is computed only once. With --distinct every file has
different content: a bundled picture followed by its number.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from machine import describe_machine, run_alone

_CALL = """
import tlkit as tl
from tlkit.features.frozen_network import FrozenNetwork
images = tl.load_images({folder!r})
notes["listed_s"] = now()
network = FrozenNetwork.named("efficientnet_lite0", image_size_px={size})
features = tl.extract_features(network, images, precision={precision!r}, progress=False)
notes["extracted_s"] = now()
notes["shape"], notes["sum"] = features.values.shape, float(features.values[::97].sum(dtype="f8"))
"""


def main():
    """Make the pictures, then call in three new processes: to convert the network, without and with stored features."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n-pictures", type=int, default=100_000)
    parser.add_argument("--distinct", action="store_true", help="give each file its own content")
    parser.add_argument("--image-size", type=int, default=224, help="height and width in pixels")
    parser.add_argument("--precision", default="exact", choices=("exact", "fast"))
    parser.add_argument("--folder", help="folder for pictures and cache; a temporary one by default")
    arguments = parser.parse_args()
    kind = "files with different content" if arguments.distinct else "links to the bundled pictures"
    print(f"{describe_machine()}\n{arguments.n_pictures:,} {kind}, {arguments.image_size} px, {arguments.precision}")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as place:
        folder, cache = Path(place) / "pictures", str(Path(place) / "cache")
        write_pictures(folder, arguments.n_pictures, distinct=arguments.distinct)
        names = {"size": arguments.image_size, "precision": arguments.precision}
        code = _CALL.format(folder=str(folder), **names)
        # Converts the network, so that the first measured call finds it.
        few = _CALL.replace("({folder!r})", "({folder!r})[:1]").format(folder=str(folder), **names)
        run_alone(few, TLKIT_CACHE_DIR=cache)
        durations_s = []
        for name in ("first call", "second call"):
            notes = run_alone(code, TLKIT_CACHE_DIR=cache)
            durations_s.append(notes["extracted_s"] - notes["listed_s"])
            print(
                f"{name:12} listing {notes['listed_s']:6.1f} s, features {durations_s[-1]:7.1f} s "
                f"({arguments.n_pictures / durations_s[-1]:,.0f} pictures/s), peak {notes['peak_mb'] / 1.048576:.0f} "
                f"MiB, {notes['shape']}, checksum {notes['sum']:.3f}",
                flush=True,
            )
    print(f"the second call took 1/{durations_s[0] / durations_s[1]:.1f} of the first one's time")


def write_pictures(folder, n_pictures, *, distinct):
    """Write distinct files, or hard links to one copy of each bundled picture, into class folders in a new folder."""
    import tlkit as tl

    images = tl.load_images("styles")
    contents = [picture.read_bytes() for picture in images.pictures]
    start, made = time.perf_counter(), {}
    for name in images.classes:
        (folder / name).mkdir(parents=True)
    for number in range(n_pictures):
        index = number % len(images)
        target = folder / images.classes[images.labels[index]] / f"{number:06}{Path(images.names[index]).suffix}"
        if distinct:
            target.write_bytes(contents[index] + number.to_bytes(4, "big"))
        elif index not in made:
            target.write_bytes(contents[index])
            made[index] = target
        else:
            os.link(made[index], target)
    print(f"made in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
