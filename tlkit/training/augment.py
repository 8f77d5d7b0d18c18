"""Augmented views and mixed batches, the same for a seed whatever the order or the number of workers."""

import functools
import math

import numpy as np

from tlkit.strategies.augmentation import CROPS, list_policies

_ASPECT = (3 / 4, 4 / 3)  # bounds of a crop's width over its height
# Both parameters of the beta distribution of the shares; those of the papers for ImageNet.
_CONCENTRATION = {"mixup": 0.2, "cutmix": 1.0}


def draw_view(picture, policy, recipe, *, draw):
    """Return a PIL picture, resized by the recipe, as a random view of the size that the network sees."""
    # Policies that crop come first, the others in the order given. The randomness depends on `draw` alone, for example
    # (seed, epoch, index). `Phase` describes the policies.
    names = sorted(list_policies(policy), key=lambda name: name not in CROPS)
    if names[0] not in CROPS:  # first, because the middle of a mirror image can be one pixel away
        picture = recipe.crop(picture)
    with _make_draws(draw):
        for name in names:
            picture = _make_policy(name, recipe.crop_size_px, recipe.interpolation)(picture)
    return picture


def mix_batch(batch, labels, mixing, n_classes, *, draw):
    """Mix (n, 3, height, width) on the CPU and labels (n,); return the batch and label shares (n, n_classes)."""
    # Each picture is mixed with the one before it, which is random because each epoch has its own order. As in the
    # authors' code, there is one share per batch.
    # The last number of the seed makes the draw differ from those of the pictures.
    with _make_draws((*draw, 2)):
        return _make_mixing(mixing, n_classes)(batch, labels)


def _make_draws(draw):
    """Return `Draws` seeded by a tuple of int."""
    from tlkit.cpu.draws import Draws

    return Draws(int(np.random.SeedSequence(draw).generate_state(1, np.uint64)[0] >> 1))


@functools.cache
def _make_policy(name, size_px, interpolation):
    """Return the torchvision transform of a policy."""
    from torchvision.transforms import v2

    mode = v2.InterpolationMode(interpolation)
    match name:
        case "flip":
            return v2.RandomHorizontalFlip()
        case "crop" | "crop_wide":
            crop = v2.RandomResizedCrop(size_px, scale=(CROPS[name], 1), ratio=_ASPECT, interpolation=mode)
            return v2.Compose([crop, v2.RandomHorizontalFlip()])
        case "colour":
            return v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
        case "rand_augment":
            return v2.RandAugment(num_ops=2, magnitude=9, interpolation=mode)
        case "trivial_augment":
            return v2.TrivialAugmentWide(interpolation=mode)
        case "blur":
            largest = size_px / 40
            return v2.GaussianBlur(2 * math.ceil(2 * largest) + 1, sigma=(0.1, max(0.2, largest)))
        case "gray":
            return v2.RandomGrayscale(p=0.5)
        case "invert":
            return v2.RandomInvert(p=0.5)


@functools.cache
def _make_mixing(name, n_classes):
    """Return the torchvision transform of a policy that mixes pictures."""
    from torchvision.transforms import v2

    kind = {"mixup": v2.MixUp, "cutmix": v2.CutMix}[name]
    return kind(alpha=_CONCENTRATION[name], num_classes=n_classes)
