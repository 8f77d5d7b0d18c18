"""A `Training` as `transfer` makes it, for tests that look inside."""

from tlkit.training.batches import TrainingPictures
from tlkit.training.loop import Training


def make_training(backbone, head, strategy, images, *, seed=0, n_views=None, held=None, target=None, **settings):
    """Return a `Training` that has not begun; settings as in `transfer`."""
    defaults = {
        "batch_size": 8,
        "micro_batch_size": None,
        "optimizer": "adamw",
        "weight_decay": 0.01,
        "label_smoothing": 0.0,
        "balance": None,
        "max_grad_norm": None,
        "precision": "exact",
        "patience": None,
        "frozen_prefix_mib": 1024,
        "auxiliary": None,
        "callbacks": (),
        "keep": None,
        "progress": False,
    }
    return Training(
        backbone,
        head,
        strategy,
        TrainingPictures(images, backbone.recipe, seed, n_views),
        TrainingPictures(held, backbone.recipe, seed) if held else None,
        TrainingPictures(target, backbone.recipe, seed, n_views) if target else None,
        backbone,
        seed=seed,
        **defaults | settings,
    )
