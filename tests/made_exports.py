"""Runs of tiny networks and their OpenVINO exports, and pictures that decoders easily read differently."""

import functools

import numpy as np
from made_networks import make_tiny_backbone
from made_pictures import make_picture
from PIL import Image

import tlkit as tl

CLASSES = ("=cat", "dog", "emu")


@functools.cache
def make_tiny_run(seed=0):
    """Return a run of a tiny network that was tuned to tell whether pictures are mostly red, green or blue."""
    pictures = [make_picture(number) for number in range(30)]
    labelled = [(picture, CLASSES[np.asarray(picture).mean(axis=(0, 1)).argmax()]) for picture in pictures]
    strategy = tl.Strategy([tl.Phase(["all"], 1, 1e-2), tl.Phase(["head"], None)])
    return tl.transfer(make_tiny_backbone(seed), tl.load_images(labelled), strategy, seed=seed, progress=False)


def write_varied(folder):
    """Write 60 pictures of many sizes, modes and formats into a folder; returns it."""
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90°
    see_through = make_picture(1, (90, 60)).convert("RGBA")
    see_through.putalpha(Image.linear_gradient("L").resize((90, 60)))
    deep = Image.fromarray(np.arange(0, 65_000, 10, dtype=np.uint16).reshape(65, 100))
    pictures = {
        "large.jpg": make_picture(2, (1600, 1200)),
        "gray.jpg": make_picture(3, (50, 80)).convert("L"),
        "transparent.png": see_through,
        "cmyk.jpg": make_picture(4, (70, 70)).convert("CMYK"),
        "turned.jpg": make_picture(5, (80, 40)),
        "palette.gif": make_picture(6, (64, 48)).quantize(16),
        "deep.png": deep,
        "tiny.png": make_picture(7, (3, 2)),
        "long.webp": make_picture(8, (400, 20)),
        "two.tif": make_picture(9, (30, 30)),
    }
    pictures |= {f"{number}.png": make_picture(number, (20 + number, 90 - number)) for number in range(10, 60)}
    for name, picture in pictures.items():
        picture.save(folder / name, **({"exif": exif} if name == "turned.jpg" else {}))
    return folder
