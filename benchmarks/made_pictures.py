"""JPEG files with the size of a camera's and a phone's, made from bundled pictures: real edges at their own scale."""

import numpy as np
from PIL import Image

import tlkit as tl

MEDIUM_PX, PHONE_PX = (500, 375), (2000, 1500)


def write_jpegs(folder, n_pictures, size_px):
    """Write JPEGs (quality 90, 4:2:0), mosaics of bundled pictures, to two class folders; return their paths."""
    images, random = tl.load_images("styles"), np.random.default_rng(0)
    for name in ("even", "odd"):
        (folder / name).mkdir(parents=True)
    width_px, height_px = size_px
    corners = [(left, top) for top in range(0, height_px, 128) for left in range(0, width_px, 128)]
    tiles = [images.read(index) for index in random.choice(len(images), 300, replace=False)]
    paths = [folder / ("even", "odd")[number % 2] / f"{number:04d}.jpg" for number in range(n_pictures)]
    for path in paths:
        mosaic = Image.new("RGB", size_px)
        for corner, tile in zip(corners, random.integers(len(tiles), size=len(corners)), strict=True):
            mosaic.paste(tiles[tile], corner)
        mosaic.save(path, quality=90, subsampling="4:2:0")
    return paths


def write_enlarged(folder, images, short_side_px):
    """Write each picture of an ImageSet, enlarged, to a folder of its class (JPEG, quality 90); return the folder."""
    for number in range(len(images)):
        picture, label = images[number]
        share = short_side_px / min(picture.size)
        size_px = [round(share * side) for side in picture.size]
        (folder / images.classes[label]).mkdir(parents=True, exist_ok=True)
        enlarged = picture.resize(size_px, Image.Resampling.BICUBIC)
        enlarged.save(folder / images.classes[label] / f"{number:04d}.jpg", quality=90, subsampling="4:2:0")
    return folder
