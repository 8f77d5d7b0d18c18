"""Preprocessing: the same bits as the libraries that published the weights."""

import dataclasses
import functools

import numpy as np
import pytest
from made_pictures import make_picture
from timm.data import create_transform
from torchvision.models import get_model_weights
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

import tlkit as tl
from tlkit.backbones.catalogue import CATALOGUE

TORCHVISION = ["mobilenet_v3_small", "resnet18", "resnet50", "vgg16"]
SIZES = [(301, 173), (173, 301), (500, 375), (40, 57), (57, 40), (256, 256), (224, 224), (232, 400), (7, 300), (1, 1)]


@functools.cache
def pictures():
    bundled = tl.load_images("styles")
    chosen = [bundled.read(index) for index in range(0, len(bundled), 200)]
    return chosen + [make_picture(number, size) for number, size in enumerate(SIZES)]


def library_transform(name):
    if name != "efficientnet_lite0":
        return get_model_weights(name).DEFAULT.transforms()
    return create_transform(
        (3, 224, 224), interpolation="bicubic", mean=(127 / 255,) * 3, std=(128 / 255,) * 3, crop_pct=0.875
    )


@pytest.mark.parametrize("name", CATALOGUE)
def test_preprocessing_equals_the_librarys_bit_for_bit(name):
    recipe, transform = CATALOGUE[name].recipe, library_transform(name)
    for picture in pictures():
        ours, theirs = recipe(picture), transform(picture).numpy()
        assert ours.dtype == theirs.dtype == np.float32
        assert np.array_equal(ours, theirs), picture.size


@pytest.mark.parametrize("image_size_px", [32, 96, 97, 299])
def test_other_sizes_equal_the_librarys_transform_of_that_size(image_size_px):
    recipe = CATALOGUE["resnet18"].recipe.at(image_size_px)
    assert recipe.crop_size_px == image_size_px
    assert recipe.resize_size_px / image_size_px == pytest.approx(256 / 224, abs=0.5 / image_size_px)
    transform = ImageClassification(crop_size=image_size_px, resize_size=recipe.resize_size_px)
    for picture in pictures():
        assert np.array_equal(recipe(picture), transform(picture).numpy()), picture.size


@pytest.mark.parametrize("name", TORCHVISION)
def test_recipe_and_weights_file_are_those_of_torchvisions_own_metadata(name):
    entry, weights = CATALOGUE[name], get_model_weights(name).DEFAULT
    published = weights.transforms()
    assert list(entry.recipe.mean) == published.mean
    assert list(entry.recipe.std) == published.std
    assert [entry.recipe.resize_size_px] == published.resize_size
    assert [entry.recipe.crop_size_px] == published.crop_size
    assert InterpolationMode(entry.recipe.interpolation) == published.interpolation
    assert entry.weights_url == weights.url
    assert entry.weights_file == weights.url.rpartition("/")[2]
    assert entry.weights_size_mb == pytest.approx(weights.meta["_file_size"] * 2**20 / 1e6, abs=1)


@pytest.mark.parametrize("field", ["mean", "std"])
def test_every_digit_of_mean_and_std_shows_in_the_values(field):
    recipe = CATALOGUE["resnet18"].recipe
    values = getattr(recipe, field)
    changed = dataclasses.replace(recipe, **{field: (*values[:2], values[2] + 0.001)})
    ours, other = recipe(make_picture(1, (50, 40))), changed(make_picture(1, (50, 40)))
    assert np.array_equal(ours[:2], other[:2])
    assert np.all(ours[2] != other[2])


def test_grey_and_transparent_pictures_are_taken_as_rgb():
    recipe = CATALOGUE["resnet18"].recipe.at(32)
    for mode in ("L", "P", "RGBA"):
        picture = make_picture(3, (50, 40)).convert(mode)
        assert np.array_equal(recipe(picture), recipe(picture.convert("RGB")))
