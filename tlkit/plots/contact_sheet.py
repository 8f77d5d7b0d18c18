"""Examples of each class, side by side."""

import io

import numpy as np
from PIL import Image, ImageOps

from tlkit.images.splitting import draw_shots

_CELL_PX = 64
_GAP_PX = 4


def draw_contact_sheet(images, ax, per_class=6, seed=0):
    """Draw some pictures of each class in a row of its own, with the class's name and number of pictures.

    Arguments
    ---------
    images: ImageSet
    ax: matplotlib Axes
    per_class: int
        How many of each class at most; different groups first.
    seed: int
        Which ones.

    Returns `ax`. A class without pictures has no row. Raises ValueError for an empty set.
    """
    if not len(images):
        raise ValueError("images: an empty set, expected at least one picture to draw")
    drawn = draw_shots(images.labels, images.groups, images.names, images.classes, shots=per_class, seed=seed)
    labels = np.unique(images.labels)
    rows = [drawn[images.labels[drawn] == label] for label in labels]
    pitch_px = _CELL_PX + _GAP_PX
    n_columns = max(map(len, rows))
    sheet = Image.new("RGB", (n_columns * pitch_px - _GAP_PX, len(rows) * pitch_px - _GAP_PX), "white")
    for row, indices in enumerate(rows):
        for column, index in enumerate(indices):
            cell = ImageOps.pad(images.read(int(index)), (_CELL_PX, _CELL_PX), color="white")
            sheet.paste(cell, (column * pitch_px, row * pitch_px))
    ax.imshow(np.asarray(sheet), interpolation="nearest")
    counts = np.bincount(images.labels)
    ax.set_yticks(
        np.arange(len(rows)) * pitch_px + _CELL_PX / 2,
        [f"{images.classes[label]}  {counts[label]}" for label in labels],
    )
    ax.set_xticks([])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def render_contact_sheet(images, per_class=6, seed=0):
    """Return the same as a PNG (bytes), for where there are no axes; arguments as in `draw_contact_sheet`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, 0.3 + 0.72 * len(np.unique(images.labels))), layout="constrained")
    draw_contact_sheet(images, figure.subplots(), per_class=per_class, seed=seed)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    # 128 colours: a notebook keeps this picture, and should stay small.
    content = io.BytesIO()
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(128).save(content, "PNG", optimize=True)
    return content.getvalue()
