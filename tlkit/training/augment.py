"""Augmented views and mixed batches, repeatable by seed whatever the order or the number of workers."""

import contextlib
import functools
import math

import numpy as np

from tlkit.strategies.augmentation import CROPS, list_policies

_ASPECT = (3 / 4, 4 / 3)  # bounds of a crop's width over its height
# Both parameters of the beta distribution that shares are drawn from: those of the papers for ImageNet.
_CONCENTRATION = {"mixup": 0.2, "cutmix": 1.0}


def draw_view(picture, policy, recipe, *, draw):
    """Return a randomly changed picture, cropped to what the network sees.

    Each policy takes its picture before the recipe's standardisation. Those that cut out come first, the others in the
    order given.

    Arguments
    ---------
    picture: PIL picture
        Resized by the recipe already, not cropped.
    policy: str or tuple of str
        "flip" mirrors left and right half of the time; "crop" also cuts out 0.6 to 1 of the area, "crop_wide" 0.35
        to 1. "colour" changes brightness, contrast and saturation by up to 0.4 of themselves and the hue by up to a
        tenth of the circle. "rand_augment" makes two changes of a list of fourteen, at magnitude 9 of 30 (Cubuk et
        al. 2020, RandAugment: practical automated data augmentation with a reduced search space); "trivial_augment"
        one, at any magnitude (Müller and Hutter 2021, TrivialAugment: tuning-free yet state-of-the-art data
        augmentation); both turn and shear too, and fill with black. "blur" is Gaussian, its standard deviation up to a
        fortieth of the side. "gray" takes the colours away half of the time, "invert" makes the negative half of the
        time.
    recipe: Recipe
    draw: tuple of int
        What the randomness is drawn from, such as (seed, epoch, number of the picture).
    """
    names = sorted(list_policies(policy), key=lambda name: name not in CROPS)
    if names[0] not in CROPS:  # cut out first: the middle of the mirror image can lie a pixel beside
        picture = recipe.crop(picture)
    with _drawing_from(draw):
        for name in names:
            picture = _make_policy(name, recipe.crop_size_px, recipe.interpolation)(picture)
    return picture


def mix_batch(batch, labels, mixing, n_classes, *, draw):
    """Mix each picture of a batch with the one before it, and their labels in the same shares.

    Arguments
    ---------
    batch: (n, 3, height, width) float32
        On the CPU. Whether it is standardised already makes no difference, since shares sum to one.
    labels: (n,) int64
    mixing: str
        "mixup" (Zhang et al. 2018, mixup: beyond empirical risk minimization) adds up both pictures in shares λ and
        1 - λ; "cutmix" (Yun et al. 2019, CutMix: regularization strategy to train strong classifiers with localizable
        features) puts a rectangle of the other picture in, and λ is the share of the area that is left. One λ for the
        batch, as in the authors' code, drawn from a beta distribution with both parameters 0.2 and 1, as they have them
        for ImageNet. Here the other picture is the one before, which is any, as each epoch is in an order of its own.
    n_classes: int
    draw: tuple of int
        What the randomness is drawn from, such as (seed, epoch, number of the step).

    Returns (n, 3, height, width) float32 and (n, n_classes) float32, the labels' shares, which sum to one.

    >>> import torch
    >>> black_and_white = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])
    >>> mixed, shares = mix_batch(black_and_white, torch.tensor([0, 2]), "mixup", 3, draw=(1, 0, 0))
    >>> torch.equal(mixed.mean(dim=(1, 2, 3)), shares[:, 2]), shares.sum(dim=1).tolist()
    (True, [1.0, 1.0])
    """
    # The last number makes it another draw than the pictures' own.
    with _drawing_from((*draw, 2)):
        return _make_mixing(mixing, n_classes)(batch, labels)


@contextlib.contextmanager
def _drawing_from(draw):
    import torch

    # The policies are torchvision's, which draw from torch's one random state: it is lent out and put back.
    with torch.random.fork_rng(devices=[]):
        # One generator: torch.manual_seed goes round those of all devices, which takes half as long as the rest.
        torch.default_generator.manual_seed(int(np.random.SeedSequence(draw).generate_state(1, np.uint64)[0] >> 1))
        yield


@functools.cache
def _make_policy(name, size_px, interpolation):
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
    from torchvision.transforms import v2

    kind = {"mixup": v2.MixUp, "cutmix": v2.CutMix}[name]
    return kind(alpha=_CONCENTRATION[name], num_classes=n_classes)
