"""Test-time augmentation: features of augmented views of pictures, by a frozen network."""

from tlkit.arguments import check_count
from tlkit.strategies.augmentation import check_medium, check_policies, split_policies
from tlkit.training.batches import TrainingPictures
from tlkit.training.frozen_prefix import PrefixOutputs


def check_views(n_views, augment, noun, argument="augment"):
    """Return the number of views and the augmentation if they can be used to predict pictures or texts (`noun`)."""
    n_views, augment = check_count("n_views", n_views, 1), check_policies(augment, argument)
    if augment is None and n_views > 1:
        raise ValueError(f"n_views: {n_views} without augmentation are all alike: take {argument}='flip' or another")
    check_medium(augment, noun, argument)
    policy, mixing = split_policies(augment)
    if mixing:
        why = "mixes pictures of several classes, so a view has no single class to predict"
        raise ValueError(f"{argument}: {mixing!r} {why}; take policies that change each picture")
    return n_views, policy


def extract_views(backbone, images, augment, n_views, *, seed, pretrained, progress=False):
    """Yield the features (n, n_features) float32 of all pictures, view by view; draws depend on the picture's index."""
    pictures = TrainingPictures(images, backbone.recipe, seed)
    outputs = PrefixOutputs(backbone, len(backbone.stages), pictures, pretrained=pretrained)
    for view in range(n_views):
        # One view at a time, because many views of many pictures would not fit in memory.
        outputs.compute([(augment, view)], progress=progress)
        yield outputs.views[augment, view]
