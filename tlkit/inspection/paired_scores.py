"""A run's network as what asks it for reasons needs it: with gradients, held still, and left as it was found."""

import contextlib

import numpy as np

from tlkit.arguments import check_known
from tlkit.images.inputs import gather_pictures


def load_captum():
    """Return captum's module of methods; ModuleNotFoundError names the extra where it is not installed."""
    try:
        from captum import attr
    except ModuleNotFoundError as error:
        if error.name != "captum":
            raise
        raise ModuleNotFoundError(
            'heat maps need captum, which is not installed: pip install "tlkit[inspection]"'
        ) from error
    return attr


def show_inputs(run, pictures):
    """Return what the network of a run sees of pictures, (n, image_size_px, image_size_px, 3) uint8.

    Arguments
    ---------
    run: Run, or Backbone
    pictures: ImageSet, or a list of paths, PIL pictures or arrays (height, width, 3) of uint8

    A heat map is drawn over this square, not over the picture: its border may have been cropped away.

    >>> import tlkit as tl
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> show_inputs(backbone, tl.load_images("styles")[:2]).shape
    (2, 32, 32, 3)
    """
    recipe, pictures = getattr(run, "backbone", run).recipe, gather_pictures(pictures)
    return np.stack([np.asarray(recipe.crop(recipe.resize(pictures.read(i)))) for i in range(len(pictures))])


def read_batch(backbone, pictures):
    """Return pictures as a backbone takes them, (n, 3, image_size_px, image_size_px) float32 on its device."""
    import torch

    pictures = gather_pictures(pictures)
    if not len(pictures):
        raise ValueError("pictures: none, expected one or more")
    batch = np.stack([backbone.preprocess(pictures.read(index)) for index in range(len(pictures))])
    return torch.from_numpy(batch).to(next(backbone.parameters()).device)


@contextlib.contextmanager
def held_still(*modules):
    """Put modules into evaluation mode, with gradients for inputs alone; afterwards all is as it was found."""
    parts = [part for module in modules for part in module.modules()]
    parameters = [parameter for module in modules for parameter in module.parameters()]
    modes, gradients = [part.training for part in parts], [parameter.requires_grad for parameter in parameters]
    try:
        for part in parts:
            part.training = False
        for parameter in parameters:
            parameter.requires_grad_(False)
        yield
    finally:
        for part, mode in zip(parts, modes, strict=True):
            part.training = mode
        for parameter, had_gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(had_gradient)


def choose_labels(run, scores, label):
    """Return the class whose score is to be explained for each picture, (n,) int64.

    Arguments
    ---------
    run: Run
    scores: (n, n_classes) tensor
    label: str, int, (n,) int, or None
        A class by name or by place, one for all or one each; None takes what the run predicts.
    """
    n, n_classes = scores.shape
    if label is None:
        return scores.argmax(dim=1).cpu().numpy()
    if isinstance(label, str):
        check_known("label", label, run.classes)
        label = run.classes.index(label)
    labels = np.asarray(label)
    if labels.dtype.kind not in "iu" or labels.shape not in ((), (n,)):
        raise TypeError(f"label: {label!r}, expected a class by name or number, or {n} numbers, one a picture")
    if labels.size and not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"label: {label!r}, expected 0 to {n_classes - 1}, places in {run.classes}")
    return np.broadcast_to(labels, (n,)).astype(np.int64)
