"""The pictures of a training and of a target domain as batches, and their order in an epoch."""

import dataclasses
import hashlib

import numpy as np
import torch

from tlkit.training.augment import draw_view

# The number of resized pictures that are kept in memory; others are read again in each epoch.
KEPT_PICTURES = 5000
# Hexadecimal digits of a picture's SHA-256. Among a million pictures, two have the same digits with probability 1e-7.
_N_DIGITS = 16


class TrainingPictures:
    """Pictures of a training as batches; with `n_views`, so many augmented views take turns over the epochs."""

    def __init__(self, images, recipe, seed, n_views=None):
        self.images, self.recipe, self.seed, self.n_views = images, recipe, seed, n_views
        self.resized = {}

    def __len__(self):
        return len(self.images)

    def batch(self, indices, policy, epoch):
        """Return the pictures (n, 3, height, width) float32 and labels (n,) at some indices."""
        arrays = [self.recipe.to_array(self.square(int(index), policy, epoch)) for index in indices]
        return torch.from_numpy(np.stack(arrays)), torch.from_numpy(self.images.labels[indices])

    def square(self, index, policy, epoch):
        """Return one picture as a PIL picture of the size that the network sees, before standardisation."""
        picture = self.resized.get(index)
        if picture is None:
            picture = self.recipe.resize(self.images.read(index))
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
