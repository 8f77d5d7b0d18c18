"""`adapt_run`: a finished run goes on with a target's pictures alone, without its source."""

import copy
import dataclasses
import inspect

import torch

from tlkit.adaptation.adabn_tent import list_moved, minimise_entropy, replace_statistics
from tlkit.adaptation.shot import adapt_source_free
from tlkit.arguments import check_count, check_known, check_number, suggest
from tlkit.backbones.freezing.freeze import thaw
from tlkit.cpu.measure import measured
from tlkit.training.batches import TrainingPictures
from tlkit.training.changed_weights import list_changed_since
from tlkit.training.run import check_run
from tlkit.training.settings import check_target_pictures
from tlkit.training.target_pictures import hash_digests, hide_labels, list_digests

_METHODS = {"adabn": replace_statistics, "tent": minimise_entropy, "shot": adapt_source_free}
METHODS = tuple(_METHODS)
_GIVEN = ("backbone", "head", "pictures", "moved", "seed")


def adapt_run(run, target, method="shot", *, seed=0, **settings):
    """Adapt a copy of a finished run to a target domain, by pictures without labels and without the source.

    Arguments
    ---------
    run: Run
        Left as it was.
    target: ImageSet
        Two pictures or more; their labels are never used.
    method: str
        "adabn": norm layers get the target's statistics (Li et al. 2018).
        "tent": and their scale and offset are trained to make predictions sure (Wang et al. 2021).
            n_epochs=1, learning_rate=1e-3, batch_size=32.
        "shot": the last stages are trained, the head is not, to make predictions sure, even over the classes and those
            of the nearest class centre (Liang et al. 2020). train=[-2, -1], n_epochs=10, learning_rate=2e-4,
            batch_size=32, pseudo_label_weight=0.3, weight_decay=0.01, frozen_prefix_mib=1024.
    seed: int
        Of the order of the pictures.
    settings
        Of that method, as above; what they mean stands in `tlkit.adaptation.adabn_tent` and `pseudo_labels`.

    Returns a `Run` whose description has all of it under "adapted". Looks at test sets are counted together with the
    given run's: who tries methods on a test set has looked at it with all of them.

    Raises ValueError or TypeError for a run, target, method or setting that can't be used. "adabn" and "tent" refuse a
    run in whose training no norm statistics moved.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(classes=["bird", "bug"])
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> strategy = tl.Strategy([tl.Phase(["all"], 1, 1e-3, norm_statistics="moving")])
    >>> run = tl.transfer(backbone, images.select(domain="photo").few(3), strategy, progress=False)
    >>> adapted = adapt_run(run, images.select(domain="sketch").few(3), "adabn")
    >>> adapted.strategy["name"], adapted.evaluate(images.select(domain="sketch")).transductive
    ('own, then adabn', True)
    """
    check_run("run", run)
    check_target_pictures(target)
    check_known("method", [method], METHODS)
    seed = check_count("seed", seed, 0)
    given = _settle(method, settings)
    backbone, head = copy.deepcopy(run.backbone), copy.deepcopy(run.head)
    arguments = {"seed": seed} | given
    if method != "shot":
        arguments["moved"] = list_moved(backbone, run.changed, method)
    target = hide_labels(target)
    digests = list_digests(target)
    backbone.to(memory_format=torch.channels_last)
    with measured() as measurement, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pictures = TrainingPictures(target, backbone.recipe, seed)
        losses, n_steps = _METHODS[method](backbone, head, pictures, **arguments)
    thaw(backbone).to(memory_format=torch.contiguous_format).eval()
    thaw(head).eval()
    record = {"method": method, "seed": seed, **given, "target": hash_digests(digests)}
    record |= {"losses": losses, "n_steps": n_steps, "duration_s": measurement.duration_s}
    name = f"{run.strategy['name']}, then {method}"
    return dataclasses.replace(
        run,
        backbone=backbone,
        head=head,
        strategy=run.strategy | {"name": name, "adapted": [*run.strategy.get("adapted", []), record]},
        tuned=True,
        peak_memory_mib=max(run.peak_memory_mib, measurement.peak_memory_mib),
        changed=list_changed_since(backbone, run),
        adapters={},
        adapted_to=list(dict.fromkeys([*run.adapted_to, *digests])),
    )


def _settle(method, settings):
    """Return all settings of a method, as plain values that JSON can hold, once they can be used."""
    parameters = inspect.signature(_METHODS[method]).parameters
    defaults = {name: value.default for name, value in parameters.items() if name not in _GIVEN}
    for name in settings:
        if name not in defaults:
            raise TypeError(f"{name}: no setting of method {method!r}; {suggest(name, defaults)}")
    settled = defaults | settings
    if "train" in settled:
        settled["train"] = list(settled["train"])
    for name, lowest in (("n_epochs", 1), ("batch_size", 2)):  # norm layers can't take statistics of one picture
        if name in settled:
            settled[name] = check_count(name, settled[name], lowest)
    if "learning_rate" in settled:
        settled["learning_rate"] = check_number("learning_rate", settled["learning_rate"], above=0)
    return settled
