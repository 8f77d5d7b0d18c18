"""What a choice of frozen stages moves, keeps in memory and takes, beside what training everything would."""

from tlkit.plots.page import Page

SIZE_INCHES = (9.8, 6.2)

_FROZEN, _MOVES, _OUTLINE = "#56B4E9", "#E69F00", "#555555"
# Of the four parts of the memory: colours of Okabe and Ito, told apart in gray by their hatches.
_MEMORY_STYLES = (("#000000", ""), ("#D55E00", "//"), ("#CC79A7", ".."), ("#009E73", "\\\\"))
_BAR_WIDTH = 0.7
# What is drawn again and again lies above the frames, which are drawn once.
_ABOVE_FRAMES = 2.6


def draw_freezing(summary, everything, figure):
    """Draw a choice of frozen stages on an empty figure, best of `SIZE_INCHES`.

    Arguments
    ---------
    reading, everything: FreezingSummary
        Of the choice, and with no stage frozen, which is drawn as outlines.
    figure: matplotlib Figure

    Returns the figure.
    """
    _draw_what_changes(summary, _draw_what_stays(everything, figure))
    return figure


class FreezingPage(Page):
    """The same drawing, made again and again for choices of stages of one network.

    Arguments
    ---------
    everything: FreezingSummary
        With no stage frozen.
    """

    def __init__(self, everything):
        super().__init__(SIZE_INCHES, lambda figure: _draw_what_stays(everything, figure), _draw_what_changes)


def _draw_what_stays(everything, figure):
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
    moves.set_title("what a training step moves", fontsize=10, pad=32)
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
    ax.bar(range(len(values)), values, _BAR_WIDTH, fill=False, edgecolor=_OUTLINE, linestyle="--")
    ax.set_ylim(0, 1.3 * max(values))
    ax.set_ylabel(unit)


def _draw_memory(memory_mib, place, ax):
    bottom = 0
    for (name, value), (colour, hatch) in zip(memory_mib.items(), _MEMORY_STYLES, strict=True):
        label = name if place == 1 else None
        style = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0, "zorder": _ABOVE_FRAMES}
        ax.bar(place, value, _BAR_WIDTH, bottom, label=label, **style)
        bottom += value
    ax.text(place, bottom, f"{bottom:.0f}", ha="center", va="bottom", fontsize=9)


def _draw_what_changes(summary, axes):
    moves, activations, durations, memory = axes
    for place, part in enumerate(summary.parts):
        word = "frozen" if part in summary.choice.frozen else "learns"
        moves.text(place, -0.6, f"{part}\n{word}", ha="center", va="bottom", fontsize=8)
    for row, marks in enumerate(summary.moves.values()):
        _draw_marks(marks, row, moves)
    _draw_bars(summary.activations_mib, summary, activations)
    _draw_bars([1000 * duration_s for duration_s in summary.durations_s], summary, durations)
    _draw_memory(summary.memory_mib, 0, memory)


def _draw_marks(marks, row, ax):
    # What a part has nothing of, as some have no norm layers, stays empty.
    places = [place for place, moved in enumerate(marks) if moved is not None]
    colours = [_MOVES if marks[place] else _FROZEN for place in places]
    ax.bar(places, 0.9, 0.94, row - 0.45, color=colours, zorder=_ABOVE_FRAMES)
    for place in places:
        ax.text(place, row, "moves" if marks[place] else "still", ha="center", va="center", fontsize=8)


def _draw_bars(values, summary, ax):
    colours = [_FROZEN if part in summary.choice.frozen else _MOVES for part in summary.parts]
    ax.bar(range(len(values)), values, _BAR_WIDTH, color=colours, zorder=_ABOVE_FRAMES)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # the outlines would cross the numbers
    for place, value in enumerate(values):
        ax.annotate(
            f"{value:.1f}", (place, value), (0, 3), textcoords="offset points", ha="center", fontsize=8, bbox=box
        )
