"""`transfer`: one strategy, trained once, on one set of pictures with one seed."""

import copy
import warnings

import numpy as np
import torch
from torch import nn

from tlkit.backbones.auxiliary import AuxiliaryLoss
from tlkit.backbones.backbone import Backbone, hash_tensors
from tlkit.cpu.measure import measured
from tlkit.images.splits import assign_folds
from tlkit.strategies import catalogue
from tlkit.training.changed_weights import list_changed
from tlkit.training.checkpoints import Checkpoints
from tlkit.training.loop import Training
from tlkit.training.lora import merge_lora
from tlkit.training.run import Run
from tlkit.training.settings import TrainingSettings, check_images, check_target
from tlkit.training.target_pictures import hash_digests, hide_labels, list_digests


def transfer(
    backbone,
    images,
    strategy="linear_probe",
    *,
    target=None,
    seed=0,
    batch_size=8,
    micro_batch_size=None,
    optimizer="adamw",
    weight_decay=0.01,
    label_smoothing=0.0,
    balance=None,
    max_grad_norm=None,
    mixed_precision=False,
    validation=0.0,
    patience=None,
    n_views=None,
    frozen_prefix_mib=1024,
    checkpoint=None,
    checkpoint_every_s=60.0,
    callbacks=(),
    progress=True,
):
    """Train a copy of a backbone, with a new head, by a strategy.

    The same call gives the same bits on one machine, unless `precision` is "fast". What a phase leaves frozen at the
    front of the network is computed once for all its epochs.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
        Left as it was. One loaded with `auxiliary=True` trains with its auxiliary classifiers in phases that train
        "all"; the run holds none of them.
    images: ImageSet
        Training pictures of two classes or more.
    strategy: Strategy, or the name of a known one
    target: ImageSet, optional
        Pictures of a target domain, two or more, for a strategy that adapts to it, as those of `tlkit.adaptation`;
        their labels are never used. Each step of a phase with an objective sees as many of them as of `images`.
    seed: int
        0 to 2³² - 1. Of the head, the order of the pictures, augmentation, dropout, what is held out and
        random weights.
    batch_size: int
        The most pictures of a step: those of an epoch are dealt into batches of nearly equal size.
    micro_batch_size: int, optional
        The most pictures that are computed at once: the gradients of a step are summed up over such parts, which takes
        less memory and gives the same step within float tolerance, but for what dropout draws, and for objectives and
        norm layers with moving statistics, which see the parts. With an objective as many target pictures come along.
    optimizer: "adamw" or "sgd"
        AdamW is Loshchilov and Hutter's (2019, Decoupled weight decay regularization). SGD has Nesterov momentum of 0.9
        and wants learning rates about a hundred times those of the catalogue. Either warms up over the first tenth of a
        phase's steps and falls to zero along half a cosine.
    weight_decay: float
        Of all parameters that learn; AdamW shrinks them apart from the gradient, SGD adds it to the gradient.
    label_smoothing: float
        The share, below 1, of each picture's target that is spread evenly over all classes (Szegedy et al. 2016,
        Rethinking the Inception architecture). With `balance` "weights" each class's part of the target counts with its
        weight, and the sum over the pictures is divided by the sum of the weights of their labels, as in torch.
    balance: "weights" or "sampling", optional
        "weights": a picture counts in the loss with n_pictures / (n_classes × n_pictures of its class), classes without
        pictures left out of account. "sampling": each place of an epoch is drawn, with a chance that is the same for
        all classes, so pictures of rare classes come several times and some others not at all. Heads that are solved
        aren't balanced.
    max_grad_norm: float, optional
        The gradient of a step, over all parameters that learn, is shortened to this norm where it is longer (Pascanu et
        al. 2013, On the difficulty of training recurrent neural networks).
    precision: "exact" or "fast"
        "fast" trains under `torch.autocast` in bfloat16 where a few steps, tried before each phase, are faster so;
        weights stay float32. What is faster is measured, so where both are close another call may decide otherwise and
        give other bits; `autocast` in the history says what was taken.
    validation: float
        About this share of the training pictures, one of round(1 / validation) folds, groups whole, is not learned
        from: it says after each epoch how well the rest does, by the plain loss, and the best epoch's weights are taken
        at the end of each phase.
    patience: int, optional
        A phase ends early when so many epochs bring nothing better on the `validation` pictures.
    n_views: int, optional
        Where phases augment, each picture has so many drawn views, which take turns; then frozen stages see each view
        once only. By default a new view is drawn in each epoch, and nothing can be computed once; nor can it where
        pictures are mixed, which is done anew in each step, whatever the number of views.
    frozen_prefix_mib: float
        How much memory the outputs of frozen stages may take, in MiB; where it isn't enough, and with 0, these stages
        are run in each epoch, with the same result within float tolerance.
    checkpoint: str or Path, optional
        A folder of this run's own. What is there of the same run, killed at any moment, is gone on with, and the end is
        the same bit for bit; a run that has ended is given again. Two checkpoints are kept, each up to six times as
        large as the weights; where the newest is damaged, the one before it is taken. A disk that is full is warned of
        and ends nothing.
    checkpoint_every_s: float
        A checkpoint is written when so much time has passed, and at the end of each phase; 0: after each step.
    callbacks: list of callable
        Each is called after each step with the `Training`, whose attributes say how far it is, and every few pictures
        while frozen stages are computed once, when its `computing` is True; one that returns True ends the run there,
        with `completed` False.
    progress: bool
        Show a bar.

    Returns a `Run`. Ctrl-C ends the training and returns what was reached, with a warning and `completed` False.

    Raises ValueError or TypeError for settings that can't be used, a strategy or stage that isn't there, checkpoints of
    another run or tlkit, a folder of them that another training uses, and a strategy that adapts without a target or
    a target without such a strategy; TrainingError where loss or weights are not finite, memory runs out, or norm
    layers or an objective would take statistics of a single picture. What a callback raises passes. The given backbone
    is as it was then, too.

    >>> import tlkit as tl
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 3, 1e-2)]), batch_size=6, progress=False)
    >>> run.n_steps, [row["frozen_prefix"] for row in run.history]
    (6, ['stage4', 'stage4', 'stage4'])
    """
    if isinstance(backbone, str):
        from tlkit.backbones.loader import load_backbone

        backbone = load_backbone(backbone)
    if not isinstance(backbone, Backbone):
        raise TypeError(f"backbone: a {type(backbone).__name__}, expected a Backbone or a name for load_backbone")
    strategy = catalogue.get(strategy)
    check_images(images)
    settings = TrainingSettings.pick(locals())
    training_images, validation_images = _hold_out(images, settings.validation, settings.seed)
    planned = strategy.adjusted(backbone, len(training_images))
    check_target(planned, target, backbone)
    tuned = planned.tunes(backbone)
    description = strategy.describe() | {"phases": planned.describe()["phases"]} | settings.describe()
    target_digests = []
    if target is not None:
        target = hide_labels(target)
        target_digests = list_digests(target)
        description["target"] = hash_digests(target_digests)
    with measured() as measurement, torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        original = backbone
        backbone = planned.prepare(original, settings.seed) if planned.prepare else copy.deepcopy(original)
        backbone.to(memory_format=torch.channels_last)  # as the batches, or each step would rearrange the weights
        head = nn.Linear(backbone.n_features, len(images.classes))
        nn.init.zeros_(head.bias)
        head.to(next(backbone.parameters()).device)
        auxiliary = AuxiliaryLoss(backbone, len(images.classes), seed=settings.seed) if backbone.auxiliary else None
        if auxiliary:
            description["auxiliary"] = auxiliary.weights
        checkpoints = None
        if checkpoint is not None:
            identity = {
                "pictures": training_images.content_hash,
                "held_out": validation_images.content_hash if validation_images else None,
                "classes": list(images.classes),
                "seed": settings.seed,
                "strategy": description,
                "backbone": original.fingerprint(),
                "prepared": backbone.fingerprint() if planned.prepare else None,
            }
            checkpoints = Checkpoints(checkpoint, settings.checkpoint_every_s, identity)
        training = Training(
            backbone,
            head,
            planned,
            training_images,
            settings,
            original=original,
            validation_images=validation_images,
            target=target,
            auxiliary=auxiliary,
            checkpoints=checkpoints,
        )
        completed = training.run()
    merge_lora(training)  # if the training was stopped before its strategy's `finish`, or the strategy has none
    backbone.to(memory_format=torch.contiguous_format).eval()
    backbone.auxiliary = {}
    return Run(
        backbone=backbone,
        head=head.eval(),
        classes=list(images.classes),
        strategy=description,
        seed=settings.seed,
        history=training.history,
        n_train=len(images),
        train_hash=images.content_hash,
        tuned=tuned,
        completed=completed,
        duration_s=measurement.duration_s + (checkpoints.before_s if checkpoints else 0.0),
        peak_memory_mib=measurement.peak_memory_mib,
        n_trained=training.n_trained,
        start_hash=hash_tensors(original.state_dict()),
        changed=list_changed(backbone.state_dict(), original.state_dict()),
        adapters=training.adapters,
        adapted_to=target_digests,
    )


def _hold_out(images, validation, seed):
    """Return (pictures to learn from, pictures held out or None), groups whole on one side."""
    if not validation:
        return images, None
    n_folds = max(2, round(1 / validation))
    try:
        # Not images.split: its published folds are those of the tests, of which one is left out here already.
        is_held = assign_folds(images.labels, images.groups, n_folds, seed) == seed % n_folds
    except ValueError as error:
        raise ValueError(
            f"validation: {validation} holds out one of {n_folds} folds, a larger share one of fewer; {error}"
        ) from error
    learned, held = images[~is_held], images[is_held]
    n_learned = len(np.unique(learned.labels))
    if not len(held) or n_learned < 2:
        raise ValueError(
            f"validation: {validation} of {len(images)} pictures in {len(np.unique(images.groups))} groups holds out "
            f"{len(held)} and leaves {n_learned} of the classes to learn: take another seed or share, or more pictures"
        )
    if unlearned := [images.classes[label] for label in np.setdiff1d(held.labels, learned.labels)]:
        warnings.warn(
            f"validation: every picture of {', '.join(unlearned)} is held out, so this can't be learned: take another "
            "seed or share, or more pictures",
            stacklevel=3,
        )
    return learned, held
