"""What a phase leaves frozen at the front of a network, computed once for all its epochs."""

import math

import numpy as np
import torch
from tqdm.auto import tqdm

from tlkit.features.engines import choose_engine, open_engine, run_in_batches
from tlkit.features.extract import extract_values
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.strategies.augmentation import split_policies
from tlkit.training.trainable import count_frozen_stages

# From so many rows on a network is converted for OpenVINO, which takes 4 to 7 s, once on a machine, and then saves 0 to
# 12 ms a row. Each row is computed once, so the number of epochs doesn't matter; nor may it matter what was converted
# before, or else the same call would give other bits.
_WORTH_CONVERTING = 1000

# A view of all pictures is (policy, number); this is the one without augmentation.
PLAIN = (None, 0)


class FrontPictures:
    """What comes out of a network's first stages for each picture; gives batches as `TrainingPictures` does.

    Arguments
    ---------
    backbone: Backbone
        Its first stages must stay as they are while this is used.
    n_stages: int
        All of them give the network's features.
    pictures: TrainingPictures
    pretrained: bool
        Whether these stages are as they were pretrained: only then it may pay to convert them for a faster engine, and
        what is computed of pictures that aren't augmented is kept on disk for other runs.
    """

    def __init__(self, backbone, n_stages, pictures, *, pretrained):
        self.backbone, self.pictures, self.pretrained = backbone, pictures, pretrained
        self.stage, self.pooled = _name_output(backbone, n_stages)
        self.views, self.engine = {}, None

    def __len__(self):
        return len(self.pictures)

    def compute(self, views, *, progress=False, report=None):
        """Hold these views of the pictures and no others; those that it holds already aren't computed again.

        Arguments
        ---------
        views: list of (policy, int)
            As from `list_views`.
        progress: bool
        report: callable, optional
            `report(n_pictures)` is called after each few pictures; what it raises ends the computation.
        """
        engine = choose_engine("auto")
        if engine == "openvino" and not (self.pretrained and len(self) * len(views) >= _WORTH_CONVERTING):
            engine = "torch"
        # Two engines differ in the last bits, and a run that was resumed must come to the same ones.
        held = self.views if engine == self.engine else {}
        self.views, self.engine = {view: held[view] for view in views if view in held}, engine
        drawn = [view for view in views if view not in self.views and view != PLAIN]
        if PLAIN in views and PLAIN not in self.views:
            which = self.backbone, self.pictures.images, engine, "exact", self.stage, self.pooled
            self.views[PLAIN], _ = extract_values(*which, cache=self.pretrained, progress=progress, report=report)
        if drawn:
            self._compute_drawn(drawn, progress, report)

    def _compute_drawn(self, views, progress, report):
        network = FrozenNetwork.of(self.backbone)
        output = network.output(self.stage, self.pooled)
        running = open_engine(self.engine, network, output, "exact")
        n_pictures = len(self)
        with tqdm(
            total=n_pictures * len(views), desc="features", unit="picture", disable=not progress, leave=False
        ) as bar:
            for policy, number in views:
                values, n_done = np.empty((n_pictures, *output.shape), np.float32), 0
                squares = (np.asarray(self.pictures.square(index, policy, number)) for index in range(n_pictures))
                for rows in run_in_batches(running, squares):
                    values[n_done : n_done + len(rows)] = rows
                    n_done += len(rows)
                    bar.update(len(rows))
                    if report:
                        report(len(rows))
                self.views[policy, number] = values

    def batch(self, indices, policy, epoch):
        """Return (n, …) float32 and (n,) labels of some pictures."""
        values = self.views[(policy, self.pictures.view(epoch)) if policy else PLAIN]
        return torch.from_numpy(values[indices]), torch.from_numpy(self.pictures.images.labels[indices])


def list_views(pictures, policy, epochs):
    """Return the views of its pictures that a phase sees, each once; none where each epoch draws or mixes new ones.

    Arguments
    ---------
    pictures: TrainingPictures
    policy: str, tuple of str or None
        The phase's augmentation.
    epochs: iterable of int
        Those of the phase, counted within the run.
    """
    if policy is None:
        return [PLAIN]
    if not pictures.n_views or split_policies(policy)[1]:
        return []
    return [(policy, number) for number in sorted({pictures.view(epoch) for epoch in epochs})]


def find_front(backbone, n_rows, memory_mib):
    """Return how many stages are worth computing once: all that a phase leaves frozen at the front, or none.

    Arguments
    ---------
    backbone: Backbone
        With the phase applied.
    n_rows: int
        Of how many pictures and views the output is to be held.
    memory_mib: float
        What it may take.
    """
    n_stages = count_frozen_stages(backbone)
    if n_stages == 0 or n_rows == 0:
        return 0
    stage, _ = _name_output(backbone, n_stages)
    n_values = math.prod(backbone.infer_shape(backbone.image_size_px, stage))
    return n_stages if n_rows * n_values * 4 <= memory_mib * 2**20 else 0


def _name_output(backbone, n_stages):
    # Behind the last stage only the features are needed, which are far smaller than its maps.
    return (None, True) if n_stages == len(backbone.stages) else (backbone.stages[n_stages - 1], None)
