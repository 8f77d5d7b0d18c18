"""What a phase leaves frozen at the front of a network, computed once for all its epochs."""

import math

import numpy as np
import torch

from tlkit.features.engines import choose_engine, open_engine, run_in_batches
from tlkit.features.extraction import extract_features
from tlkit.features.frozen import FrozenNetwork
from tlkit.strategies.parameters import count_frozen_stages

# Fewer pictures are computed by torch sooner than a network is converted for OpenVINO.
_WORTH_CONVERTING = 500


class FrontPictures:
    """What comes out of the front for each picture, as batches; used as `TrainingPictures` is.

    Arguments
    ---------
    views: list of (n, …) float32
        A set for each view of the pictures.
    pictures: TrainingPictures
    """

    def __init__(self, views, pictures):
        self.views, self.pictures = views, pictures

    def __len__(self):
        return len(self.pictures)

    def batch(self, indices, policy, epoch):
        """Return (n, …) float32 and (n,) labels of some pictures."""
        values = self.views[self.pictures.view(epoch) if policy else 0]
        return torch.from_numpy(np.ascontiguousarray(values[indices])), torch.from_numpy(
            self.pictures.images.labels[indices]
        )


def find_front(backbone, policy, pictures, memory_mib):
    """Return how many stages are worth computing once: all that a phase leaves frozen at the front, or none.

    Arguments
    ---------
    backbone: Backbone
        With the phase applied.
    policy: str or None
        The phase's augmentation; with one, pictures have to have a number of views.
    pictures: list of TrainingPictures
        Those to learn from, and those that are never augmented.
    memory_mib: float
        What the outputs of the front may take.
    """
    n_stages = count_frozen_stages(backbone)
    if n_stages == 0 or (policy and not pictures[0].n_views):
        return 0
    stage, _ = _name_output(backbone, n_stages)
    shape = backbone.run_without_values(backbone.image_size_px, stage)
    n_rows = sum(len(part) for part in pictures) + (pictures[0].n_views - 1 if policy else 0) * len(pictures[0])
    return n_stages if n_rows * math.prod(shape) * 4 <= memory_mib * 2**20 else 0


def compute_front(backbone, n_stages, pictures, policy, *, kept, progress):
    """Run the first stages over pictures, each view once.

    Arguments
    ---------
    backbone: Backbone
    n_stages: int
        All of them give the network's features.
    pictures: TrainingPictures
    policy: str or None
    kept: bool
        Whether what is computed is kept on disk for other runs: where the front is as it was pretrained.
    progress: bool

    Returns `FrontPictures`.
    """
    images = pictures.images
    stage, pooled = _name_output(backbone, n_stages)
    n_views = pictures.n_views if policy else 1
    engine = choose_engine("auto")
    if engine == "openvino" and (not kept or len(images) * n_views < _WORTH_CONVERTING):
        engine = "torch"
    if not policy:
        values = extract_features(
            backbone, images, engine, cache=kept, progress=progress, stage=stage, pooled=pooled
        ).values
        return FrontPictures([values], pictures)
    network = FrozenNetwork.of(backbone)
    running = open_engine(engine, network, network.output(stage, pooled), "exact")
    views = []
    for view in range(n_views):
        squares = (np.asarray(pictures.square(index, policy, view)) for index in range(len(images)))
        views.append(np.concatenate(list(run_in_batches(running, squares))))
    return FrontPictures(views, pictures)


def _name_output(backbone, n_stages):
    # Behind the last stage only the features are needed, which are far smaller than its maps.
    return (None, True) if n_stages == len(backbone.stages) else (backbone.stages[n_stages - 1], None)
