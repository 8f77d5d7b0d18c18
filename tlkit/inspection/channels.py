"""What the channels of a stage react to: their maps of one picture, and the pictures that excite one most."""

import numpy as np

from tlkit.arguments import check_count
from tlkit.features.extract import extract_features
from tlkit.images.inputs import gather_pictures


def feature_maps(backbone, picture, stage):
    """Return the map of each channel behind a stage, for one picture.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`
    picture: PIL picture, path, array (height, width, 3) of uint8, or an ImageSet of one picture
    stage: str or negative int

    Returns (n_channels, height, width) float32. Raises ValueError for an unknown stage, one without maps of height and
    width, or more than one picture.

    >>> import tlkit as tl
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> feature_maps(backbone, tl.load_images("styles").read(0), "stage1").shape
    (16, 16, 16)
    """
    pictures = gather_pictures(picture if hasattr(picture, "pictures") else [picture])
    if len(pictures) != 1:
        raise ValueError(f"picture: {len(pictures)} pictures, expected one, as in images[3:4]")
    settings = {"engine": "torch", "cache": False, "progress": False}
    return extract_features(backbone, pictures, stage=stage, pooled=False, **settings).values[0]


def find_maximally_activating(backbone, images, stage, channel, n=8, *, other_groups=True, progress=False):
    """Find the pictures to which a channel reacts most, by the mean of its map.

    A channel is what its pictures have in common, if they have anything in common; look at the least exciting too
    before giving it a name.

    Arguments
    ---------
    backbone: Backbone, or a name for `load_backbone`; or Features
        Features are those of `images` behind the stage, which then isn't computed again.
    images: ImageSet
    stage: str or negative int
    channel: int
    n: int
        How many pictures, fewer where there are no more.
    other_groups: bool
        Of each group, such as a drawing and its variants, only the most exciting one.
    progress: bool

    Returns (indices, reactions): (n,) int positions in `images`, and (n,) float32, the greatest first. Raises
    ValueError for an unknown stage or channel.

    >>> import tlkit as tl
    >>> backbone = tl.load_backbone(weights=None, image_size_px=32)
    >>> images = tl.load_images("styles", domain="clipart")[:10]
    >>> indices, reactions = find_maximally_activating(backbone, images, "stage1", 0, n=3)
    >>> len(indices), bool(reactions[0] >= reactions[2])
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
    if other_groups:
        order = order[np.sort(np.unique(features.groups[order], return_index=True)[1])]
    return order[:n], values[order[:n]]
