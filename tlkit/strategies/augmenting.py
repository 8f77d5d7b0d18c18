"""`augmented`: a strategy with another augmentation, as an arm of an ablation."""

import dataclasses

from tlkit.strategies import catalogue
from tlkit.strategies.augmentation import check_policies, say_augment


def augmented(strategy, augment, *, name=None):
    """Return a strategy of which every phase that trains for epochs augments its pictures so.

    With `compare`, several of them are an ablation: all arms of a seed see the same pictures in the same order, and
    differ in nothing but what is done to them.

    Arguments
    ---------
    strategy: Strategy, or the name of a known one
    augment: str or list of str; None for no augmentation
        As in `Phase`.
    name: str, optional
        By default the strategy's name and the policies, as in "lp_ft + crop", or "lp_ft + none".

    Returns a `Strategy`. Raises ValueError for unknown policies, and where the strategy only solves a head, which sees
    each picture once as it is.

    >>> import tlkit as tl
    >>> [augmented("fine_tune", policy).name for policy in (None, "flip", ["crop", "mixup"])]
    ['fine_tune + none', 'fine_tune + flip', 'fine_tune + crop + mixup']
    >>> [phase.augment for phase in augmented("lp_ft", "flip").phases]
    [None, 'flip']
    """
    strategy, augment = catalogue.get(strategy), check_policies(augment)
    if all(phase.n_epochs is None for phase in strategy.phases):
        raise ValueError(
            f"strategy: {strategy.name!r} solves its head, which knows no augmentation; take one with a phase of epochs"
        )
    phases = [
        phase if phase.n_epochs is None else dataclasses.replace(phase, augment=augment) for phase in strategy.phases
    ]
    name = f"{strategy.name} + {say_augment(augment)}" if name is None else name
    return dataclasses.replace(strategy, phases=phases, name=name)
