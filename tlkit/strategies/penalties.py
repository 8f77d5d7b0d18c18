"""What is added to the loss while a network is tuned: a pull back to where it came from."""


def l2_sp(backbone, start, *, penalty_weight):
    """Return the L2-SP penalty: penalty_weight / 2 × the squared distance of what is trained from where it started.

    Weight decay pulls towards zero, where a pretrained network knows nothing; this pulls towards the pretrained values
    instead, so that the network leaves them only for what lowers the loss.

    Li, Grandvalet and Davoine 2018 (Explicit inductive bias for transfer learning with convolutional networks). They
    add weight decay on the head, which has no pretrained values, and none on the backbone. Here the head isn't pulled
    by the penalty either and the optimiser's `weight_decay` acts on all alike; with `weight_decay=0` the backbone is
    pulled as in the paper. They train with SGD; under AdamW, which divides each gradient by its size, a pull counts
    where it is large beside the gradients of the loss, so that penalty_weights don't carry over.

    Arguments
    ---------
    backbone: Backbone
        Its parameters that require a gradient are pulled.
    start: dict of str to tensor
        Parameters by name as they were when the phase began.
    penalty_weight: float
        At least 0.

    Returns a tensor (), float32. Raises ValueError for a penalty_weight below 0.
    """
    if not penalty_weight >= 0:
        raise ValueError(f"penalty_weight: {penalty_weight!r}, expected a number of at least 0")
    distance = next(backbone.parameters()).new_zeros(())
    for name, value in backbone.named_parameters():
        if value.requires_grad:
            distance = distance + ((value - start[name]) ** 2).sum()
    return penalty_weight / 2 * distance
