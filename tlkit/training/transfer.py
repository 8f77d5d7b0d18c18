"""`transfer`: one strategy, trained once, on one set of pictures with one seed.

A step goes from `transfer` to `Training.run`, which calls `_train_phase` and `_train_epoch` (loop.py), and on to
`take_step`, which calls `compute_gradients`, `clip_gradients` and `optimizer.step()` (step.py). Before the steps of a
phase, `start_phase` freezes stages, computes the frozen prefix and makes the optimizer (phase_start.py).
"""

import collections.abc
import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tlkit.backbones.backbone import Backbone, hash_tensors
from tlkit.backbones.loader import load_backbone
from tlkit.cpu.draws import Draws
from tlkit.cpu.memory import measured
from tlkit.cpu.threads import default_states
from tlkit.images.imageset import ImageSet
from tlkit.images.inputs import gather_pictures
from tlkit.images.splits import assign_folds
from tlkit.notices import show_progress, warn
from tlkit.strategies import catalogue
from tlkit.strategies.strategy import Strategy, adjust_phases, changes_backbone, is_self_supervised
from tlkit.training.batches import hash_digests, hide_labels, list_digests
from tlkit.training.changed_weights import list_changed, trace_tuned
from tlkit.training.checkpoints import Checkpoints
from tlkit.training.devices import choose_device, choose_speed
from tlkit.training.loop import Training
from tlkit.training.lora import merge_lora
from tlkit.training.run import Run
from tlkit.training.settings import TrainingSettings, check_target, check_training_pictures


@default_states()
def transfer(
    backbone: Backbone | str,
    images: ImageSet,
    strategy: Strategy | str = "linear_probe",
    *,
    target: ImageSet | str | Path | collections.abc.Sequence | None = None,
    seed: int = 0,
    batch_size: int = 8,
    micro_batch_size: int | None = None,
    optimizer: str = "adamw",
    weight_decay: float = 0.01,
    label_smoothing: float = 0.0,
    balance: str | None = None,
    max_grad_norm: float | None = None,
    mixed_precision: bool | None = None,
    device: str = "auto",
    n_loader_workers: int | None = None,
    validation: float = 0.0,
    patience: int | None = None,
    n_views: int | None = None,
    frozen_prefix_mib: float = 1024.0,
    convert_prefix: bool = False,
    checkpoint: str | Path | None = None,
    checkpoint_every_s: float = 60.0,
    callbacks: collections.abc.Sequence = (),
    progress: bool = True,
) -> Run:
    """Train a copy of a backbone, with a new head, by a strategy.

    The same call gives the same bits on one machine, without `mixed_precision`. Frozen first stages are computed once.

    Parameters
    ----------
    backbone : Backbone or str
        Backbone, which stays as it is, or a name for `load_backbone`.
    images : ImageSet
        Training pictures of at least two classes.
    strategy : Strategy or str, default="linear_probe"
        Strategy, or the name of one in `tlkit.strategies`.
    target : ImageSet, str, Path or sequence, optional
        At least two pictures of a target domain for strategies that adapt, such as those of `tlkit.adaptation`, as in
        `Run.predict`; labels are never used. Each step of a phase with an objective sees as many of them as of
        `images`. A self-supervised phase learns from them alone, or from `images` if there are none.
    seed : int, default=0
        Seed, up to 2³² - 1, of the head, random weights, order, augmentation, dropout and held-out pictures.
    batch_size : int, default=8
        Largest number of pictures per step; those of an epoch are divided into batches of nearly equal size.
    micro_batch_size : int, optional
        Largest number of pictures computed at once (gradient accumulation). It takes less memory and gives the same
        step up to rounding, except for dropout, objectives, and norm layers with moving statistics.
    optimizer : {"adamw", "sgd"}, default="adamw"
        AdamW [1]_, or SGD with a Nesterov momentum of 0.9, which needs learning rates about a hundred times larger.
        Both warm up over the first tenth of the steps of a phase, and then decrease to zero along half a cosine.
    weight_decay : float, default=0.01
        Weight decay of all trained parameters; AdamW applies it apart from the gradient, SGD adds it to the gradient.
    label_smoothing : float, default=0.0
        Share of each label, from 0 to below 1, spread over all classes [2]_; a solved head takes those with pictures.
    balance : {"weights", "sampling"}, optional
        "weights" gives each picture the weight n_pictures / (n_classes × n_pictures of its class) in the loss.
        "sampling" draws each picture of an epoch anew, classes with the same probability; a solved head uses weights.
    max_grad_norm : float, optional
        Gradient clipping: longer gradients of a step are scaled down to this norm over all parameters [3]_.
    mixed_precision : bool, optional
        Whether to train in bfloat16 (`torch.autocast`) if this is faster in a few trial steps before each phase, by
        default on a GPU only. Weights stay float32. A close trial may decide differently in another call.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where to train: an NVIDIA GPU if torch can use one, else where the backbone is. The run's network is then where
        the backbone is. Outputs of frozen stages are kept on the GPU if they fit in half of its free memory.
    n_loader_workers : int, optional
        Threads that decode and augment ahead of the steps, with the same bits; by default up to 8 on a GPU, 0 on a CPU.
    validation : float, default=0.0
        Share of the training pictures, up to 0.5, that is held out: one of round(1 / validation) folds with whole
        groups. Each epoch is scored on it, and each phase ends with the weights of its best epoch.
    patience : int, optional
        Early stopping: a phase ends after so many epochs without a lower validation loss.
    n_views : int, optional
        Number of augmented views per picture, which take turns over the epochs. Frozen stages then see each view once.
        By default each epoch draws a new view, and nothing can be computed once; nor if a phase mixes pictures.
    frozen_prefix_mib : float, default=1024.0
        Largest memory for outputs of frozen stages, in MiB; if it is too small, they are computed in each epoch.
    convert_prefix : bool, default=False
        Whether pretrained frozen stages are converted for OpenVINO also if there are fewer than 1,000 pictures.
        Converting takes seconds, once per network and size, and then the stages are computed several times as fast.
    checkpoint, checkpoint_every_s : str or Path, optional, and float, default=60.0
        Folder of this run's own, and seconds between checkpoints (0 for one per step), beside one per phase. A killed
        run resumes with the same bits, and a finished one is returned again. Two checkpoints are kept.
    callbacks : list of callable, optional
        Functions called with the `Training` after each step, and, when its attribute `computing` is True, every few
        pictures while frozen stages are computed. If one returns True, the run ends with `completed` False.
    progress : bool, default=True
        Whether to show a bar.

    Returns
    -------
    Run
        The trained run. Ctrl-C ends the training with a warning, and returns the run as far as it got.

    Raises
    ------
    TypeError, ValueError
        If a setting, strategy or target can't be used, no phase applies a setting, or the folder has another run.
    TrainingError
        If loss or weights aren't finite, memory runs out, or one picture alone meets moving statistics or an objective.

    Notes
    -----
    With `balance="weights"`, each class's part of a smoothed or mixed label counts with the weight of that class, and
    the sum over the pictures is divided by the sum of the weights of their labels, as in torch.

    References
    ----------
    .. [1] Loshchilov and Hutter 2019, Decoupled weight decay regularization.
    .. [2] Szegedy et al. 2016, Rethinking the Inception architecture for computer vision.
    .. [3] Pascanu et al. 2013, On the difficulty of training recurrent neural networks.

    Examples
    --------
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="photo").few(1)
    >>> run = transfer(backbone, images, tl.Strategy([tl.Phase(["head"], 3, 1e-2)]), batch_size=6, progress=False)
    >>> run.n_steps, [row["frozen_prefix"] for row in run.history]
    (6, ['stage4', 'stage4', 'stage4'])
    """
    check_training_pictures(images)
    if isinstance(backbone, str):
        backbone = load_backbone(backbone)
    if not isinstance(backbone, Backbone):
        raise TypeError(f"backbone: a {type(backbone).__name__}, expected a Backbone or a name for load_backbone")
    strategy = catalogue.get(strategy)
    device = choose_device(device, backbone)
    takes_steps = any(phase.n_epochs is not None for phase in strategy.phases)
    n_loader_workers, mixed_precision = choose_speed(device, takes_steps, n_loader_workers, mixed_precision)
    settings = TrainingSettings.pick(locals())
    training_images, validation_images = _hold_out(images, settings.validation, settings.seed)
    planned = adjust_phases(strategy, backbone, len(training_images))
    settings.check_use(planned)
    tuned = changes_backbone(planned, backbone)
    target = None if target is None else gather_pictures(target, "target")
    check_target(planned, target)
    description = strategy.describe() | {"phases": planned.describe()["phases"]} | settings.describe()
    target_digests = [] if target is None else list_digests(target)
    if target is not None:
        target, description["target"] = hide_labels(target), hash_digests(target_digests)
    with measured() as measurement, show_progress(1, strategy.name, "run", settings.progress):
        original, draws = backbone, Draws(settings.seed)
        with draws:
            backbone = planned.prepare(original, settings.seed) if planned.prepare else copy.deepcopy(original)
            head = nn.Linear(backbone.n_features, len(images.classes))
        # Channels last as the batches, or each step would rearrange the weights.
        backbone.to(settings.device, memory_format=torch.channels_last)
        nn.init.zeros_(head.bias)
        head.to(settings.device)
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
        context = {"original": original, "draws": draws, "validation_images": validation_images, "target": target}
        training = Training(backbone, head, planned, training_images, settings, checkpoints=checkpoints, **context)
        completed = training.run()
    merge_lora(training)  # if the training was stopped before its strategy's `finish`, or the strategy has none
    home = next(original.parameters()).device
    head.to(home)
    backbone.to(home, memory_format=torch.contiguous_format).eval()
    start_hash = hash_tensors(original.state_dict())
    changed = list_changed(backbone.state_dict(), original.state_dict())
    if changed:
        unprepared = backbone.provenance == original.provenance
        origin = backbone.provenance, strategy.name, start_hash if unprepared else None
        learned = any(map(is_self_supervised, planned.phases[: training.phase_index + 1]))
        backbone.provenance = trace_tuned(*origin, learned and (target_digests or list_digests(training_images)))
    return Run(
        backbone=backbone,
        head=head.eval(),
        classes=list(images.classes),
        strategy=description,
        seed=settings.seed,
        history=training.history,
        n_train=len(images),
        train_hash=images.content_hash,
        tuned=tuned or backbone.provenance.get("tuned", False),
        completed=completed,
        duration_s=measurement.duration_s + (checkpoints.before_s if checkpoints else 0.0),
        peak_memory_mib=measurement.peak_memory_mib,
        n_trained=training.n_trained,
        start_hash=start_hash,
        changed=changed,
        adapters={name: value.to(home) for name, value in training.adapters.items()},
        trained_on=list_digests(images),
        adapted_to=target_digests,
    )


def _hold_out(images, validation, seed):
    """Return the pictures to train on and those held out for validation, or None; groups stay whole."""
    if not validation:
        return images, None
    n_folds = max(2, round(1 / validation))
    try:
        # Not `images.split`: its published folds are those of the tests, and one of them is left out here already.
        is_held_out = assign_folds(images.labels, images.groups, n_folds, seed) == seed % n_folds
    except ValueError as error:
        folds = f"one of {n_folds} folds, a larger share one of fewer"
        raise ValueError(f"validation: {validation} holds out {folds}; {error}") from error
    training_images, held_out = images[~is_held_out], images[is_held_out]
    n_classes = len(np.unique(training_images.labels))
    if not len(held_out) or n_classes < 2:
        parts = f"{len(images)} pictures in {len(np.unique(images.groups))} groups holds out {len(held_out)}"
        left = f"leaves {n_classes} of the classes to learn: take another seed or share, or more pictures"
        raise ValueError(f"validation: {validation} of {parts} and {left}")
    if missing := [images.classes[label] for label in np.setdiff1d(held_out.labels, training_images.labels)]:
        advice = "take another seed or share, or more pictures"
        warn(f"validation: every picture of {', '.join(missing)} is held out, so this can't be learned: {advice}")
    return training_images, held_out
