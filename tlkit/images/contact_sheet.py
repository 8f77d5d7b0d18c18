"""A sheet of examples, one row of pictures per class. Without matplotlib."""

import numpy as np
from PIL import Image, ImageOps

from tlkit.images.splits import draw_shots

CELL_PX = 64
GAP_PX = 4


def compose_rows(images, per_class, seed):
    """Return {class: (a PIL picture of its examples, number of its pictures)} for the classes that have pictures."""
    if not len(images):
        raise ValueError("images: an empty set, expected at least one picture to draw")
    drawn = draw_shots(images.labels, images.groups, images.names, images.classes, shots=per_class, seed=seed)
    counts = np.bincount(images.labels)
    pitch_px = CELL_PX + GAP_PX
    rows = {}
    for label in np.unique(images.labels):
        indices = drawn[images.labels[drawn] == label]
        row = Image.new("RGB", (len(indices) * pitch_px - GAP_PX, CELL_PX), "white")
        for column, index in enumerate(indices):
            cell = ImageOps.pad(images.read(int(index)), (CELL_PX, CELL_PX), color="white")
            row.paste(cell, (column * pitch_px, 0))
        rows[images.classes[label]] = row, int(counts[label])
    return rows
