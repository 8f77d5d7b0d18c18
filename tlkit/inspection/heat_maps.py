"""Where in a picture a network's score comes from: Grad-CAM, and integrated gradients. By captum."""

import numpy as np

from tlkit.arguments import check_count
from tlkit.features.frozen_network import find_places
from tlkit.inspection.paired_scores import choose_labels, held_still, load_captum, read_batch

_N_AT_ONCE = 8


def grad_cam(run, pictures, *, stage=-1, label=None):
    """Say where a run's network sees a class, by the maps of one stage weighted with how much they matter.

    Selvaraju et al. 2017 (Grad-CAM): each channel of the stage's map is weighted by the mean over places of the score's
    gradient, the weighted maps are summed, what is negative becomes 0. Then we divide by the largest value, so that
    maps of different pictures can be drawn alike, and enlarge bilinearly.

    Arguments
    ---------
    run: Run
        It is left as it was, to the bit.
    pictures: ImageSet, or a list of paths, PIL pictures or arrays (height, width, 3) of uint8
    stage: str or negative int
        Whose output is weighted: by default the last, whose map is small (7 × 7 for 224 px) and knows most of classes.
    label: str, int or (n,) int, optional
        The class that is asked for, by name or number, one for all or one each; by default what the run predicts.

    Returns (n, image_size_px, image_size_px) float32 from 0 to 1, over what `show_inputs` shows; all 0 where nothing
    speaks for the class. Raises ValueError for an unknown stage or class, or a stage that has no map of height and
    width, ModuleNotFoundError without captum: `tlkit[inspection]`.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::9]
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> run = tl.transfer(backbone, images, "linear_probe", progress=False)
    >>> grad_cam(run, images[:2], stage="stage3").shape
    (2, 32, 32)
    """
    import torch
    from torch import nn
    from torchvision.ops import Permute

    from tlkit.training.run import check_run

    check_run("run", run)
    captum = load_captum()
    backbone, head = run.backbone, run.head
    stage = backbone.stages[backbone.find_stage(stage)]
    channels_last = _find_map(backbone, stage) == (1, 2)
    back = Permute([0, 2, 3, 1]) if channels_last else nn.Identity()
    # Gradients are needed from the stage on only; what comes before it is computed without.
    rest = nn.Sequential(nn.Identity(), back, backbone.after(stage), head)
    batch, size_px, heat = read_batch(backbone, pictures), backbone.image_size_px, []
    with held_still(backbone, head):
        method = captum.LayerGradCam(rest, rest[0])
        labels = _choose_all(run, batch, label)
        for start in range(0, len(batch), _N_AT_ONCE):
            rows = slice(start, start + _N_AT_ONCE)
            with torch.no_grad():
                maps = backbone.until(stage)(batch[rows])
                maps = maps.permute(0, 3, 1, 2).contiguous() if channels_last else maps
            small = method.attribute(
                maps.requires_grad_(), target=labels[rows], relu_attributions=True, attr_dim_summation=True
            )
            heat.append(captum.LayerAttribution.interpolate(small.detach(), (size_px, size_px), "bilinear")[:, 0])
    heat = torch.cat(heat).cpu().numpy()
    return heat / np.maximum(heat.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)


def integrated_gradients(run, pictures, *, label=None, n_steps=32, baseline=(0, 0, 0)):
    """Share the score of a class out among the pixels, on the way from a plain colour to the picture.

    Sundararajan et al. 2017 (Axiomatic attribution for deep networks): gradients of the score are averaged over
    pictures between the baseline and this one, and multiplied by the difference of the two. What all pixels get sums
    to the difference of the two scores (completeness). As in the paper the baseline is black by default; what has the
    baseline's colour gets nothing, so for drawings on white take white.

    Arguments
    ---------
    run, pictures, label
        As in `grad_cam`.
    n_steps: int
        How many pictures on the way are asked, by Gauss-Legendre's rule.
    baseline: (int, int, int)
        Red, green and blue from 0 to 255.

    Returns (n, image_size_px, image_size_px) float32, summed over colours, in units of the score (the head's output
    before it becomes a probability): above 0 what speaks for the class, below 0 what speaks against it. Raises as
    `grad_cam` does.

    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])[::9]
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> run = tl.transfer(backbone, images, "linear_probe", progress=False)
    >>> integrated_gradients(run, images[:2], n_steps=4, baseline=(255, 255, 255)).shape
    (2, 32, 32)
    """
    import torch
    from PIL import Image
    from torch import nn

    from tlkit.training.run import check_run

    check_run("run", run)
    captum = load_captum()
    n_steps = check_count("n_steps", n_steps, 1)
    backbone, head = run.backbone, run.head
    start = read_batch(backbone, [Image.new("RGB", (backbone.image_size_px,) * 2, _check_colour(baseline))])
    batch, shares = read_batch(backbone, pictures), []
    with held_still(backbone, head):
        method = captum.IntegratedGradients(nn.Sequential(backbone, head))
        labels = _choose_all(run, batch, label)
        for picture, target in zip(batch, labels, strict=True):
            settings = {"n_steps": n_steps, "internal_batch_size": _N_AT_ONCE}
            share = method.attribute(picture[None].clone().requires_grad_(), start, target=target, **settings)
            shares.append(share.detach().sum(dim=1))
    return torch.cat(shares).float().cpu().numpy()


def _find_map(backbone, stage):
    shape = backbone.infer_shape(backbone.image_size_px, stage)
    places = find_places(shape)
    if len(places) != 2:
        raise ValueError(
            f"stage: {stage!r} of {backbone.name} gives {' × '.join(map(str, shape[1:]))} numbers a picture, which is "
            "no map of height and width; take an earlier stage, or integrated_gradients"
        )
    return places


def _choose_all(run, batch, label):
    import torch

    with torch.no_grad():
        scores = [run.head(run.backbone(part)) for part in batch.split(_N_AT_ONCE)]
    return torch.from_numpy(choose_labels(run, torch.cat(scores), label)).to(batch.device)


def _check_colour(colour):
    colour = tuple(colour)
    if len(colour) != 3 or not all(isinstance(value, int) and 0 <= value <= 255 for value in colour):
        raise ValueError(f"baseline: {colour!r}, expected red, green and blue, three whole numbers from 0 to 255")
    return colour
