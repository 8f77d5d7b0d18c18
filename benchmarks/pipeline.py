"""From files to features, compared with each half alone: decoding and the forward pass. Prints the share."""

import argparse
import dataclasses
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import describe_machine, offers_bf16, use_cores
from made_pictures import MEDIUM_PX, write_jpegs


def main():
    """Time all three in turn for both sets of pictures and both precisions, and print pictures per second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--n-pictures", type=int, default=2000, help="largest number per set")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cores", type=int, help="use only so many cores; by default all")
    arguments = parser.parse_args()
    use_cores(arguments.cores)
    print(describe_machine(), "" if offers_bf16() else "; no units for bf16: fast computes in float32 too", sep="")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TLKIT_CACHE_DIR"] = str(Path(folder) / "cache")
        import tlkit as tl

        write_jpegs(Path(folder) / "jpegs", arguments.n_pictures, MEDIUM_PX)
        sets = {
            "bundled": tl.load_images("styles")[: arguments.n_pictures],
            f"JPEG {MEDIUM_PX[0]} × {MEDIUM_PX[1]}": tl.load_images(Path(folder) / "jpegs"),
        }
        weights = "pretrained" if arguments.backbone.startswith("efficientnet") else None
        backbone = tl.load_backbone(arguments.backbone, weights=weights)
        print(f"{backbone.name}, {backbone.image_size_px} px; pictures per second")
        print("pictures                   precision  decoding   forward   from files  of the lower")
        for name, images in sets.items():
            for precision in ("exact", "fast"):
                speeds = [measure(backbone, images, precision) for _ in range(arguments.rounds)]
                decoding, forward, whole = np.max(speeds, axis=0)
                share = 100 * whole / min(decoding, forward)
                words = f"{f'{len(images):,} {name}':26} {precision:9}"
                print(f"{words} {decoding:9.0f} {forward:9.0f} {whole:12.0f} {share:11.0f} %", flush=True)


def measure(backbone, images, precision):
    """Return the pictures per second of decoding alone, the forward pass alone, and from files to features."""
    import tlkit as tl
    from tlkit.features.crops import read_crops
    from tlkit.features.engines import choose_engine, open_engine, run_in_batches
    from tlkit.features.frozen_network import FrozenNetwork
    from tlkit.storage import cache_folder

    start = time.perf_counter()
    squares = list(read_crops(images, range(len(images)), backbone.recipe, precision))
    decoding_s = time.perf_counter() - start
    network = FrozenNetwork.of(backbone)
    engine = open_engine(choose_engine("auto"), network, network.output(None, True), precision)
    n_squares = len(squares)
    list(run_in_batches(engine, squares[:8]))
    start = time.perf_counter()
    for _ in run_in_batches(engine, squares):
        pass
    forward_s = time.perf_counter() - start
    del squares
    shutil.rmtree(cache_folder() / "features", ignore_errors=True)
    # Files without a remembered hash: their content is hashed again, as in a first call.
    images = dataclasses.replace(images, pictures=[forget(picture) for picture in images.pictures])
    start = time.perf_counter()
    tl.extract_features(backbone, images, precision=precision, progress=False)
    whole_s = time.perf_counter() - start
    return [n_squares / duration_s for duration_s in (decoding_s, forward_s, whole_s)]


def forget(picture):
    """Return the same picture without its remembered hash."""
    names = ("path",) if hasattr(picture, "path") else ("archive", "member")
    return type(picture)(*(getattr(picture, name) for name in names))


if __name__ == "__main__":
    main()
