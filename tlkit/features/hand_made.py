"""Features that no network learned: shapes and colours, the baseline from before deep learning. Without torch."""

import numpy as np

from tlkit.features.features import Features

_CELL_PX, _N_ORIENTATIONS, _COLOUR_BINS = 16, 9, 4


def extract_hand_made(images, image_size_px=96):
    """Describe pictures by histograms of oriented gradients and of colours.

    Gradients as in Dalal and Triggs 2005 (Histograms of oriented gradients for human detection), on cells of 16 px and
    blocks of 2 × 2 cells; colours as a histogram of 4 × 4 × 4 bins of red, green and blue. Square roots of the colours'
    shares (Hellinger) and both halves scaled to length 1, so that neither outweighs the other.

    Arguments
    ---------
    images: ImageSet
    image_size_px: int
        Pictures are squeezed to this height and width, 32 or more.

    Returns `Features`. Raises ValueError for a size below that of one block.
    """
    from PIL import Image
    from skimage.feature import hog

    if not image_size_px >= 2 * _CELL_PX:
        raise ValueError(f"image_size_px: {image_size_px}, expected {2 * _CELL_PX} or more, the side of one block")
    n_shapes = (image_size_px // _CELL_PX - 1) ** 2 * 4 * _N_ORIENTATIONS
    values = np.empty((len(images), n_shapes + _COLOUR_BINS**3), dtype=np.float32)
    for index in range(len(images)):
        picture = images.read(index).resize((image_size_px, image_size_px), Image.Resampling.BILINEAR)
        shapes = hog(
            np.asarray(picture.convert("L")),
            orientations=_N_ORIENTATIONS,
            pixels_per_cell=(_CELL_PX, _CELL_PX),
            cells_per_block=(2, 2),
        )
        colours = np.sqrt(_count_colours(np.asarray(picture)))
        values[index, :n_shapes] = shapes / (np.linalg.norm(shapes) or 1)
        values[index, n_shapes:] = colours / np.linalg.norm(colours)
    provenance = {"backbone": "hand_made", "engine": "scikit-image", "image_size_px": str(image_size_px)}
    return Features(values, images.labels, images.classes, images.names, images.groups, provenance)


def _count_colours(pixels):
    bins = pixels.reshape(-1, 3) // (256 // _COLOUR_BINS)
    numbers = bins @ np.array([_COLOUR_BINS**2, _COLOUR_BINS, 1])
    return np.bincount(numbers, minlength=_COLOUR_BINS**3) / len(numbers)
