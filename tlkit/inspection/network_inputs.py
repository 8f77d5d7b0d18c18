"""Pictures as a run's network gets them, and the network prepared for gradients of its inputs."""

import numpy as np

import tlkit as tl
from tlkit.arguments import check_known, import_extra, read_array
from tlkit.backbones.recipe import check_takes_pictures
from tlkit.images.imageset import ImageSet
from tlkit.images.inputs import gather_pictures


def load_captum():
    """Return captum's module of methods; if captum is missing, ModuleNotFoundError names the command."""
    return import_extra("heat maps need", "pip install captum", "captum", "captum.attr")[1]


def show_inputs(run: "tl.Run | tl.Backbone", pictures: ImageSet | list) -> np.ndarray:
    """Resize and crop pictures as a network gets them.

    Draw a heat map over this square, not over the picture, whose border may have been cropped.

    Parameters
    ----------
    run : Run or Backbone
        The run, or a backbone.
    pictures : ImageSet or list
        Pictures; a list contains paths, PIL pictures or uint8 arrays of shape (height, width, 3).

    Returns
    -------
    ndarray of uint8, shape (n, image_size_px, image_size_px, 3)
        The squares.

    Examples
    --------
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> show_inputs(backbone, tl.load_images("styles")[:2]).shape
    (2, 32, 32, 3)
    """
    backbone = getattr(run, "backbone", run)
    check_takes_pictures("run", backbone)
    recipe, pictures = backbone.recipe, gather_pictures(pictures)
    return np.stack([np.asarray(recipe.crop(recipe.resize(pictures.read(i)))) for i in range(len(pictures))])


def read_batch(backbone, pictures):
    """Return preprocessed pictures, (n, 3, image_size_px, image_size_px) float32, on the backbone's device."""
    import torch

    check_takes_pictures("run", backbone)
    pictures = gather_pictures(pictures)
    if not len(pictures):
        raise ValueError("pictures: none, expected one or more")
    batch = np.stack([backbone.preprocess(pictures.read(index)) for index in range(len(pictures))])
    return torch.from_numpy(batch).to(next(backbone.parameters()).device)


def choose_labels(run, scores, label):
    """Return the class to explain for each picture, (n,) int64; `label` as in `grad_cam`, scores (n, n_classes)."""
    n, n_classes = scores.shape
    if label is None:
        return scores.argmax(dim=1).cpu().numpy()
    if isinstance(label, str):
        check_known("label", label, run.classes)
        label = run.classes.index(label)
    labels = read_array("label", label)
    if labels.dtype.kind not in "iu" or labels.shape not in ((), (n,)):
        raise TypeError(f"label: {label!r}, expected a class by name or index, or {n} indices, one per picture")
    if labels.size and not 0 <= labels.min() <= labels.max() < n_classes:
        raise ValueError(f"label: {label!r}, expected 0 to {n_classes - 1}, indices in {run.classes}")
    return np.broadcast_to(labels, (n,)).astype(np.int64)
