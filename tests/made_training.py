"""A `Training` as `transfer` makes it, for tests that look inside."""

from tlkit.cpu.draws import Draws
from tlkit.training.loop import Training
from tlkit.training.settings import TrainingSettings


def make_training(
    backbone,
    head,
    strategy,
    images,
    *,
    validation_images=None,
    target=None,
    checkpoints=None,
    **settings,
):
    """Return a `Training` that has not begun; settings as in `transfer`."""
    return Training(
        backbone,
        head,
        strategy,
        images,
        TrainingSettings(**{"progress": False} | settings),
        original=backbone,
        draws=Draws(settings.get("seed", 0)),
        validation_images=validation_images,
        target=target,
        checkpoints=checkpoints,
    )
