"""Examples of each class, side by side."""

import io

import numpy as np
from PIL import Image

from tlkit.images.contact_sheet import CELL_PX, PITCH_PX, compose_rows, stack_rows


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
    rows = compose_rows(images, per_class, seed)
    sheet = stack_rows([row for row, _ in rows.values()])
    ax.imshow(np.asarray(sheet), interpolation="nearest")
    ax.set_yticks(
        np.arange(len(rows)) * PITCH_PX + CELL_PX / 2,
        [f"{name}  {n_pictures}" for name, (_, n_pictures) in rows.items()],
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
