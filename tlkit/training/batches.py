"""The pictures of a training, as batches: resized once, augmented anew in each epoch."""

import numpy as np
import torch

from tlkit.training.augment import draw_view

# Pictures are kept in memory, resized, up to this number; beyond it they are read again in each epoch.
KEPT_PICTURES = 5000


class TrainingPictures:
    """The pictures of a training set as arrays, resized once, augmented anew in each epoch.

    Arguments
    ---------
    images: ImageSet
    recipe: Recipe
    seed: int
        Of augmentation.
    n_views: int, optional
        Each picture is augmented in so many ways, which take turns over the epochs; by default in a new one each epoch.
    """

    def __init__(self, images, recipe, seed, n_views=None):
        self.images, self.recipe, self.seed, self.n_views = images, recipe, seed, n_views
        self.resized = {}

    def __len__(self):
        return len(self.images)

    def batch(self, indices, policy, epoch):
        """Return (n, 3, height, width) float32 and (n,) labels of some pictures."""
        arrays = [self.recipe.to_array(self.square(int(index), policy, epoch)) for index in indices]
        return torch.from_numpy(np.stack(arrays)), torch.from_numpy(self.images.labels[indices])

    def square(self, index, policy, epoch):
        """Return one picture as the network sees it, before its values are standardised: a PIL picture."""
        picture = self.resized.get(index)
        if picture is None:
            picture = self.recipe.resize(self.images.read(index))
            if len(self.resized) < KEPT_PICTURES:
                self.resized[index] = picture
        if policy is None:
            return self.recipe.crop(picture)
        return draw_view(picture, policy, self.recipe, draw=(self.seed, self.view(epoch), index))

    def view(self, epoch):
        """Return the number of the view that an epoch sees."""
        return epoch % self.n_views if self.n_views else epoch
