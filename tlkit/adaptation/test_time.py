"""`adapt_run`: a finished run is adapted to a target's pictures alone, without its source."""

import collections.abc
import copy
import dataclasses
import inspect
from pathlib import Path

import torch

from tlkit.adaptation.source_free import list_moved_layers, plan_adabn, plan_shot, plan_tent
from tlkit.arguments import check_count, check_known, check_number, suggest
from tlkit.backbones.backbone import hash_tensors
from tlkit.backbones.freezing.freeze import thaw
from tlkit.cpu.draws import Draws
from tlkit.cpu.memory import measured
from tlkit.cpu.threads import default_states
from tlkit.images.imageset import ImageSet
from tlkit.training.batches import hash_digests, hide_labels, list_digests
from tlkit.training.changed_weights import list_changed_since, trace_tuned
from tlkit.training.checkpoints import Checkpoints
from tlkit.training.loop import Training
from tlkit.training.run import Run, check_run
from tlkit.training.settings import TrainingSettings, check_target_pictures

_PLANS = {"adabn": plan_adabn, "tent": plan_tent, "shot": plan_shot}
METHODS = tuple(_PLANS)


@default_states()
def adapt_run(
    run: Run,
    target: ImageSet,
    method: str = "shot",
    *,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    checkpoint_every_s: float = 60.0,
    callbacks: collections.abc.Sequence = (),
    progress: bool = True,
    **settings: object,
) -> Run:
    """Adapt a copy of a finished run to a target domain, with pictures without labels and without the source.

    Parameters
    ----------
    run, target : Run and ImageSet
        A finished run, which stays as it is, and at least two pictures of the target domain, whose labels aren't used.
    method : {"shot", "tent", "adabn"}, default="shot"
        How to adapt:

        - "adabn": norm layers get the statistics of the target [1]_. It has no settings and takes no steps.
        - "tent": their scale and offset are trained as well, towards certain predictions [2]_. Settings: n_epochs=1,
          learning_rate=1e-3, batch_size=32.
        - "shot": the last stages are trained under the frozen head, towards predictions that are certain, evenly spread
          and equal to pseudo-labels by the nearest class centre [3]_. Settings: train=(-2, -1), n_epochs=10,
          learning_rate=2e-4, batch_size=32, pseudo_label_weight=0.3, weight_decay=0.01, frozen_prefix_mib=1024.
    seed, checkpoint, checkpoint_every_s, callbacks, progress : object
        As in `transfer`.
    **settings : object
        Settings of the method, see above; `train` is that of `Phase`, the others are those of `transfer`.

    Returns
    -------
    Run
        The adapted run, with a record of each adaptation in its `strategy` under "adapted". Looks at test sets are
        counted with those of the given run, because trying several methods on a test set looks at it several times.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used, if the method lacks one of the settings, if "adabn" or "tent" get a run in whose
        training no norm statistics moved, or if the checkpoints belong to another adaptation.
    TrainingError
        If the loss or the weights are not finite, or memory runs out.

    Notes
    -----
    The authors of TENT predict each batch as it comes; here norm layers get the statistics of the whole target at the
    end. Those of SHOT train all stages with SGD and moving statistics; here the last ones, with AdamW, without.

    References
    ----------
    .. [1] Li et al. 2018, Adaptive batch normalization for practical domain adaptation.
    .. [2] Wang et al. 2021, Tent: fully test-time adaptation by entropy minimization.
    .. [3] Liang et al. 2020, Do we really need to access the source data? Source hypothesis transfer for unsupervised
       domain adaptation.

    Examples
    --------
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(classes=["bird", "bug"])
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> strategy = tl.Strategy([tl.Phase(["all"], 1, 1e-3, norm_statistics="moving")])
    >>> run = tl.transfer(backbone, images.select(domain="photo").few(3), strategy, progress=False)
    >>> adapt_run(run, images.select(domain="sketch").few(3), "adabn").strategy["name"]
    'own, then adabn'
    """
    check_run("run", run)
    check_target_pictures(target)
    check_known("method", [method], METHODS)
    settings = _complete(method, settings)
    layers = [] if method == "shot" else list_moved_layers(run.backbone, run.changed, method)
    strategy, training_settings = _PLANS[method](layers, **settings)
    training_settings = TrainingSettings(
        seed=seed, checkpoint_every_s=checkpoint_every_s, callbacks=callbacks, progress=progress, **training_settings
    )
    target = hide_labels(target)
    digests = list_digests(target)
    record = {"method": method, "seed": training_settings.seed, **settings, "target": hash_digests(digests)}
    backbone, head = copy.deepcopy(run.backbone), copy.deepcopy(run.head)
    checkpoints = None
    if checkpoint is not None:
        identity = {"adaptation": record, "strategy": run.strategy, "backbone": backbone.fingerprint()}
        identity |= {"head": hash_tensors(head.state_dict())}
        checkpoints = Checkpoints(checkpoint, training_settings.checkpoint_every_s, identity)
    backbone.to(memory_format=torch.channels_last)
    with measured() as measurement:
        context = {"original": run.backbone, "draws": Draws(training_settings.seed), "checkpoints": checkpoints}
        # Whether the run left its stages pretrained is not looked up.
        context |= {"target": target, "tuned_stages": backbone.stages}
        training = Training(backbone, head, strategy, None, training_settings, **context)
        completed = training.run()
    thaw(backbone).to(memory_format=torch.contiguous_format).eval()
    thaw(head).eval()
    rows, before_s = training.history, checkpoints.before_s if checkpoints else 0.0
    record |= {"losses": [row["loss"] for row in rows], "n_steps": sum(row["n_steps"] for row in rows)}
    record |= {"duration_s": measurement.duration_s + before_s}
    name = f"{run.strategy['name']}, then {method}"
    backbone.provenance = trace_tuned(run.backbone.provenance, method, hash_tensors(run.backbone.state_dict()))
    return dataclasses.replace(
        run,
        backbone=backbone,
        head=head,
        strategy=run.strategy | {"name": name, "adapted": [*run.strategy.get("adapted", []), record]},
        tuned=True,
        completed=run.completed and completed,
        peak_memory_mib=max(run.peak_memory_mib, measurement.peak_memory_mib),
        changed=list_changed_since(backbone, run),
        adapters={},
        adapted_to=list(dict.fromkeys([*run.adapted_to, *digests])),
    )


def _complete(method, settings):
    """Return all settings of a method as plain values for JSON, checked, with defaults for those not given."""
    parameters = inspect.signature(_PLANS[method]).parameters
    defaults = {name: value.default for name, value in parameters.items() if name != "layers"}
    for name in settings:
        if name not in defaults:
            raise TypeError(f"{name}: no setting of method {method!r}; {suggest(name, defaults)}")
    checks = {
        "train": lambda name, value: [value] if isinstance(value, str) else list(value),
        "pseudo_label_weight": lambda name, value: check_number(name, value, at_least=0),
        "n_epochs": lambda name, value: check_count(name, value, 1),
        "batch_size": lambda name, value: check_count(name, value, 2),  # one picture gives norm layers no statistics
        "learning_rate": lambda name, value: check_number(name, value, above=0),
    }
    given = (defaults | settings).items()
    return {name: checks[name](name, value) if name in checks else value for name, value in given}
