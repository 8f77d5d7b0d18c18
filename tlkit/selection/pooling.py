"""What turns the output of an inner stage into features: the mean over places."""

from torch import nn


class MeanOverPlaces(nn.Module):
    """The mean over the places of a map, or over the tokens of a sequence; no parameters.

    Arguments
    ---------
    axes: tuple of int
        Which axes of the stage's output are places.
    """

    def __init__(self, axes):
        super().__init__()
        self.axes = axes

    @classmethod
    def of(cls, shape):
        """Return one for a stage whose output of one square picture has this shape.

        (n, channels, side, side) is what most networks have; Swin has (n, side, side, channels), ViT (n, tokens,
        channels), the class token among them.
        """
        if len(shape) == 4:
            return cls((1, 2) if shape[1] == shape[2] != shape[3] else (2, 3))
        return cls(tuple(range(1, len(shape) - 1)))

    def forward(self, batch):
        return batch.mean(dim=self.axes) if self.axes else batch

    def extra_repr(self):
        """Return the axes, so that they are part of the backbone's fingerprint."""
        return f"axes={self.axes}"
