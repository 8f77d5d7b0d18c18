"""Which axes of a stage's output are places in the picture. Without torch."""


def find_places(shape):
    """Return the axes of places in the output of a stage for one square picture.

    (n, channels, side, side) is what most networks have; Swin has (n, side, side, channels), ViT (n, tokens, channels),
    the class token among them; (n, channels) has no places.

    Arguments
    ---------
    shape: tuple of int
        With the number of pictures first.

    >>> find_places((1, 64, 7, 7)), find_places((1, 7, 7, 64)), find_places((1, 197, 768)), find_places((1, 512))
    ((2, 3), (1, 2), (1,), ())
    """
    if len(shape) == 4:
        return (1, 2) if shape[1] == shape[2] != shape[3] else (2, 3)
    return tuple(range(1, len(shape) - 1))
