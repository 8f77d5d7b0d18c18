"""Class weights of the loss."""

import numpy as np
import torch


def weigh_classes(labels, n_classes):
    """Return class weights (n_classes,) float32, inverse to class frequency with a mean of 1 over the pictures.

    >>> weigh_classes(np.array([0, 0, 0, 2]), 3).tolist()
    [0.6666666865348816, 0.0, 2.0]
    """
    counts = np.bincount(labels, minlength=n_classes)
    # A class without pictures gets weight 0.
    weights = np.divide(len(labels) / np.count_nonzero(counts), counts, where=counts > 0, out=np.zeros(n_classes))
    return torch.tensor(weights, dtype=torch.float32)
