"""Test-time augmentation: probabilities averaged over drawn views, against a slow version written on its own."""

import math

import numpy as np
import pytest
import torch
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.training.batches import draw_view

pytestmark = pytest.mark.filterwarnings("ignore:images. 12 of 12 pictures were trained on")


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).few(4)


@pytest.fixture(scope="module", params=["probe", "tuned"])
def run(request, images):
    phases = {"probe": [tl.Phase(["head"], None)], "tuned": [tl.Phase(["all"], 1, 1e-2)]}[request.param]
    return tl.transfer(make_tiny_backbone(), images, tl.Strategy(phases), progress=False)


def predict_slowly(run, images, augment, n_views, seed):
    """One picture and view at a time, softmax by hand."""
    recipe, total = run.backbone.recipe, np.zeros((len(images), len(run.classes)))
    for index in range(len(images)):
        for view in range(n_views):
            picture = recipe.resize(images.read(index))
            drawn = draw_view(picture, augment, recipe, draw=(seed, view, index))
            values = (np.asarray(drawn, np.float32) / np.float32(255) - np.float32(recipe.mean)) / np.float32(
                recipe.std
            )
            with torch.no_grad():
                batch = torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float32))
                scores = run.head(run.backbone(batch))[0].tolist()
            exponentials = [math.exp(score) for score in scores]
            total[index] += np.array(exponentials) / sum(exponentials)
    return total / n_views


@pytest.mark.parametrize(("augment", "n_views"), [("crop", 3), (("flip", "colour"), 2), ("invert", 1)])
def test_predictions_are_means_over_views(run, images, augment, n_views):
    found = run.predict(images, test_time_augmentation=augment, n_views=n_views, seed=4)
    assert found == pytest.approx(predict_slowly(run, images, augment, n_views, 4), abs=1e-5)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(images)))


def test_views_repeat_by_seed_and_differ_without(run, images):
    settings = {"test_time_augmentation": "crop", "n_views": 2}
    first, again, other = (run.predict(images, **settings, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_single_view_without_augmentation_is_the_picture_as_it_is(run, images):
    assert np.array_equal(run.predict(images), run.predict(images, test_time_augmentation=None, n_views=1, seed=9))


def test_pixels_and_paths_can_be_asked_about_in_views_too(run, images):
    pixels = [images.read(index) for index in range(3)]
    assert run.predict(pixels, test_time_augmentation="crop", n_views=2) == pytest.approx(
        run.predict(images[:3], test_time_augmentation="crop", n_views=2)
    )


def test_evaluating_in_views_counts_one_look(run, images):
    looks = dict(run.looks)
    settings = {"test_time_augmentation": "crop", "n_views": 2, "seed": 3}
    evaluation = run.evaluate(images, **settings)
    assert np.array_equal(evaluation.probabilities, run.predict(images, **settings))
    assert run.looks[images.content_hash] == looks.get(images.content_hash, 0) + 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n_views": 4}, "n_views: 4 without augmentation are all alike"),
        ({"n_views": 0, "test_time_augmentation": "crop"}, "n_views: 0"),
        ({"n_views": 2, "test_time_augmentation": "mixup"}, "augmentation: 'mixup' mixes pictures of several classes"),
        ({"n_views": 2, "test_time_augmentation": ["crop", "cutmix"]}, "augmentation: 'cutmix' mixes pictures"),
        ({"n_views": 2, "test_time_augmentation": "crob"}, "test_time_augmentation: 'crob'.*nearest: 'crop'"),
        ({"n_views": 2, "test_time_augmentation": "crop", "seed": -1}, "seed: -1"),
    ],
)
def test_what_can_not_be_asked_is_said_before_a_look_is_counted(run, images, settings, said):
    looks = dict(run.looks)
    with pytest.raises(ValueError, match=said):
        run.predict(images, **settings)
    if "seed" not in settings:
        with pytest.raises(ValueError, match=said):
            run.evaluate(images, **settings)
        assert run.looks == looks
