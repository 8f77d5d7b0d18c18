"""`transfer`: one strategy, trained once, on one set of pictures with one seed."""

import copy
import warnings

import torch
from torch import nn

from tlkit.backbones.auxiliary import AuxiliaryLoss
from tlkit.features.extraction import extract_features
from tlkit.heads import fit_head
from tlkit.measuring import measured
from tlkit.strategies import catalogue
from tlkit.strategies.run import Run
from tlkit.strategies.training import TrainingPictures, run_phase


def transfer(backbone, images, strategy="linear_probe", *, seed=0, batch_size=8, weight_decay=0.01, progress=True):
    """Train a copy of a backbone, with a new head, by a strategy. The same call gives the same bits on one machine.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
        Left as it was. One loaded with `auxiliary=True` trains with its auxiliary classifiers in phases that train
        "all"; the run holds none of them.
    images: ImageSet
        Training pictures of two classes or more.
    strategy: Strategy, or the name of a known one
    seed: int
        Of the head, the order of the pictures, augmentation, dropout and random weights.
    batch_size: int
        Pictures a step.
    weight_decay: float
        Of AdamW.
    progress: bool
        Show a bar.

    Returns a `Run`. Ctrl-C ends the training and returns what was reached, with a warning and `completed` False.

    Raises ValueError for a strategy or stage that isn't there, and TrainingError where the loss is not a number.
    """
    if isinstance(backbone, str):
        from tlkit.backbones.loading import load_backbone

        backbone = load_backbone(backbone)
    strategy = catalogue.get(strategy)
    present = {images.classes[label] for label in images.labels}
    if len(present) < 2:
        raise ValueError(f"images: pictures of {len(present)} class, expected two classes or more")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size: {batch_size!r}, expected a whole number of at least 1")
    tuned = strategy.tunes(backbone)
    history, completed = [], True
    with measured() as measurement, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = strategy.prepare(backbone, seed) if strategy.prepare else copy.deepcopy(backbone)
        backbone.to(memory_format=torch.channels_last)  # as the batches are; else each step lays the weights out anew
        head = nn.Linear(backbone.n_features, len(images.classes))
        nn.init.zeros_(head.bias)
        head.to(next(backbone.parameters()).device)
        auxiliary = AuxiliaryLoss(backbone, len(images.classes), seed=seed) if backbone.auxiliary else None
        pictures = TrainingPictures(images, backbone.recipe, seed)
        try:
            for phase in strategy.phases:
                if phase.n_epochs is None:
                    # A network that was prepared for this run is not worth converting for a faster engine.
                    _solve_head(backbone, head, images, "torch" if strategy.prepare else "auto", progress)
                    continue
                settings = {"batch_size": batch_size, "weight_decay": weight_decay, "seed": seed, "progress": progress}
                settings |= {"auxiliary": auxiliary} if "all" in phase.train else {}
                first = history[-1]["epoch"] if history else 0
                run_phase(backbone, head, phase, pictures, first_epoch=first, history=history, **settings)
            if strategy.finish:
                strategy.finish(backbone, pictures, seed)
        except KeyboardInterrupt:
            completed = False
            warnings.warn(f"interrupted after {len(history)} epochs; the run holds what was reached", stacklevel=2)
    backbone.to(memory_format=torch.contiguous_format).eval()
    head.eval()
    description = strategy.describe() | {"batch_size": batch_size, "weight_decay": weight_decay}
    if auxiliary:
        description["auxiliary"] = auxiliary.weights
    backbone.auxiliary = {}
    return Run(
        backbone=backbone,
        head=head,
        classes=list(images.classes),
        strategy=description,
        seed=seed,
        history=history,
        n_train=len(images),
        train_hash=images.content_hash,
        tuned=tuned,
        completed=completed,
        duration_s=measurement.duration_s,
        peak_memory_mib=measurement.peak_memory_mib,
    )


def _solve_head(backbone, head, images, engine, progress):
    features = extract_features(backbone, images, engine=engine, progress=progress)
    weight, bias = fit_head(features, "logistic").linear()
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
