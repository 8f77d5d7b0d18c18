"""Candidates for a training, and their accuracies on inner folds of the training pictures."""

import contextlib
import dataclasses

import numpy as np

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.loader import load_backbone
from tlkit.features.extract import extract_features
from tlkit.heads.kinds import fit_head
from tlkit.images.splits import N_FOLDS, assign_folds
from tlkit.names import format_strategy
from tlkit.strategies import catalogue
from tlkit.strategies.strategy import Phase, Strategy
from tlkit.training.transfer import transfer

_SEEN = 4000  # pictures in all steps of a tuning, in between the least and the most epochs
_EPOCHS = 3, 6
_TUNED_SHARE = 5 / 7  # of the network's picture size, as 160 of 224 px: a step then takes half the time
_COMPARED = 500  # pictures over all inner trainings; fewer pictures are compared on several folds


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A strategy on a network at a picture size."""

    strategy: Strategy
    backbone: Backbone

    @property
    def name(self):
        """Strategy and size in words."""
        return f"{format_strategy(self.strategy.name)} at {self.backbone.image_size_px} px"

    @property
    def n_epochs(self):
        """Number of epochs; 0 if the head is solved."""
        return sum(phase.n_epochs or 0 for phase in self.strategy.phases)


def list_candidates(backbone, n_pictures):
    """Return the candidates for a network, its name or a `Backbone`, and a number of pictures; the cheapest first."""
    whole = smaller = load_backbone(backbone) if isinstance(backbone, str) else backbone
    if isinstance(backbone, str):
        with contextlib.suppress(ValueError):  # some networks take only their own size
            smaller = load_backbone(backbone, image_size_px=round(whole.image_size_px * _TUNED_SHARE / 32) * 32)
    n_epochs = int(np.clip(round(_SEEN / n_pictures), *_EPOCHS))
    last = [-2, -1, "head"] if len(whole.stages) > 2 else ["all"]
    phases = [Phase(["head"], None), Phase(last, n_epochs, 2e-4)]
    return [
        Candidate(catalogue.get("linear_probe"), whole),
        Candidate(Strategy(phases, name="head_then_last_stages"), smaller),
    ]


def count_inner_folds(images):
    """Return (n_folds, n_used): folds that the smallest class allows, 0 if there is none, and those to compare on."""
    n_folds = min(N_FOLDS, *(len(np.unique(images.groups[images.labels == label])) for label in set(images.labels)))
    return (n_folds, int(np.clip(_COMPARED // len(images), 1, n_folds))) if n_folds > 1 else (0, 0)


def score(candidate, images, n_folds, seed, **settings):
    """Return the accuracy of a candidate on one inner fold, which holds whole groups."""
    if candidate.n_epochs:
        run = transfer(candidate.backbone, images, candidate.strategy, validation=1 / n_folds, seed=seed, **settings)
        if not run.completed:
            raise KeyboardInterrupt
        return run.history[-1]["validation_accuracy"]  # the best epoch's would be too high
    # The same fold as `transfer` holds out.
    held_out = assign_folds(images.labels, images.groups, n_folds, seed) == seed % n_folds
    features = extract_features(candidate.backbone, images, progress=False)
    head = fit_head(features[~held_out])
    return float(np.mean(head.predict(features.values[held_out]).argmax(axis=1) == images.labels[held_out]))
