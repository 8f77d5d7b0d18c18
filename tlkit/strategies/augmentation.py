"""Augmentation: policies by name, repeatable by seed whatever the order or the number of workers."""

import functools

import numpy as np

from tlkit.naming import suggest

POLICIES = ("flip", "crop", "crop_wide")

# The share of the picture's area that a crop keeps at least, and the bounds of its width over its height.
_SMALLEST_SHARE = {"crop": 0.6, "crop_wide": 0.35}
_ASPECT = (3 / 4, 4 / 3)


def check_policy(name):
    """Raise ValueError, with the nearest name, where `name` is no policy."""
    if name not in POLICIES:
        raise ValueError(f"augment: {name!r}, expected None or a policy; {suggest(name, POLICIES)}")


def draw_view(picture, policy, recipe, *, draw):
    """Return a randomly changed picture, cropped to what the network sees.

    Arguments
    ---------
    picture: PIL picture
        Resized by the recipe already, not cropped.
    policy: str
        "flip" mirrors left and right half of the time; "crop" also cuts out 0.6 to 1 of the area, "crop_wide" 0.35
        to 1.
    recipe: Recipe
    draw: tuple of int
        What the randomness is drawn from, such as (seed, epoch, number of the picture).
    """
    import torch

    if policy == "flip":  # cut out first: the middle of the mirror image can lie a pixel beside
        picture = recipe.crop(picture)
    # The policies are torchvision's, which draw from torch's one random state: it is lent out and put back.
    with torch.random.fork_rng(devices=[]):
        # One generator: torch.manual_seed goes round those of all devices, which takes half as long as the rest.
        torch.default_generator.manual_seed(int(np.random.SeedSequence(draw).generate_state(1, np.uint64)[0] >> 1))
        return _policy(policy, recipe.crop_size_px, recipe.interpolation)(picture)


@functools.cache
def _policy(name, size_px, interpolation):
    from torchvision.transforms import v2

    flip = v2.RandomHorizontalFlip()
    if name == "flip":
        return flip
    mode = v2.InterpolationMode(interpolation)
    crop = v2.RandomResizedCrop(size_px, scale=(_SMALLEST_SHARE[name], 1), ratio=_ASPECT, interpolation=mode)
    return v2.Compose([crop, flip])
