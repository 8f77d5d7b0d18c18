"""Contact sheets: example pictures, one row per class. Without matplotlib."""

import numpy as np
from PIL import Image, ImageOps

from tlkit.images.splits import draw_shots

CELL_PX = 64
GAP_PX = 4
PITCH_PX = CELL_PX + GAP_PX  # from one cell to the next


def compose_rows(images, per_class, seed):
    """Return {class: (PIL picture of its examples, number of its pictures)} for each class that has pictures."""
    if not len(images):
        raise ValueError("images: an empty set, expected at least one picture to draw")
    drawn = draw_shots(images.labels, images.groups, images.names, images.classes, shots=per_class, seed=seed)
    counts = np.bincount(images.labels)
    rows = {}
    for label in np.unique(images.labels):
        indices = drawn[images.labels[drawn] == label]
        row = Image.new("RGB", (len(indices) * PITCH_PX - GAP_PX, CELL_PX), "white")
        for column, index in enumerate(indices):
            cell = ImageOps.pad(images.read(int(index)), (CELL_PX, CELL_PX), color="white")
            row.paste(cell, (column * PITCH_PX, 0))
        rows[images.classes[label]] = row, int(counts[label])
    return rows


def stack_rows(rows):
    """Return the rows of `compose_rows`, a list of PIL pictures, as one PIL picture."""
    sheet = Image.new("RGB", (max(row.width for row in rows), len(rows) * PITCH_PX - GAP_PX), "white")
    for index, row in enumerate(rows):
        sheet.paste(row, (0, index * PITCH_PX))
    return sheet
