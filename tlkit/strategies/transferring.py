"""`transfer`: one strategy, trained once, on one set of pictures with one seed."""

import copy
import warnings

import torch
from torch import nn

from tlkit.backbones.auxiliary import AuxiliaryLoss
from tlkit.measuring import measured
from tlkit.strategies import catalogue
from tlkit.strategies.checking import check_settings
from tlkit.strategies.checkpoints import Checkpoints
from tlkit.strategies.pictures import TrainingPictures
from tlkit.strategies.run import Run
from tlkit.strategies.training import StoppedError, Training


def transfer(
    backbone,
    images,
    strategy="linear_probe",
    *,
    seed=0,
    batch_size=8,
    micro_batch_size=None,
    optimizer="adamw",
    weight_decay=0.01,
    label_smoothing=0.0,
    balance=None,
    largest_gradient=None,
    precision="exact",
    validation=0.0,
    patience=None,
    n_views=None,
    front_mib=1024,
    checkpoint=None,
    checkpoint_every_s=60.0,
    callbacks=(),
    progress=True,
):
    """Train a copy of a backbone, with a new head, by a strategy. The same call gives the same bits on one machine.

    What a phase leaves frozen at the front of the network is computed once for all its epochs.

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
    micro_batch_size: int, optional
        Pictures that are computed at once: the gradients of a step are summed up over them, which takes less memory
        and gives the same step, but for norm layers with moving statistics.
    optimizer: "adamw" or "sgd"
        SGD has Nesterov momentum of 0.9 and wants learning rates about a hundred times those of the catalogue. Either
        warms up over the first tenth of a phase's steps and falls to zero along half a cosine.
    weight_decay: float
    label_smoothing: float
        The share, below 1, of each picture's target that is spread evenly over all classes (Szegedy et al. 2016,
        Rethinking the Inception architecture).
    balance: "weights" or "sampling", optional
        Rare classes count more in the loss, or are drawn as often as the others. Heads that are solved aren't balanced.
    largest_gradient: float, optional
        The gradient of a step is shortened to this norm where it is longer.
    precision: "exact" or "fast"
        "fast" trains under `torch.autocast` in bfloat16 where a few steps, tried before each phase, are faster so.
    validation: float
        Share of the training pictures, group by group, that is not learned from: it says after each epoch how well the
        rest does, and the best epoch's weights are taken at the end of each phase.
    patience: int, optional
        A phase ends early when so many epochs bring nothing better on the `validation` pictures.
    n_views: int, optional
        Where phases augment, each picture has so many drawn views, which take turns; then frozen stages see each view
        once only. By default a new view is drawn in each epoch, and nothing can be computed once.
    front_mib: float
        How much memory the outputs of frozen stages may take, in MiB; where it isn't enough, and with 0, these stages
        are run in each epoch.
    checkpoint: str or Path, optional
        A folder of this run's own. What is there of the same run, killed at any moment, is gone on with, and the end is
        the same bit for bit.
    checkpoint_every_s: float
        A checkpoint is written when so much time has passed, and at the end of each phase; 0: after each step.
    callbacks: list of callable
        Each is called after each step with the `Training`, whose attributes say how far it is; one that returns True
        ends the run there, with `completed` False.
    progress: bool
        Show a bar.

    Returns a `Run`. Ctrl-C ends the training and returns what was reached, with a warning and `completed` False.

    Raises ValueError or TypeError for settings out of range, a strategy or stage that isn't there and checkpoints of
    another run; TrainingError where the loss is not a number or memory runs out.
    """
    if isinstance(backbone, str):
        from tlkit.backbones.loading import load_backbone

        backbone = load_backbone(backbone)
    strategy = catalogue.get(strategy)
    settings = {
        "batch_size": batch_size,
        "micro_batch_size": micro_batch_size,
        "optimizer": optimizer,
        "weight_decay": weight_decay,
        "label_smoothing": label_smoothing,
        "balance": balance,
        "largest_gradient": largest_gradient,
        "precision": precision,
        "patience": patience,
    }
    whole = {"validation": validation, "n_views": n_views}
    check_settings(images, settings | whole | {"front_mib": front_mib, "checkpoint_every_s": checkpoint_every_s})
    learned, held = _hold_out(images, validation, seed)
    planned = strategy.adjusted(backbone, len(learned))
    tuned = planned.tunes(backbone)
    description = strategy.describe() | {"phases": planned.describe()["phases"]} | settings | whole
    with measured() as measurement, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        original = backbone
        backbone = planned.prepare(original, seed) if planned.prepare else copy.deepcopy(original)
        backbone.to(memory_format=torch.channels_last)  # as the batches are; else each step lays the weights out anew
        head = nn.Linear(backbone.n_features, len(images.classes))
        nn.init.zeros_(head.bias)
        head.to(next(backbone.parameters()).device)
        auxiliary = AuxiliaryLoss(backbone, len(images.classes), seed=seed) if backbone.auxiliary else None
        if auxiliary:
            description["auxiliary"] = auxiliary.weights
        checkpoints = None
        if checkpoint is not None:
            which = {"pictures": images.content_hash, "classes": list(images.classes), "seed": seed}
            which |= {"backbone": original.fingerprint(), "strategy": description}
            checkpoints = Checkpoints(checkpoint, checkpoint_every_s, which)
        training = Training(
            backbone,
            head,
            planned,
            TrainingPictures(learned, backbone.recipe, seed, n_views),
            TrainingPictures(held, backbone.recipe, seed) if held else None,
            original,
            auxiliary=auxiliary,
            seed=seed,
            front_mib=front_mib,
            callbacks=callbacks,
            keep=checkpoints.keep if checkpoints else None,
            progress=progress,
            **settings,
        )
        completed = True
        if checkpoints:
            checkpoints.restore(training)
        try:
            training.run()
        except StoppedError:
            completed = False
        except KeyboardInterrupt:
            completed = False
            warnings.warn(
                f"interrupted after {len(training.history)} epochs; the run holds what was reached", stacklevel=2
            )
    backbone.to(memory_format=torch.contiguous_format).eval()
    backbone.auxiliary = {}
    return Run(
        backbone=backbone,
        head=head.eval(),
        classes=list(images.classes),
        strategy=description,
        seed=seed,
        history=training.history,
        n_train=len(images),
        train_hash=images.content_hash,
        tuned=tuned,
        completed=completed,
        duration_s=checkpoints.duration_s if checkpoints else measurement.duration_s,
        peak_memory_mib=measurement.peak_memory_mib,
    )


def _hold_out(images, validation, seed):
    """Return (pictures to learn from, pictures held out or None), groups whole on one side."""
    if not validation:
        return images, None
    n_folds = max(2, round(1 / validation))
    return images.split(test_fold=seed % n_folds, n_folds=n_folds, seed=seed)
