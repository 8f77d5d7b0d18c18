"""The effect of a choice of frozen stages on weights, memory and time, compared with training everything."""

from matplotlib.patches import Rectangle

from tlkit.plots.style import COLOURS, TEXT_PT
from tlkit.plots.vector import ON_LIGHT, QUIET, Page, mark

SIZE_INCHES = (9.2, 6.3)

_FROZEN, _MOVES = COLOURS[5], COLOURS[4]
# Of the four parts of the memory; in gray their hatches differ.
_MEMORY_STYLES = ((COLOURS[6], ""), (COLOURS[1], "//"), (COLOURS[3], ".."), (COLOURS[2], "\\\\"))
_COLUMNS = ("this choice", "everything learns")  # of the memory
_BAR_WIDTH = 0.7
_ABOVE_FRAMES = 2.6  # zorder of the dynamic part, above the frames of the static part


def make_freezing_page(everything):
    """Return the page that draws one choice of frozen stages after another."""
    return Page(SIZE_INCHES, lambda figure: _draw_static(everything, figure), _draw_dynamic)


def _draw_static(everything, figure):
    """Draw frames and outlines; return the axes of moves, activations, durations and memory."""
    moves = figure.add_axes((0.12, 0.69, 0.62, 0.2))
    activations = figure.add_axes((0.12, 0.375, 0.62, 0.23))
    durations = figure.add_axes((0.12, 0.08, 0.62, 0.22))
    memory = figure.add_axes((0.82, 0.08, 0.17, 0.81))
    n_parts = len(everything.parts)
    for ax in (moves, activations, durations):
        ax.set_xlim(-0.5, n_parts - 0.5)
        ax.set_xticks(range(n_parts), [part.replace("_", "\n") for part in everything.parts], fontsize=TEXT_PT)
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
    memory.set_xticks([0, 1], [name.replace("g l", "g\nl") for name in _COLUMNS], fontsize=TEXT_PT)
    memory.set_xlim(-0.55, 1.55)
    memory.set_ylim(0, 1.3 * sum(everything.memory_mib.values()))
    memory.set_ylabel("MiB")
    memory.set_title("memory of a step", fontsize=10, pad=32)
    memory.legend(loc="upper center", fontsize=TEXT_PT, reverse=True, ncols=1)
    return moves, activations, durations, memory


def _draw_outlines(values, ax, unit):
    """Draw the (n_parts,) values of training everything as dashed outlines."""
    ax.bar(range(len(values)), values, _BAR_WIDTH, fill=False, edgecolor=QUIET, linestyle="--")
    ax.set_ylim(0, 1.3 * max(values))
    ax.set_ylabel(unit)


def _draw_memory(memory_mib, column, ax):
    """Draw a stacked bar of the four parts of the memory in a column, with their sum above it."""
    bottom = 0
    for place, ((name, value), (colour, hatch)) in enumerate(zip(memory_mib.items(), _MEMORY_STYLES, strict=True)):
        label = name if column == 1 else None
        style = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0, "zorder": _ABOVE_FRAMES}
        (bar,) = ax.bar(column, value, _BAR_WIDTH, bottom, label=label, **style)
        mark(bar, "memory", column, place, words=f"{_COLUMNS[column]}, {name}: {value:.3g} MiB")
        bottom += value
    total = f"{bottom:.0f}" if bottom >= 1 else f"{bottom:.2g}"
    ax.text(column, bottom, total, ha="center", va="bottom", fontsize=TEXT_PT)


def _draw_dynamic(summary, axes):
    """Draw the values of a choice into the frames."""
    moves, activations, durations, memory = axes
    for column, part in enumerate(summary.parts):
        treatment = "frozen" if part in summary.choice.frozen else "learns"
        moves.text(column, -0.6, f"{part}\n{treatment}".replace("_", "\n"), ha="center", va="bottom", fontsize=TEXT_PT)
    # Whether each part moves; None for a part without such values, such as norm layers.
    for row, (kind, moved) in enumerate(summary.moves.items()):
        for column, part in enumerate(summary.parts):
            if moved[column] is not None:
                colour, word = (_MOVES, "moves") if moved[column] else (_FROZEN, "still")
                cell = Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, color=colour, zorder=_ABOVE_FRAMES)
                _mark_part(moves.add_artist(cell), column, summary.parts, f"{kind} of {part}: {word}")
                moves.text(column, row, word, ha="center", va="center", fontsize=TEXT_PT, color=ON_LIGHT)
    _draw_bars(summary.activations_mib, "MiB", summary, activations)
    _draw_bars([1000 * duration_s for duration_s in summary.durations_s], "ms", summary, durations)
    _draw_memory(summary.memory_mib, 0, memory)


def _mark_part(artist, column, parts, words):
    """Let a click on what is drawn of a stage freeze or unfreeze it; the head, the last part, isn't frozen."""
    mark(artist, "head" if column == len(parts) - 1 else "stage", column, words=words)


def _draw_bars(values, unit, summary, ax):
    """Draw the (n_parts,) values of a choice as bars with numbers."""
    colours = [_FROZEN if part in summary.choice.frozen else _MOVES for part in summary.parts]
    # On white, since the outlines would cross the numbers.
    style = {"ha": "center", "fontsize": TEXT_PT, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.8}}
    bars = ax.bar(range(len(values)), values, _BAR_WIDTH, color=colours, zorder=_ABOVE_FRAMES)
    for column, (bar, value) in enumerate(zip(bars, values, strict=True)):
        _mark_part(bar, column, summary.parts, f"{summary.parts[column]}: {value:.3g} {unit}")
        ax.annotate(f"{value:.1f}", (column, value), (0, 3), textcoords="offset points", **style)
