"""The freeze score: stages down, epochs across, colour = learning rate."""

import functools
import math

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_hex
from matplotlib.patches import Patch

import tlkit as tl
from tlkit.names import format_strategy
from tlkit.plots.style import TEXT_PT, with_plain_texts
from tlkit.strategies.augmentation import format_augment
from tlkit.strategies.strategy import Strategy
from tlkit.summaries.freeze_score import Mark, format_rate, make_score

# The ends of the scale of learning rates; it grows by whole decades if rates lie beyond.
_DECADES = (-5, -2)
_N_COLOURS = 31
_HATCH, _HATCH_COLOUR = "////", "#c4c4c4"
_MOST_TICKS = 16
_ROWS = {"norm": "all norms", "bias": "all biases", "adapter": "adapters"}


@with_plain_texts
def draw_freeze_score(strategy: str | Strategy, backbone: "tl.Backbone", ax: Axes, *, n_train: int = 100) -> Axes:
    """Draw a strategy as a score: stages down with the head last, epochs across, colour = learning rate.

    Darker is faster, also in gray. Frozen cells are hatched. A head that is solved is a star in a column of its own.
    Norm layers, biases and adapters have a row of their own if a phase trains them by that name, in any stage.

    Parameters
    ----------
    strategy : str or Strategy
        Strategy, or the name of a known one.
    backbone, ax : Backbone and matplotlib Axes
        Network whose stages are drawn, and the axes to draw on.
    n_train : int
        Number of training pictures, which the phases of some strategies depend on.

    Raises
    ------
    ValueError
        If the strategy or a stage is unknown.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> backbone = tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)
    >>> [label.get_text() for label in draw_freeze_score("lp_ft", backbone, Figure().subplots()).get_xticklabels()]
    ['solve', '1', '2', '3', '4', '5', '6']
    """
    from tlkit.strategies import catalogue

    return draw_score(make_score(catalogue.get(strategy), backbone, n_train), ax)


def draw_score(score, ax):
    """Draw a `FreezeScore`, as `draw_freeze_score` does; returns the axis."""
    n_parts, n_columns = len(score.parts), len(score.marks)
    rates = np.array(score.rates)
    norm, colours = make_rate_scale(rates)
    edges = np.arange(n_columns + 1) - 0.5, np.arange(n_parts + 1) - 0.5
    style = {"norm": norm, "cmap": colours, "edgecolor": "white", "linewidth": 0.6}
    ax.pcolormesh(*edges, np.ma.masked_equal(rates, 0), **style)
    ax.patch.set(hatch=_HATCH, edgecolor=_HATCH_COLOUR, facecolor="white")
    solved = [column for column, mark in enumerate(score.marks) if mark.solved]
    if solved:
        ax.plot(solved, [n_parts - 1] * len(solved), "*", color="black", markersize=11, label="head solved")
    ax.set_xlim(-0.5, n_columns - 0.5)
    ax.set_ylim(n_parts - 0.5, -0.5)
    _name_columns(score, ax)
    ax.set_yticks(range(n_parts), [_ROWS.get(part, part) for part in score.parts], fontsize=TEXT_PT)
    ax.tick_params(length=0)
    for columns in score.phases()[1:]:
        ax.axvline(columns[0] - 0.5, color="black", linewidth=1.4)
    has_notes = _write_notes(score, ax)
    around = [f"first {_format_function(score.prepare)}"] if score.prepare else []
    around += [f"at the end {_format_function(score.finish)}"] if score.finish else []
    title = format_strategy(score.name) + (f" ({', '.join(around)})" if around else "")
    ax.set_title(title, fontsize=10, loc="left", pad=20 if has_notes else 6)
    scale = ax.inset_axes((1.03, 0.36, 0.035, 0.64))
    ax.get_figure(root=True).colorbar(ScalarMappable(norm, colours), cax=scale, label="learning rate")
    handles = [Patch(facecolor="white", edgecolor=_HATCH_COLOUR, hatch=_HATCH, label="frozen")] * (not rates.all())
    handles += [line for line in ax.lines if line.get_label() == "head solved"]
    if handles:
        ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(1.0, -0.03), frameon=False, fontsize=TEXT_PT)
    _write_rates(score, norm, colours, ax)
    return ax


def make_rate_scale(rates):
    """Return (norm, colour map) of learning rates, logarithmic from 1e-5 to 1e-2, or by decades further."""
    # Reversed Viridis: its lightness falls evenly, so it can be read in gray and by colour-blind readers.

    low, high = _DECADES
    logarithms = np.log10([rate for rate in np.ravel(rates) if rate])
    if len(logarithms):
        low, high = min(low, math.floor(logarithms.min())), max(high, math.ceil(logarithms.max()))
    # Without the lightest end, which is close to the white of frozen cells.
    colours = matplotlib.colormaps["viridis_r"](np.linspace(0.06, 1, 64))
    return LogNorm(10.0**low, 10.0**high), LinearSegmentedColormap.from_list("rates", colours)


def list_rate_colours(rates):
    """Return the scale of `make_rate_scale` as dict: low, high (rates), colours (pairs of hexadecimal fill and ink)."""
    norm, colours = make_rate_scale(rates)
    values = [colours(share) for share in np.linspace(0, 1, _N_COLOURS)]
    return {"low": norm.vmin, "high": norm.vmax, "colours": [(to_hex(value), _choose_ink(value)) for value in values]}


def _choose_ink(colour):
    """Return the colour of text on an RGBA colour: black or white."""
    # Relative luminance; black and white have the same contrast at 0.18.
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in colour[:3]]
    return "#000000" if np.dot(linear, (0.2126, 0.7152, 0.0722)) > 0.18 else "#ffffff"


def _name_columns(score, ax):
    """Number the epochs, with gaps if there are many."""
    names, epoch = [], 0
    for mark in score.marks:
        epoch += not mark.solved
        names.append("solve" if mark.solved else str(epoch))
    step = -(-len(names) // _MOST_TICKS)
    shown = [column for column, name in enumerate(names) if name == "solve" or int(name) % step == 0 or name == "1"]
    ax.set_xticks(shown, [names[column] for column in shown], fontsize=TEXT_PT)
    ax.set_xlabel("epoch")


def _write_rates(score, norm, colours, ax):
    """Write each phase's learning rates into cells that have room for the text."""
    ax.get_figure(root=True).draw_without_rendering()  # the size of cells is known only after the layout
    points = ax.get_window_extent().bounds[2:] / np.array(ax.get_figure(root=True).dpi) * 72
    width, height = points / (len(score.marks), len(score.parts))
    for columns in score.phases():
        if score.marks[columns[0]].solved:
            continue
        for row, (part, rate) in enumerate(zip(score.parts, score.column(columns[0]), strict=True)):
            word = format_rate(rate)
            if len(word) * 0.62 * TEXT_PT > len(columns) * width or height < 1.2 * TEXT_PT:
                continue
            style = {"ha": "center", "va": "center", "fontsize": TEXT_PT, "gid": f"{part} {columns[0]}"}
            colour = colours(norm(rate)) if rate else (1, 1, 1, 1)
            # With its own background, otherwise borders and hatches would run through it.
            box = {"facecolor": colour, "edgecolor": "none", "pad": 1.2}
            middle = (columns[0] + columns[-1]) / 2
            text = ax.text(middle, row, word, color=_choose_ink(colour), bbox=box, **style)
            text.set_in_layout(False)  # otherwise it would change the layout that it was placed by


def _write_notes(score, ax):
    """Write the settings of phases above their columns; return whether there were any."""
    last, has_notes = "", False
    for columns in score.phases():
        note = _format_mark(score.marks[columns[0]])
        if note and note != last:
            style = {"textcoords": "offset points", "fontsize": TEXT_PT}
            ax.annotate(note, (columns[0] - 0.5, -0.5), (1, 3), **style).set_in_layout(False)
            has_notes = True
        last = note
    return has_notes


def _format_mark(mark):
    """Return the settings of a column as text; empty if they are the defaults."""
    words = [f"augmented: {format_augment(mark.augment)}"] if mark.augment else []
    words += [
        f"{name}: {_format_function(getattr(mark, name))}" for name in ("penalty", "objective") if getattr(mark, name)
    ]
    return ", ".join(words + ["norm statistics move"] * (mark.norm_statistics != Mark().norm_statistics))


def _format_function(function):
    """Return the name of a function, with its settings, as text."""
    if isinstance(function, functools.partial):
        settings = ", ".join(f"{name} {value}" for name, value in function.keywords.items())
        return f"{_format_function(function.func)} {settings}".strip()
    return format_strategy(getattr(function, "__name__", type(function).__name__))
