"""`adapt`: a backbone trained on a source domain with the pictures of a target domain beside it."""

import numpy as np

from tlkit.adaptation import methods
from tlkit.images.imageset import ImageSet
from tlkit.training.transfer import transfer


def adapt(backbone, source, target, method="dann", *, seed=0, batch_size=32, balance="weights", **settings):
    """Train a copy of a backbone on a source domain and adapt it to a target domain, without the target's labels.

    A call of `transfer` with `target`. The classes are those of which both have pictures, which the papers take as
    known too (closed set); pictures of others are left out. Beyond that no label of the target is used.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
    source: ImageSet
        Pictures and labels.
    target: ImageSet
        What is looked at without labels. What the result is evaluated on should be other pictures of that domain.
    method: str, or Strategy
        One of `tlkit.adaptation.names()`.
    seed: int
    batch_size: int
        Source pictures of a step, beside as many of the target. More than `transfer` takes by default: how features
        spread can't be told from a few.
    balance: "weights", "sampling" or None
        As in `transfer`. By default each class of the source counts the same, since nothing says that the target has
        the source's shares of them.
    settings
        Others of `transfer`.

    Returns a `Run`; its description has the hash of the target's pictures, but for "source_only" and
    "source_only_tuned", which see none.

    Raises ValueError where source and target share fewer than two classes, and what `transfer` raises.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain=["photo", "sketch"]).select(classes=["bird", "bug"])
    >>> source, target = (images.select(domain=name).few(4) for name in ("photo", "sketch"))
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> run = adapt(backbone, source, target, "mcc", progress=False)
    >>> run.classes, run.history[-1]["front"]
    (['bird', 'bug'], 'stem')
    """
    strategy = methods.get(method)
    source, target = share_classes(source, target)
    if strategy.needs_target():
        settings["target"] = target
    return transfer(backbone, source, strategy, seed=seed, batch_size=batch_size, balance=balance, **settings)


def share_classes(source, target):
    """Return two ImageSets with the classes of which both have pictures, and no others.

    Raises ValueError where these are fewer than two, TypeError for what is no ImageSet.
    """
    present = []
    for argument, images in (("source", source), ("target", target)):
        if not isinstance(images, ImageSet):
            raise TypeError(f"{argument}: a {type(images).__name__}, expected an ImageSet, as load_images makes it")
        present.append({images.classes[label] for label in np.unique(images.labels)})
    shared = sorted(present[0] & present[1])
    if len(shared) < 2:
        raise ValueError(
            f"target: shares {len(shared)} classes with the source, expected two or more; the source has "
            f"{', '.join(sorted(present[0])) or 'none'}, the target {', '.join(sorted(present[1])) or 'none'}"
        )
    return tuple(images.select(classes=shared).with_classes(shared) for images in (source, target))
