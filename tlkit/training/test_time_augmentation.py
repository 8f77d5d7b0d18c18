"""Features of drawn views of pictures: what a network says of each, changed by an augmentation."""

from tlkit.arguments import check_count
from tlkit.strategies.augmentation import check_policies, split_policies
from tlkit.training.batches import TrainingPictures
from tlkit.training.frozen_prefix import PrefixOutputs


def check_views(n_views, augment):
    """Return (number of views, what changes each picture), once they can be asked for.

    Arguments
    ---------
    n_views: int
    augment: str, or list or tuple of str; None: the pictures as they are

    Raises ValueError for several views that would all be alike, and for what mixes pictures.
    """
    n_views, augment = check_count("n_views", n_views, 1), check_policies(augment)
    if augment is None and n_views > 1:
        raise ValueError(f"n_views: {n_views} without augmentation are all alike: take augment='flip' or another")
    policy, mixing = split_policies(augment)
    if mixing:
        raise ValueError(
            f"augment: {mixing!r} mixes pictures of several classes, and so leaves none to ask about; take policies "
            "that change each picture"
        )
    return n_views, policy


def extract_views(backbone, images, augment, n_views, *, seed, pretrained, progress=False):
    """Yield the features of one view of all pictures after the other, (n, n_features) float32.

    Arguments
    ---------
    backbone: Backbone
    images: ImageSet
    augment: str or tuple of str
        Policies that change each picture. What becomes of a picture depends on seed, number of the view, and the
        picture's place in the set.
    n_views, seed: int
    pretrained: bool
        Whether the backbone is as it was pretrained, when it may pay to convert it for a faster engine.
    progress: bool
    """
    pictures = TrainingPictures(images, backbone.recipe, seed)
    front = PrefixOutputs(backbone, len(backbone.stages), pictures, pretrained=pretrained)
    for view in range(n_views):
        # One at a time: many views of many pictures would not find room beside each other.
        front.compute([(augment, view)], progress=progress)
        yield front.views[augment, view]
