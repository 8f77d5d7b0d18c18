"""Candidates for a training, and the choice between them on inner folds of the training pictures."""

import contextlib
import dataclasses

import numpy as np

from tlkit.backbones.backbone import Backbone
from tlkit.backbones.loader import load_backbone
from tlkit.features.extract import extract_features, extract_values
from tlkit.heads.kinds import fit_head
from tlkit.images.splits import N_FOLDS, assign_folds
from tlkit.names import format_strategy
from tlkit.strategies import catalogue
from tlkit.strategies.strategy import Phase, Strategy
from tlkit.training.transfer import transfer

# On the bundled clip-art and sketches, 3 epochs at 224 px were as accurate as 6 at 160 px or more, and no slower. Rates
# from 2e-4 to 1e-3 differed less than folds do. Many pictures are tuned at 5/7 of the size, in half the time.
_SEEN = 2000  # pictures in all steps of a tuning, in between the fewest and the most epochs
_EPOCHS = 3, 6
_MANY, _SMALLER = 2000, 5 / 7
_COMPARED, _MOST_FOLDS = 400, 3  # pictures over all inner trainings: few pictures are compared on several folds


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A strategy on a network at a picture size."""

    strategy: Strategy
    backbone: Backbone
    start: str | None = None  # its outputs, which another candidate needs too, are computed once

    def __str__(self):
        return f"{format_strategy(self.strategy.name)} at {self.backbone.image_size_px} px"

    @property
    def n_epochs(self):
        """Number of epochs; 0 if the head is solved."""
        return sum(phase.n_epochs or 0 for phase in self.strategy.phases)

    def train(self, images, **settings):
        """Return the `Run`; after Ctrl-C, KeyboardInterrupt."""
        settings |= {"convert_prefix": True} if self.n_epochs else {}
        run = transfer(self.backbone, images, self.strategy, **settings)
        if not run.completed:
            raise KeyboardInterrupt
        return run

    def score(self, images, n_folds, seed, report=None, **settings):
        """Return the accuracy on an inner fold, which holds whole groups; `report` as in `extract_features`."""
        if self.n_epochs:
            run = self.train(images, validation=1 / n_folds, seed=seed, **settings)
            return run.history[-1]["validation_accuracy"]  # the best epoch's would be too high
        # The same fold as `transfer` holds out.
        held_out = assign_folds(images.labels, images.groups, n_folds, seed) == seed % n_folds
        extract_values(self.backbone, images, "auto", "exact", None, True, report=report, start=self.start)
        features = extract_features(self.backbone, images, progress=False)
        probabilities = fit_head(features[~held_out]).predict(features.values[held_out])
        return float(np.mean(probabilities.argmax(axis=1) == images.labels[held_out]))


def list_candidates(backbone, n_pictures):
    """Return the candidates for a network, its name or a `Backbone`, and a number of pictures; tuning comes last."""
    whole = tuned = load_backbone(backbone) if isinstance(backbone, str) else backbone
    if isinstance(backbone, str) and n_pictures > _MANY:
        with contextlib.suppress(ValueError):  # some networks take only their own size
            tuned = load_backbone(backbone, image_size_px=round(whole.image_size_px * _SMALLER / 32) * 32)
    n_epochs = int(np.clip(round(_SEEN / n_pictures), *_EPOCHS))
    last = [-2, -1, "head"] if len(whole.stages) > 2 else ["all"]
    start = whole.stages[-3] if len(whole.stages) > 2 and tuned is whole else None
    strategy = Strategy([Phase(["head"], None), Phase(last, n_epochs, 5e-4)], name="head_then_last_stages")
    return [Candidate(catalogue.get("linear_probe"), whole, start), Candidate(strategy, tuned)]


def count_inner_folds(images):
    """Return (n_folds, n_used): folds that the smallest class allows, and those to compare on; 0 if there is none."""
    n_folds = min(len(np.unique(images.groups[images.labels == label])) for label in set(images.labels))
    if n_folds < 2:
        return 0, 0
    # Of many pictures, half are learned and half held out, which costs less and tells more.
    n_folds = min(N_FOLDS, n_folds) if len(images) < _COMPARED else 2
    return n_folds, int(np.clip(_COMPARED // len(images), 1, min(_MOST_FOLDS, n_folds)))


def choose(candidates, images, seed, settings, report=None):
    """Return the best `Candidate` on inner folds, and the comparison as plain values; `settings(name)` of trainings."""
    n_folds, n_used = count_inner_folds(images)
    if not n_used:
        return candidates[0], {"reason": f"{candidates[0]}, since there are too few pictures to compare strategies."}
    found = [
        [each.score(images, n_folds, seed + fold, report, **settings(f"inner-{row}-{fold}")) for fold in range(n_used)]
        for row, each in enumerate(candidates)
    ]
    means = {str(each): float(np.mean(scores)) for each, scores in zip(candidates, found, strict=True)}
    chosen = candidates[pick(list(means.values()), n_used * len(images) / n_folds)]
    listed = ", ".join(f"{mean:.3f} for {name}" for name, mean in means.items())
    folds = f"{n_used} inner fold{'s' * (n_used > 1)} of the training pictures"
    reason = f"{chosen}, since accuracies on {folds} were {listed}; tuning wins unless it is clearly behind."
    return chosen, {"accuracies": means, "reason": reason}


def pick(accuracies, n_held_out):
    """Return the index of the candidate to train: the last, unless another is ahead by more than a standard error."""
    # Tuning was more accurate on average, so a difference that may be chance doesn't speak against it.
    best = int(np.argmax(accuracies))
    error = np.sqrt(accuracies[best] * (1 - accuracies[best]) / n_held_out)
    return len(accuracies) - 1 if accuracies[best] - accuracies[-1] <= error else best
