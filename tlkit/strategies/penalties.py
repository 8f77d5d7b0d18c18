"""Penalties that are added to the loss while a network is tuned: a pull back to its pretrained weights."""

from typing import Any

from tlkit.arguments import check_number


def l2_sp(backbone: Any, start: dict[str, Any], *, penalty_weight: float) -> Any:
    """Return the L2-SP penalty: half the weighted squared distance of the trained parameters from their start.

    Weight decay pulls towards zero, which forgets the pretraining; this pulls towards the pretrained values.

    Parameters
    ----------
    backbone, start : Backbone and dict of str to tensor
        Network, whose parameters that require a gradient are pulled, and its parameters at the start of the phase.
    penalty_weight : float
        Weight of the squared distance, at least 0.

    Returns
    -------
    tensor
        Shape (), float32: `penalty_weight / 2 * squared_distance`.

    Raises
    ------
    ValueError
        If the weight is below 0.

    Notes
    -----
    Li et al. add weight decay on the head, which has no pretrained values, and none on the backbone. Here the penalty
    does not pull the head either, but the optimizer's `weight_decay` acts on everything; `weight_decay=0` pulls the
    backbone as in the paper. They train with SGD. AdamW divides each gradient by its size, so a pull only counts if it
    is large compared with the gradients of the loss, and weights from the paper do not carry over.

    References
    ----------
    .. [1] Li, Grandvalet and Davoine 2018, Explicit inductive bias for transfer learning with convolutional networks.

    Examples
    --------
    >>> backbone = tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)
    >>> start = {name: value.detach() - 1 for name, value in backbone.named_parameters()}
    >>> n_parameters = sum(value.numel() for value in backbone.parameters())
    >>> round((l2_sp(backbone, start, penalty_weight=0.1) / n_parameters).item(), 4)
    0.05
    """
    check_number("penalty_weight", penalty_weight, at_least=0)
    distance = next(backbone.parameters()).new_zeros(())
    for name, value in backbone.named_parameters():
        if value.requires_grad:
            distance = distance + ((value - start[name]) ** 2).sum()
    return penalty_weight / 2 * distance
