"""Tiny pictures made for tests, each different from the others."""

import io
import zipfile

import numpy as np
from PIL import Image


def make_picture(number=0, size=(12, 10)):
    """Return an RGB picture of smooth colours that depend on a number."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (3, 3, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encode(picture, format="PNG", **options):
    """Return a picture as a file's bytes."""
    content = io.BytesIO()
    picture.save(content, format, **options)
    return content.getvalue()


def write_classes(folder, counts, number=0):
    """Write a folder of class folders; `counts` says how many pictures each class has, and `number` is the first."""
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for place in range(count):
            make_picture(number).save(folder / name / f"{place}.png")
            number += 1
    return folder


def write_dark_and_bright(folder, count=12):
    """Write a folder with the classes "dark" and "bright", which any network tells apart."""
    random = np.random.default_rng(0)
    for name, level in (("dark", 40), ("bright", 200)):
        (folder / name).mkdir(parents=True)
        for place in range(count):
            pixels = level + random.integers(-30, 30, (16, 16, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{place}.png")
    return folder


def write_zip(path, files, **options):
    """Write a zip; `files` is a list of (name or ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def list_files(folder):
    """Return every path below a folder with its size and change time, to compare with later."""
    return sorted((str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in folder.rglob("*"))
