"""Channels of a stage: their maps of one picture, and the pictures that activate one most."""

import numpy as np

import tlkit as tl
from tlkit.arguments import check_count
from tlkit.features.extract import extract_features
from tlkit.features.features import Features
from tlkit.images.imageset import ImageSet
from tlkit.images.inputs import gather_pictures


def feature_maps(backbone: "tl.Backbone | str", picture: object, stage: str | int) -> np.ndarray:
    """Compute the map of each channel behind a stage, for one picture.

    Parameters
    ----------
    backbone : Backbone or str
        A backbone, or a name for `load_backbone`.
    picture : PIL.Image, path, ndarray or ImageSet
        One picture; an array has shape (height, width, 3) and type uint8.
    stage : str or int
        Name of the stage, or a negative index (-1 is the last).

    Returns
    -------
    ndarray of float32, shape (n_channels, height, width)
        The maps.

    Raises
    ------
    ValueError
        If the stage is unknown or has no maps of height and width, or if there is more than one picture.

    Examples
    --------
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> feature_maps(backbone, tl.load_images("styles").read(0), "stage1").shape
    (16, 16, 16)
    """
    pictures = gather_pictures(picture if hasattr(picture, "pictures") else [picture])
    if len(pictures) != 1:
        raise ValueError(f"picture: {len(pictures)} pictures, expected one, as in images[3:4]")
    settings = {"engine": "torch", "cache": False, "progress": False}
    return extract_features(backbone, pictures, stage=stage, pooled=False, **settings).values[0]


def find_maximally_activating(
    backbone: "tl.Backbone | Features | str",
    images: ImageSet,
    stage: str | int,
    channel: int,
    n: int = 8,
    *,
    one_per_group: bool = True,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the pictures that activate a channel most, by the mean of its map.

    Before you name a channel after its pictures, look at the least activating ones too.

    Parameters
    ----------
    backbone : Backbone, str or Features
        A backbone, a name for `load_backbone`, or the features of `images` behind the stage.
    images : ImageSet
        The pictures to search.
    stage : str or int
        Name of the stage, or a negative index.
    channel, n : int
        Index of the channel, and number of pictures, by default 8; fewer are returned if there are no more.
    one_per_group, progress : bool
        Return only the best picture of each group, such as a drawing and its variants (default); show a progress bar.

    Returns
    -------
    indices : ndarray of int, shape (n,)
        Indices of the pictures in `images`, highest activation first.
    activations : ndarray of float32, shape (n,)
        Mean activation of the channel.

    Raises
    ------
    ValueError
        If the stage or channel is unknown, or the features belong to other pictures.

    Examples
    --------
    >>> images, backbone = tl.load_images("styles")[:10], tl.load_backbone(weights=None, image_size_px=32)
    >>> indices, activations = find_maximally_activating(backbone, images, "stage1", 0, n=3)
    >>> len(indices), bool(activations[0] >= activations[2])
    (3, True)
    """
    n = check_count("n", n, 1)
    features = backbone
    if not hasattr(features, "values"):
        features = extract_features(backbone, images, stage=stage, progress=progress)
    if len(features) != len(images):
        raise ValueError(f"backbone: Features of {len(features)} pictures, expected those of the {len(images)} images")
    values = features.values[:, check_count("channel", channel, 0, features.values.shape[1] - 1)]
    order = np.argsort(-values, kind="stable")
    if one_per_group:
        order = order[np.sort(np.unique(features.groups[order], return_index=True)[1])]
    return order[:n], values[order[:n]]
