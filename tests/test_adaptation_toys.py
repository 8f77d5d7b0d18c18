"""Shifts in two dimensions, right by hand: solved by each method that should solve them, and not by the others."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import tlkit as tl
from tlkit.adaptation.trained_objectives import Cdan, Dan, Dann, DeepCoral, Mcc
from tlkit.backbones.backbone import Backbone
from tlkit.backbones.recipe import Recipe

RECIPE = Recipe(2, 2, "bilinear", (0.5,) * 3, (0.125,) * 3)
# Both classes' centres: in each domain the second coordinate tells them apart, in the source the first does it better.
# "moved": all of the target lies 1.6 to the right. "turned": on the first coordinate the classes change sides.
SHIFTS = {
    "moved": ([(-1, -0.7), (1, 0.7)], [(0.6, -0.7), (2.6, 0.7)]),
    "turned": ([(-1, -1.3), (1, 1.3)], [(1, -1.3), (-1, 1.3)]),
}
METHODS = {
    "source only": None,
    "deep coral": DeepCoral(10.0),
    "dan": Dan(1.0),
    "dann": Dann(3.0, n_hidden=16),
    "cdan": Cdan(3.0, n_hidden=16),
    "mcc": Mcc(1.0, temperature=1.0),
}
# Covariances know of no shift of the mean; a cluster where the other class was is labelled wrong, and with confidence.
SOLVES = {
    "moved": {"dan", "dann", "cdan", "mcc"},
    "turned": {"deep coral", "dan", "dann", "cdan"},
}


def make_plane():
    """A backbone of two features: a picture's red and green, then a layer that can turn and stretch them."""
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(2, 3))
        layer.bias.zero_()
    stages = {"colour": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), "plane": layer}
    return Backbone("plane", stages, nn.Identity(), RECIPE, {"source": "a test"}).eval()


def draw_points(centres, seed, folder, n_points=40):
    """Return an `ImageSet` of pictures of one colour each, that the recipe turns into points around two centres."""
    folder.mkdir()
    random = np.random.default_rng(seed)
    pictures = []
    for number in range(n_points):
        label = number % 2
        point = np.array([*(random.normal(size=2) * 0.25 + centres[label]), 0])
        colour = np.round(255 * (0.5 + 0.125 * point)).astype(np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(np.full((2, 2, 3), colour)).save(path)
        pictures.append((path, "ab"[label]))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* of one colour throughout")
        return tl.load_images(pictures)


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    """By shift: source, target to adapt to, target to test on."""
    folder = tmp_path_factory.mktemp("points")
    return {
        name: [
            draw_points(centres, seed, folder / f"{name}{seed}")
            for seed, centres in enumerate((source, target, target))
        ]
        for name, (source, target) in SHIFTS.items()
    }


@pytest.mark.filterwarnings("ignore:images. 40 of 40 pictures were trained on")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", ["moved", pytest.param("turned", marks=pytest.mark.slow)])
def test_a_method_solves_the_shifts_that_it_should(shift, method, domains):
    source, target, test = domains[shift]
    objective = METHODS[method]
    strategy = tl.Strategy([tl.Phase(["plane", "head"], 120, 3e-2, objective=objective)])
    settings = {"target": target} if objective else {}
    run = tl.transfer(make_plane(), source, strategy, batch_size=20, progress=False, **settings)
    assert run.evaluate(source).accuracy >= 0.95
    accuracy = run.evaluate(test).accuracy
    if method in SOLVES[shift]:
        assert accuracy >= 0.9
    else:
        assert accuracy <= 0.6
