"""The effect of a choice of frozen stages on weights, memory and time, compared with training everything."""

from tlkit.plots.page import Page
from tlkit.plots.style import COLOURS

SIZE_INCHES = (9.8, 6.2)

_FROZEN, _MOVES, _OUTLINE = COLOURS[5], COLOURS[4], "#555555"
# Of the four parts of the memory; in gray their hatches differ.
_MEMORY_STYLES = ((COLOURS[6], ""), (COLOURS[1], "//"), (COLOURS[3], ".."), (COLOURS[2], "\\\\"))
_BAR_WIDTH = 0.7
_ABOVE_FRAMES = 2.6  # zorder of the dynamic part, above the frames of the static part


class FreezingPage(Page):
    """Draw one choice of frozen stages after another."""

    def __init__(self, everything):
        super().__init__(SIZE_INCHES, lambda figure: _draw_static(everything, figure), _draw_dynamic)


def _draw_static(everything, figure):
    """Draw frames and outlines; return the axes of moves, activations, durations and memory."""
    moves = figure.add_axes((0.12, 0.67, 0.62, 0.21))
    activations = figure.add_axes((0.12, 0.37, 0.62, 0.23))
    durations = figure.add_axes((0.12, 0.07, 0.62, 0.23))
    memory = figure.add_axes((0.82, 0.07, 0.17, 0.81))
    n_parts = len(everything.parts)
    for ax in (moves, activations, durations):
        ax.set_xlim(-0.5, n_parts - 0.5)
        ax.set_xticks(range(n_parts), everything.parts, fontsize=8)
        ax.tick_params(length=0)
    moves.set_yticks(range(len(everything.moves)), everything.moves, fontsize=9)
    moves.set_ylim(len(everything.moves) - 0.5, -0.5)
    moves.xaxis.set_visible(False)
    moves.set_title("changed by a training step", fontsize=10, pad=32)
    _draw_outlines(everything.activations_mib, activations, "MiB")
    activations.set_title("kept for the backward pass (outline: everything learns)", fontsize=10)
    _draw_outlines([1000 * duration_s for duration_s in everything.durations_s], durations, "ms")
    durations.set_title("time of a step (outline: everything learns)", fontsize=10)
    _draw_memory(everything.memory_mib, 1, memory)
    memory.set_xticks([0, 1], ["this choice", "everything\nlearns"], fontsize=9)
    memory.set_xlim(-0.55, 1.55)
    memory.set_ylim(0, 1.3 * sum(everything.memory_mib.values()))
    memory.set_ylabel("MiB")
    memory.set_title("memory of a step", fontsize=10, pad=32)
    memory.legend(loc="upper center", fontsize=7.5, reverse=True, ncols=1)
    return moves, activations, durations, memory


def _draw_outlines(values, ax, unit):
    """Draw the (n_parts,) values of training everything as dashed outlines."""
    ax.bar(range(len(values)), values, _BAR_WIDTH, fill=False, edgecolor=_OUTLINE, linestyle="--")
    ax.set_ylim(0, 1.3 * max(values))
    ax.set_ylabel(unit)


def _draw_memory(memory_mib, column, ax):
    """Draw a stacked bar of the four parts of the memory in a column, with their sum above it."""
    bottom = 0
    for (name, value), (colour, hatch) in zip(memory_mib.items(), _MEMORY_STYLES, strict=True):
        label = name if column == 1 else None
        style = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0, "zorder": _ABOVE_FRAMES}
        ax.bar(column, value, _BAR_WIDTH, bottom, label=label, **style)
        bottom += value
    ax.text(column, bottom, f"{bottom:.0f}", ha="center", va="bottom", fontsize=9)


def _draw_dynamic(summary, axes):
    """Draw the values of a choice into the frames."""
    moves, activations, durations, memory = axes
    for column, part in enumerate(summary.parts):
        treatment = "frozen" if part in summary.choice.frozen else "learns"
        moves.text(column, -0.6, f"{part}\n{treatment}", ha="center", va="bottom", fontsize=8)
    for row, marks in enumerate(summary.moves.values()):
        _draw_marks(marks, row, moves)
    _draw_bars(summary.activations_mib, summary, activations)
    _draw_bars([1000 * duration_s for duration_s in summary.durations_s], summary, durations)
    _draw_memory(summary.memory_mib, 0, memory)


def _draw_marks(marks, row, ax):
    """Draw whether each part moves: (n_parts,) bool, None for a part without such values, such as norm layers."""
    columns = [column for column, moved in enumerate(marks) if moved is not None]
    colours = [_MOVES if marks[column] else _FROZEN for column in columns]
    ax.bar(columns, 0.9, 0.94, row - 0.45, color=colours, zorder=_ABOVE_FRAMES)
    for column in columns:
        ax.text(column, row, "moves" if marks[column] else "still", ha="center", va="center", fontsize=8)


def _draw_bars(values, summary, ax):
    """Draw the (n_parts,) values of a choice as bars with numbers."""
    colours = [_FROZEN if part in summary.choice.frozen else _MOVES for part in summary.parts]
    ax.bar(range(len(values)), values, _BAR_WIDTH, color=colours, zorder=_ABOVE_FRAMES)
    # On white, since the outlines would cross the numbers.
    style = {"ha": "center", "fontsize": 8, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.8}}
    for column, value in enumerate(values):
        ax.annotate(f"{value:.1f}", (column, value), (0, 3), textcoords="offset points", **style)
