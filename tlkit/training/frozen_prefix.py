"""The frozen prefix: the first stages of a network that a phase leaves frozen, computed once for all its epochs."""

import math

import numpy as np
import torch
from torch import nn

from tlkit.features.engines import choose_engine, open_engine, run_in_batches
from tlkit.features.extract import extract_values
from tlkit.features.frozen_network import FrozenNetwork
from tlkit.notices import show_progress
from tlkit.strategies.augmentation import split_policies
from tlkit.training.devices import choose_frozen_engine, hold_on_gpu
from tlkit.training.optimizer import count_frozen_stages, is_source_free, number_views

# Networks are converted for OpenVINO if there are at least this many rows. Converting takes 4 to 7 s and saves 0 to 12
# ms per row. Neither epochs nor earlier conversions count, or the same call would give other bits.
_WORTH_CONVERTING = 1000

# A view of all pictures is (policy, number); this is the one without augmentation.
PLAIN = (None, 0)


class PrefixOutputs:
    """The outputs of a network's first stages for each picture; gives batches as `TrainingPictures` does."""

    def __init__(self, backbone, n_stages, pictures, *, pretrained, convert=False, device="cpu"):
        self.backbone, self.pictures, self.device = backbone, pictures, torch.device(device)
        # Only pretrained stages may be worth converting for a faster engine, and only their outputs are kept on disk.
        self.pretrained, self.n_least = pretrained, 0 if convert else _WORTH_CONVERTING
        self.stage, self.pooled = _name_output(backbone, n_stages)
        self.views, self.engine, self.held = {}, None, {}

    def __len__(self):
        return len(self.pictures)

    def compute(self, views, *, progress=False, report=None):
        """Hold exactly these views, [(policy, number)]; `report(n_pictures)` is called after every few pictures."""
        is_worth = self.pretrained and len(self) * len(views) >= self.n_least
        engine = choose_engine(choose_frozen_engine(self.device), FrozenNetwork.of(self.backbone) if is_worth else None)
        engine = "torch" if engine == "openvino" and not is_worth else engine
        # Two engines differ in the last bits, and a run that was resumed must reach the same ones.
        present = self.views if engine == self.engine else {}
        self.views, self.engine = {view: present[view] for view in views if view in present}, engine
        drawn = [view for view in views if view not in self.views and view != PLAIN]
        if PLAIN in views and PLAIN not in self.views:
            request = self.backbone, self.pictures.images, engine, "exact", self.stage, self.pooled
            self.views[PLAIN], _ = extract_values(*request, cache=self.pretrained, progress=progress, report=report)
        if drawn:
            self._compute_drawn(drawn, progress, report)
        is_text = self.backbone.recipe.noun == "text"  # whose batches are trimmed
        self.held = {} if is_text else hold_on_gpu(self.views, self.device)

    def _compute_drawn(self, views, progress, report):
        """Compute views that are augmented."""
        network = FrozenNetwork.of(self.backbone)
        output = network.output(self.stage, self.pooled)
        running = open_engine(self.engine, network, output, "exact")
        n_pictures = len(self)
        with show_progress(n_pictures * len(views), "features", "picture", progress) as bar:
            for policy, number in views:
                values, n_done = np.empty((n_pictures, *output.shape), np.float32), 0
                squares = (self.pictures.square(index, policy, number) for index in range(n_pictures))
                for rows in run_in_batches(running, map(self.backbone.recipe.as_crop, squares)):
                    values[n_done : n_done + len(rows)] = rows
                    n_done += len(rows)
                    bar.update(len(rows))
                    if report:
                        report(len(rows))
                self.views[policy, number] = values

    def batch(self, indices, policy, epoch):
        """Return the outputs (n, …) float32 and labels (n,) of some pictures."""
        view, labels = (policy, self.pictures.view(epoch)) if policy else PLAIN, self.pictures.images.labels
        if view in self.held:
            values = self.held[view][torch.from_numpy(indices).to(self.device)]
        else:
            values = torch.from_numpy(self.backbone.recipe.trim(self.views[view][indices]))
        return values, torch.from_numpy(labels[indices])


def connect_inputs(training):
    """Set which part of the network the present phase runs, and its inputs: pictures or outputs of the prefix."""
    phase, stages, first_epoch = training.phase, training.backbone.stages, training.epoch - training.epoch_index
    pictures = training.choose_pictures(phase)
    epochs = range(first_epoch, first_epoch + phase.n_epochs)
    views = list_views(pictures, phase.augment, [view for epoch in epochs for view in number_views(phase, epoch)])
    domains = {
        "inputs": (training.pictures, [] if is_source_free(phase) else views),
        "validation_inputs": (training.validation_pictures, [PLAIN]),
        "target_inputs": (training.target, views if phase.objective else []),
    }
    n_rows = sum(len(seen) * len(part) for part, seen in domains.values() if part)
    n_stages = find_frozen_prefix(training.backbone, n_rows, training.settings.frozen_prefix_mib) if views else 0
    prefix = stages[n_stages - 1] if n_stages else None
    if prefix is None:
        training.network, training.frozen_prefix = training.backbone, None
        for name, (part, _) in domains.items():
            setattr(training, name, part)
        return
    if prefix != training.frozen_prefix:  # else it was frozen in the phase before too, and its outputs still hold
        pretrained = not training.is_prepared and training.tuned_stages.isdisjoint(stages[:n_stages])
        network = training.original if pretrained else training.backbone
        for name, (part, _) in domains.items():
            options = {"pretrained": pretrained, "convert": training.settings.convert_prefix, "device": training.device}
            setattr(training, name, part and PrefixOutputs(network, n_stages, part, **options))
    training.frozen_prefix = prefix
    training.network = training.backbone.after(prefix) if n_stages < len(stages) else nn.Identity()
    for name, (part, seen) in domains.items():
        if part and seen:
            options = {"progress": training.settings.progress, "report": training.notify_computing}
            getattr(training, name).compute(seen, **options)


def list_views(pictures, policy, epochs):
    """Return the views [(policy, number)] of some epochs of the run; none if each epoch draws or mixes new ones."""
    if policy is None:
        return [PLAIN]
    if not pictures.n_views or split_policies(policy)[1]:
        return []
    return [(policy, number) for number in sorted({pictures.view(epoch) for epoch in epochs})]


def find_frozen_prefix(backbone, n_rows, memory_mib):
    """Return the number of stages to compute once: all before the first trained one if they fit in memory, else 0."""
    n_stages = count_frozen_stages(backbone)
    if n_stages == 0 or n_rows == 0:
        return 0
    stage, _ = _name_output(backbone, n_stages)
    n_values = math.prod(backbone.infer_shape(stage=stage))
    return n_stages if n_rows * n_values * 4 <= memory_mib * 2**20 else 0


def _name_output(backbone, n_stages):
    """Return the (stage, pooled) arguments of the output: features after the last stage, which are small, else maps."""
    return (None, True) if n_stages == len(backbone.stages) else (backbone.stages[n_stages - 1], None)
