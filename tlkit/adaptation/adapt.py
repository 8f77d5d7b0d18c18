"""`adapt`: train a backbone on a source domain together with unlabelled pictures of a target domain."""

import numpy as np

import tlkit as tl
from tlkit.adaptation import methods
from tlkit.images.imageset import ImageSet, check_images
from tlkit.strategies.strategy import Strategy, is_self_supervised, needs_target
from tlkit.training.run import Run
from tlkit.training.transfer import transfer


def adapt(
    backbone: "tl.Backbone | str",
    source: ImageSet,
    target: ImageSet,
    method: str | Strategy = "dann",
    *,
    seed: int = 0,
    batch_size: int | None = None,
    balance: str | None = "auto",
    **settings: object,
) -> Run:
    """Train a copy of a backbone on a source domain and adapt it to an unlabelled target domain.

    Parameters
    ----------
    backbone : Backbone or str
        A backbone or a name for `load_backbone`.
    source, target : ImageSet
        Labelled pictures, and pictures whose labels aren't used. Evaluate the result on other pictures of the target.
    method : str or Strategy, default "dann"
        One of `tlkit.adaptation.names()`.
    seed : int, default 0
        Seed of the training.
    batch_size : int, optional
        Source pictures per step, with as many of the target; by default 32 if there are steps, to estimate spreads.
    balance : {"auto", "weights", "sampling"} or None, default "auto"
        As in `transfer`. "auto" is "weights" for methods that take steps: each source class counts the same, since the
        target's class shares are unknown. Methods that only solve a head have settings of their own, see `Align`.
    **settings
        Other settings of `transfer`.

    Returns
    -------
    Run
        The trained copy. Its description contains the hash of the target's pictures if the method uses them.

    Raises
    ------
    ValueError
        If the domains share fewer than two classes, and as `transfer` does.

    Notes
    -----
    Only classes with pictures in both domains are used; the papers also assume these are known (closed set).

    Examples
    --------
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(classes=["bird", "bug"])
    >>> source, target = (images.select(domain=name).few(4) for name in ("photo", "sketch"))
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> adapt(backbone, source, target, "mcc", progress=False).classes
    ['bird', 'bug']
    """
    strategy = methods.get(method)
    source, target = share_classes(source, target)
    if needs_target(strategy) or any(map(is_self_supervised, strategy.phases)):
        settings["target"] = target
    takes_steps = any(phase.n_epochs is not None for phase in strategy.phases)
    if balance == "auto":
        balance = "weights" if takes_steps else None
    if takes_steps or batch_size is not None:
        settings["batch_size"] = 32 if batch_size is None else batch_size
    return transfer(backbone, source, strategy, seed=seed, balance=balance, **settings)


def share_classes(source, target):
    """Return both ImageSets with only the classes that have pictures in both; ValueError if these are fewer than 2."""
    present = []
    for argument, images in (("source", source), ("target", target)):
        check_images(argument, images)
        present.append({images.classes[label] for label in np.unique(images.labels)})
    shared = sorted(present[0] & present[1])
    if len(shared) < 2:
        raise ValueError(
            f"target: shares {len(shared)} classes with the source, expected two or more; the source has "
            f"{', '.join(sorted(present[0])) or 'none'}, the target {', '.join(sorted(present[1])) or 'none'}"
        )
    return tuple(images.select(classes=shared).with_classes(shared) for images in (source, target))
