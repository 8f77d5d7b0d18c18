"""Preprocessing: the same bits as the libraries that published the weights."""

import dataclasses
import functools

import numpy as np
import pytest
import timm
from made_pictures import make_picture
from timm.data import create_transform
from torchvision.models import get_model_weights
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

import tlkit as tl
from tlkit.backbones.networks import CATALOGUE, list_entries
from tlkit.backbones.recipe import read_size
from tlkit.backbones.weights.wheels import list_members

SIZES = [(301, 173), (173, 301), (500, 375), (40, 57), (57, 40), (256, 256), (224, 224), (232, 400), (7, 300), (1, 1)]


@functools.cache
def pictures():
    bundled = tl.load_images("styles")
    chosen = [bundled.read(index) for index in range(0, len(bundled), 200)]
    return chosen + [make_picture(number, size) for number, size in enumerate(SIZES)]


def library_transform(entry):
    if entry.family != "EfficientNet-Lite":
        return get_model_weights(entry.name)[entry.weights].transforms()
    # timm's own sizes and shares; Google trained these with other mean and std than timm's configuration says.
    cfg = timm.get_pretrained_cfg(f"tf_{entry.name}")
    return create_transform(
        cfg.input_size, interpolation="bicubic", mean=(127 / 255,) * 3, std=(128 / 255,) * 3, crop_pct=cfg.crop_pct
    )


# Networks whose weights are in a wheel of others belong to no library; test_packed_networks.py has their recipes.
PUBLISHED = [entry for entry in list_entries() if entry.name not in list_members()]
# One set of weights for each of the recipes that there are, those of the bundled weights first.
DISTINCT = {entry.recipe: entry for entry in reversed(PUBLISHED)}.values()


@pytest.mark.parametrize("entry", DISTINCT, ids=lambda entry: f"{entry.name}-{entry.weights}")
def test_preprocessing_equals_the_librarys_bit_for_bit(entry):
    transform = library_transform(entry)
    every = entry.name in ("alexnet", "efficientnet_lite0")
    for picture in pictures() if every else (pictures()[0], pictures()[-5]):
        ours, theirs = entry.recipe(picture), transform(picture).numpy()
        assert ours.dtype == theirs.dtype == np.float32
        assert np.array_equal(ours, theirs), picture.size


def test_every_set_of_weights_has_the_recipe_that_the_library_gives_it():
    for entry in PUBLISHED:
        if entry.family == "EfficientNet-Lite":
            continue
        published, recipe = library_transform(entry), entry.recipe
        assert [list(recipe.mean), list(recipe.std)] == [published.mean, published.std]
        assert [[recipe.resize_size_px], [recipe.crop_size_px]] == [published.resize_size, published.crop_size]
        assert InterpolationMode(recipe.interpolation) == published.interpolation


@pytest.mark.parametrize("image_size_px", [32, 96, 97, 299])
def test_other_sizes_equal_the_librarys_transform_of_that_size(image_size_px):
    recipe = CATALOGUE["resnet18"].recipe.at(image_size_px)
    assert recipe.crop_size_px == image_size_px
    assert recipe.resize_size_px / image_size_px == pytest.approx(256 / 224, abs=0.5 / image_size_px)
    transform = ImageClassification(crop_size=image_size_px, resize_size=recipe.resize_size_px)
    for picture in pictures():
        assert np.array_equal(recipe(picture), transform(picture).numpy()), picture.size


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


def test_size_may_be_a_number_of_numpy():
    size, side = read_size(np.int64(96)), next(iter(DISTINCT)).recipe.at(np.int64(96)).crop_size_px
    assert (size, side) == (96, 96) and type(size) is type(side) is int and read_size(None) is None
