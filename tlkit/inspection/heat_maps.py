"""Heat maps of a network's score over a picture: Grad-CAM and integrated gradients, computed by captum."""

import numpy as np
from numpy.typing import ArrayLike

import tlkit as tl
from tlkit.arguments import check_count
from tlkit.backbones.recipe import check_takes_pictures
from tlkit.cpu.threads import convolutions, default_states
from tlkit.features.frozen_network import find_spatial_axes
from tlkit.images.imageset import ImageSet
from tlkit.inspection.network_inputs import choose_labels, load_captum, read_batch

_N_AT_ONCE = 8


@default_states()
@convolutions.together()
def grad_cam(
    run: "tl.Run", pictures: ImageSet | list, *, stage: str | int = -1, label: str | ArrayLike | None = None
) -> np.ndarray:
    """Show which parts of pictures raise the score of a class, by Grad-CAM.

    Parameters
    ----------
    run : Run
        The run; it stays bit-identical.
    pictures : ImageSet or list
        Pictures; a list contains paths, PIL pictures or uint8 arrays of shape (height, width, 3).
    stage : str or int, default -1
        Stage whose maps are weighted. The last stage has the smallest maps and is closest to the classes.
    label : str, int or array-like of int, shape (n,), optional
        Class to explain, by name or index; one for all pictures or one per picture. By default the predicted class.

    Returns
    -------
    ndarray of float32, shape (n, image_size_px, image_size_px)
        Heat maps from 0 to 1, aligned with `show_inputs`. A map is 0 everywhere if nothing raises the score.

    Raises
    ------
    ValueError, ModuleNotFoundError
        If the stage or class is unknown, the stage has no maps, or captum is missing.

    Notes
    -----
    Each channel of the stage's map is weighted by the mean gradient of the score. The weighted maps are summed, and
    negative values become 0. Unlike the paper, we divide each map by its largest value. Maps are enlarged bilinearly.

    References
    ----------
    Selvaraju et al. 2017, Grad-CAM: visual explanations from deep networks via gradient-based localization.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::9]
    >>> run = tl.transfer(tl.load_backbone(weights=None, image_size_px=32), images, "linear_probe", progress=False)
    >>> grad_cam(run, images[:2], stage="stage3").shape
    (2, 32, 32)
    """
    import torch
    from torch import nn
    from torchvision.ops import Permute

    from tlkit.backbones.backbone import copy_modules
    from tlkit.training.run import check_run

    check_run("run", run)
    captum = load_captum()
    backbone, head = copy_modules(run.backbone), copy_modules(run.head)
    stage = backbone.stages[backbone.find_stage(stage)]
    channels_last = _find_map_axes(backbone, stage) == (1, 2)
    back = Permute([0, 2, 3, 1]) if channels_last else nn.Identity()
    # Gradients are needed from the stage on only; earlier stages run without them.
    rest = nn.Sequential(nn.Identity(), back, backbone.after(stage), head)
    batch, size_px, heat = read_batch(backbone, pictures), backbone.image_size_px, []
    method = captum.LayerGradCam(rest, rest[0])
    labels = _choose_labels(run, nn.Sequential(backbone, head), batch, label)
    for start in range(0, len(batch), _N_AT_ONCE):
        rows = slice(start, start + _N_AT_ONCE)
        with torch.no_grad():
            maps = backbone.until(stage)(batch[rows])
            maps = maps.permute(0, 3, 1, 2).contiguous() if channels_last else maps
        options = {"relu_attributions": True, "attr_dim_summation": True}
        small = method.attribute(maps.requires_grad_(), target=labels[rows], **options)
        heat.append(captum.LayerAttribution.interpolate(small.detach(), (size_px, size_px), "bilinear")[:, 0])
    heat = torch.cat(heat).cpu().numpy()
    return heat / np.maximum(heat.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)


@default_states()
@convolutions.together()
def integrated_gradients(
    run: "tl.Run",
    pictures: ImageSet | list,
    *,
    label: str | ArrayLike | None = None,
    n_steps: int = 32,
    baseline: tuple[int, int, int] = (0, 0, 0),
) -> np.ndarray:
    """Distribute the score of a class over the pixels, by integrated gradients.

    Parameters
    ----------
    run, pictures, label : Run, ImageSet or list, and str or int or array-like
        As in `grad_cam`, and so are the errors.
    n_steps : int, default 32
        Number of pictures between the baseline and each picture, placed by the Gauss-Legendre rule.
    baseline : tuple of int, default (0, 0, 0)
        Red, green and blue of the plain baseline picture, 0 to 255.

    Returns
    -------
    ndarray of float32, shape (n, image_size_px, image_size_px)
        Contributions in units of the score (the head's output), summed over colours; negative ones speak against.

    Notes
    -----
    Gradients of the score are averaged over pictures between the baseline and the picture, and multiplied by the
    difference of the two. The contributions sum to the difference of the two scores (completeness). As in the paper,
    the baseline is black by default. Pixels of the baseline's colour get 0, so choose white for drawings on white.

    References
    ----------
    Sundararajan et al. 2017, Axiomatic attribution for deep networks.

    Examples
    --------
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::9]
    >>> run = tl.transfer(tl.load_backbone(weights=None, image_size_px=32), images, "linear_probe", progress=False)
    >>> integrated_gradients(run, images[:2], n_steps=4, baseline=(255, 255, 255)).shape
    (2, 32, 32)
    """
    import torch
    from PIL import Image
    from torch import nn

    from tlkit.backbones.backbone import copy_modules
    from tlkit.training.run import check_run

    check_run("run", run)
    captum = load_captum()
    n_steps = check_count("n_steps", n_steps, 1)
    backbone, colour = run.backbone, tuple(baseline)
    if len(colour) != 3 or not all(isinstance(value, int) and 0 <= value <= 255 for value in colour):
        raise ValueError(f"baseline: {colour!r}, expected red, green and blue, three whole numbers from 0 to 255")
    start = read_batch(backbone, [Image.new("RGB", (backbone.image_size_px,) * 2, colour)])
    batch, shares = read_batch(backbone, pictures), []
    network = nn.Sequential(copy_modules(backbone), copy_modules(run.head))
    method = captum.IntegratedGradients(network)
    labels = _choose_labels(run, network, batch, label)
    for picture, target in zip(batch, labels, strict=True):
        settings = {"n_steps": n_steps, "internal_batch_size": _N_AT_ONCE}
        share = method.attribute(picture[None].clone().requires_grad_(), start, target=target, **settings)
        shares.append(share.detach().sum(dim=1))
    return torch.cat(shares).float().cpu().numpy()


def _find_map_axes(backbone, stage):
    """Return the axes of height and width of a stage's output; ValueError if it has none."""
    check_takes_pictures("run", backbone)
    shape = backbone.infer_shape(stage=stage)
    axes = find_spatial_axes(shape)
    if len(axes) != 2:
        raise ValueError(
            f"stage: {stage!r} of {backbone.name} gives {' × '.join(map(str, shape[1:]))} numbers per picture, which "
            "is no map of height and width; use an earlier stage, or integrated_gradients"
        )
    return axes


def _choose_labels(run, network, batch, label):
    """Return the class to explain for each picture of a batch, an (n,) tensor."""
    import torch

    with torch.no_grad():
        scores = [network(part) for part in batch.split(_N_AT_ONCE)]
    return torch.from_numpy(choose_labels(run, torch.cat(scores), label)).to(batch.device)
