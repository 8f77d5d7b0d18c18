"""Arms of an ablation: strategies that differ only in their augmentation."""

import dataclasses

from tlkit.strategies.augmentation import check_policies, format_augment
from tlkit.strategies.catalogue import get
from tlkit.strategies.strategy import Strategy


def augmented(strategy: str | Strategy, augment: str | list | tuple | None, *, name: str | None = None) -> Strategy:
    """Return a strategy with another augmentation in every phase that trains for epochs.

    Several form an ablation in `compare`: all arms of a seed see the same pictures in the same order.

    Parameters
    ----------
    strategy, augment : str or Strategy, and str or list of str, optional
        Strategy to change, or its name, and augmentation policies, as in `Phase`; None for no augmentation.
    name : str, optional
        Name of the result. By default the strategy's name and the policies, for example "lp_ft + crop".

    Returns
    -------
    Strategy
        A copy with the augmentation.

    Raises
    ------
    ValueError
        If a policy is unknown, or if the strategy only solves a head, which never sees augmented pictures.

    Examples
    --------
    >>> [augmented("fine_tune", policy).name for policy in (None, "flip", ["crop", "mixup"])]
    ['fine_tune + none', 'fine_tune + flip', 'fine_tune + crop + mixup']
    >>> [phase.augment for phase in augmented("lp_ft", "flip").phases]
    [None, 'flip']
    """
    strategy, augment = get(strategy), check_policies(augment)
    if all(phase.n_epochs is None for phase in strategy.phases):
        raise ValueError(f"strategy: {strategy.name!r} solves its head, which uses no augmentation; take one of epochs")
    phases = [one if one.n_epochs is None else dataclasses.replace(one, augment=augment) for one in strategy.phases]
    name = f"{strategy.name} + {format_augment(augment)}" if name is None else name
    return dataclasses.replace(strategy, phases=phases, name=name)
