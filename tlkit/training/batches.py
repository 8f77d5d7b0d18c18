"""Batches of a training and a target domain: their order in an epoch, augmented views, and mixed pictures."""

import dataclasses
import functools
import hashlib
import math

import numpy as np
import torch

from tlkit.cpu.draws import Draws
from tlkit.images.decode import Channels
from tlkit.strategies.augmentation import CROPS, list_policies
from tlkit.texts.words import crop_words, drop_words

# The number of resized pictures that are kept in memory; others are read again in each epoch.
KEPT_PICTURES = 5000
# Hexadecimal digits of a picture's SHA-256. Among a million pictures, two have the same digits with probability 1e-7.
_N_DIGITS = 16
_ASPECT = (3 / 4, 4 / 3)  # bounds of a crop's width over its height
# Both parameters of the beta distribution of the shares; those of the papers for ImageNet.
_CONCENTRATION = {"mixup": 0.2, "cutmix": 1.0}


class TrainingPictures:
    """Pictures of a training as batches; with `n_views`, so many augmented views take turns over the epochs."""

    def __init__(self, images, recipe, seed, n_views=None):
        self.images, self.recipe, self.seed, self.n_views = recipe.check(images), recipe, seed, n_views
        self.resized = {}

    def __len__(self):
        return len(self.images)

    def batch(self, indices, policy, epoch):
        """Return the pictures (n, 3, height, width) float32 and labels (n,) at some indices."""
        arrays = [self.recipe.to_array(self.square(int(index), policy, epoch)) for index in indices]
        return torch.from_numpy(self.recipe.trim(np.stack(arrays))), torch.from_numpy(self.images.labels[indices])

    def square(self, index, policy, epoch):
        """Return one picture as a PIL picture of the size that the network sees, before standardisation."""
        picture = self.resized.get(index)
        if picture is None:
            picture = self.recipe.read(self.images, index)
            if len(self.resized) < KEPT_PICTURES:
                self.resized[index] = picture
        if policy is None:
            return self.recipe.crop(picture)
        return draw_view(picture, policy, self.recipe, draw=(self.seed, self.view(epoch), index))

    def view(self, epoch):
        """Return the number of the view in an epoch."""
        return epoch % self.n_views if self.n_views else epoch


def hide_labels(images):
    """Return an ImageSet with all labels 0."""
    return dataclasses.replace(images, labels=np.zeros(len(images), np.int64))


def list_digests(images):
    """Return a short hash (str) for each picture of an ImageSet."""
    return [images.digest(index)[:_N_DIGITS] for index in range(len(images))]


def hash_digests(digests):
    """Return one hash (64 hexadecimal digits) of the hashes from `list_digests`, in their order."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def order_pictures(labels, epoch, seed, balance):
    """Return the order (n,) int of the pictures in an epoch, a permutation unless `balance` is "sampling"."""
    random = np.random.default_rng((seed, epoch))
    if balance != "sampling":
        return random.permutation(len(labels))
    # Each position is drawn on its own, every class with the same probability.
    chances = 1 / np.bincount(labels)[labels]
    return random.choice(len(labels), len(labels), p=chances / chances.sum())


def order_target(n_target, n_source, epoch, seed):
    """Return the target picture for each source picture of an epoch, (n_source,) int."""
    # The target is repeated in one permutation after another; each epoch continues where the last one ended.
    positions = epoch * n_source + np.arange(n_source)
    passes = range(positions[0] // n_target, positions[-1] // n_target + 1)
    # The last number of the seed makes the order differ from the source's in that epoch.
    orders = [np.random.default_rng((seed, number, 1)).permutation(n_target) for number in passes]
    return np.concatenate(orders)[positions - passes[0] * n_target]


def draw_view(picture, policy, recipe, *, draw):
    """Return a PIL picture, resized by the recipe, or a text as a random view of the size that the network sees."""
    # Policies that crop come first. The randomness depends on `draw` alone, for example (seed, epoch, index).
    names = sorted(list_policies(policy), key=lambda name: name not in CROPS)
    if recipe.noun == "text":
        random = np.random.default_rng(draw)
        for name in names:
            picture = crop_words(picture, random, CROPS[name]) if name in CROPS else drop_words(picture, random)
        return recipe.crop(picture)
    if names[0] not in CROPS:  # first, because the middle of a mirror image can be one pixel away
        picture = recipe.crop(picture)
    has_colours = not isinstance(picture, Channels)
    if others := [name for name in names if not has_colours and name not in (*CROPS, "flip", "blur")]:
        found = f"{others[0]!r} changes colours, and the pictures have {recipe.n_channels} channels"
        raise ValueError(f"augment: {found}: take 'flip', 'crop', 'crop_wide' or 'blur'")
    view = picture if has_colours else torch.from_numpy(np.asarray(picture)).permute(2, 0, 1)
    with _make_draws(draw):
        for name in names:
            view = _make_policy(name, recipe.crop_size_px, recipe.interpolation)(view)
    return view if has_colours else Channels.of(view.permute(1, 2, 0).numpy())


def mix_batch(batch, labels, mixing, n_classes, *, draw):
    """Mix (n, 3, height, width) on the CPU and labels (n,); return the batch and label shares (n, n_classes)."""
    # Each picture is mixed with the one before it in the epoch's random order, with one share per batch, as in the
    # authors' code. The last number of the seed makes the draw differ from those of the pictures.
    with _make_draws((*draw, 2)):
        return _make_mixing(mixing, n_classes)(batch, labels)


def _make_draws(draw):
    """Return `Draws` seeded by a tuple of int."""
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
