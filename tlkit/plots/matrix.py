"""A matrix of numbers as shades, with a text in each cell."""

from tlkit.plots.style import hide_frame

_DARK = 0.6  # from this share of the scale on, a cell is too dark for black text


def draw_matrix(values, texts, rows, columns, ax, *, limits, fontsize=9, **image):
    """Draw (n_rows, n_columns) values as shades between limits (low, high), with texts {(row, column): str}."""
    low, high = limits
    ax.imshow(values, vmin=low, vmax=high, **image)
    for (row, column), text in texts.items():
        value = values[row, column]
        colour = "white" if value > _DARK * high or value < _DARK * low < 0 else "black"
        ax.text(column, row, text, ha="center", va="center", fontsize=fontsize, color=colour)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    hide_frame(ax)
