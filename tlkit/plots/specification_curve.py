"""Specification curves: the effect in each replication of a claim, sorted, above the choices behind it."""

import base64
import html
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from pandas import DataFrame

from tlkit.arguments import check_columns, check_known
from tlkit.evaluation.gains import MARGIN, VERDICTS
from tlkit.plots.letters import with_plain_texts
from tlkit.plots.page import Page
from tlkit.plots.style import COLOURS, FIXED, TEXT_PT, measure_error_bars, shorten
from tlkit.plots.vector import QUIET, make_vector_canvas, mark, render_vector
from tlkit.summaries.specification_curve import OUTSIDE, WITHIN, find_levels, name_results, summarise_curve

# The shapes differ, too, for readers in gray.
_STYLES = {"helps": (COLOURS[0], "^"), "harms": (COLOURS[1], "v"), "no difference that matters": (COLOURS[2], "s")}
_STYLES |= {"can't tell": (COLOURS[6], "D"), WITHIN: (COLOURS[0], "o"), OUTSIDE: (COLOURS[1], "X")}
_GONE = {"color": QUIET, "marker": "o", "markersize": 2, "alpha": 0.5}
_WIDTH_INCHES, _LEFT_INCHES, _TOP_INCHES, _CURVE_INCHES, _BOTTOM_INCHES = 9.2, 2.3, 0.35, 2.4, 0.35
_ROW_INCHES, _GAP = 0.19, 0.5  # between choices, in rows
_STYLE = "font-family: system-ui, sans-serif; background: white"
_ID = re.compile(r"\b[mp][0-9a-f]{10}\b")
_SURPLUS = re.compile(r'<!--.*?-->| id="(?![mp][0-9a-f]{10}")[^"]*"|(?<=>)\s+(?=<)')  # comments, other ids, spaces


@with_plain_texts
def draw_specification_curve(
    replications: DataFrame,
    choices: Mapping[str, Sequence],
    expected: str | tuple[float | None, float | None],
    axes: Sequence[Axes],
    *,
    effect: str = "difference in accuracy",
) -> tuple[Axes, ...]:
    """Draw the effects of all replications of a claim, sorted, and below each effect the choices behind it.

    The colour and the shape of a point show its verdict. A point is filled if the claim holds in its replication.

    Parameters
    ----------
    replications : DataFrame
        One row per replication, with a column per choice and the columns effect, low, high (float: the effect and its
        interval) and holds (bool).
    choices : {name: levels}
        Every choice with the levels that were tried.
    expected : str or (lowest, highest)
        The claim: a verdict such as "helps", or bounds that contain the whole interval; None leaves one side open.
    axes : two matplotlib Axes
        For the effects, and below it for the choices.
    effect : str
        Name of the effect, with its unit, for the axis.

    Returns
    -------
    two matplotlib Axes
        The axes that were given.

    Raises
    ------
    ValueError
        If a column is missing, or `expected` is an unknown verdict.

    References
    ----------
    Simonsohn, Simmons and Nelson 2020, Specification curve analysis. We draw confidence intervals, and leave out their
    test of the whole curve.
    Steegen et al. 2016, Increasing transparency through a multiverse analysis.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> rows = [(0, 5, 0.04, 0.01, 0.07, True), (1, 5, 0.02, -0.01, 0.05, False)]
    >>> table = pd.DataFrame(rows, columns=["seed", "shots", "effect", "low", "high", "holds"])
    >>> axes = Figure().subplots(2, 1)
    >>> _ = draw_specification_curve(table, {"seed": [0, 1], "shots": [5]}, "helps", axes)
    >>> [label.get_text() for label in axes[1].get_yticklabels()]
    ['seed: 0', '1', 'shots: 5']
    """
    check_columns("replications", replications, {*choices, "effect", "low", "high", "holds"})
    if isinstance(expected, str):
        check_known("expected", expected, VERDICTS)
    if not len(replications):
        raise ValueError("replications: no row, expected one for each replication")
    _draw_frame(replications, choices, expected, effect, axes)
    _draw_replications(replications, choices, expected, axes, np.ones(len(replications), bool))
    return tuple(axes)


def render_specification_curve(claim) -> str:
    """Return the specification curve of a claim as an HTML image of vector graphics, the same bytes every time."""
    # JupyterLab removes plain SVG from notebooks that aren't trusted yet. An image stays, and can be described.
    page = SpecificationPage(claim)
    summary = summarise_curve(claim, {name: range(len(levels)) for name, levels in claim.choices.items()})
    figure = page.draw(summary, make_vector_canvas(page.size_inches).figure)
    drawn = _SURPLUS.sub("", render_vector([figure], page.size_inches))
    numbers = {}  # of ids, which are random
    drawn = _ID.sub(lambda found: numbers.setdefault(found[0], f"{found[0][0]}{len(numbers)}"), drawn)
    drawn = drawn.replace("<svg ", f'<svg style="{_STYLE}" ', 1)
    source = f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"
    words = html.escape(f"Specification curve: the claim {summary.sentence}")
    return f'<img alt="{words}" src="{source}" style="width: {96 * _WIDTH_INCHES:.0f}px; max-width: 100%">'


class SpecificationPage(Page):
    """Draw the specification curve of a claim with some of its replications; the others are gray."""

    def __init__(self, claim):
        table, choices, expected = claim.replications, claim.choices, claim.expected
        height = _TOP_INCHES + _CURVE_INCHES + _ROW_INCHES * (_place_rows(choices)[-1] + 1) + _BOTTOM_INCHES

        def draw_static(figure):
            left, width = _LEFT_INCHES / _WIDTH_INCHES, 0.99 - _LEFT_INCHES / _WIDTH_INCHES
            bottom, middle = _BOTTOM_INCHES / height, (height - _TOP_INCHES - _CURVE_INCHES) / height
            axes = [
                figure.add_axes((left, middle, width, _CURVE_INCHES / height)),
                figure.add_axes((left, bottom, width, middle - bottom)),
            ]
            _draw_frame(table, choices, expected, claim.effect, axes)
            return axes

        super().__init__(
            (_WIDTH_INCHES, height),
            draw_static,
            lambda summary, axes: _draw_replications(table, choices, expected, axes, summary.kept),
        )


def _place_rows(choices):
    """Return the heights of the rows of all levels, counted from the top, with a gap after each choice."""
    return [
        row + _GAP * number
        for row, number in enumerate(number for number, levels in enumerate(choices.values()) for _ in levels)
    ]


def _draw_frame(replications, choices, expected, effect, axes):
    """Draw the lines that the claim is about, the names of the levels and the legend."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    curve, rows = axes
    ends = replications[["effect", "low", "high"]].to_numpy(float)
    lines = [0.0] if isinstance(expected, str) else [bound for bound in expected if bound is not None]
    shown = np.append(ends[np.isfinite(ends)], [*lines, *((-MARGIN, MARGIN) if isinstance(expected, str) else ())])
    edge = 0.06 * (np.ptp(shown) or 1.0)
    bottom, top = shown.min() - edge, shown.max() + edge
    area = (-MARGIN, MARGIN) if isinstance(expected, str) else expected
    lowest, highest = (end if bound is None else bound for bound, end in zip(area, (bottom, top), strict=True))
    curve.axhspan(lowest, highest, color=QUIET, alpha=0.15, linewidth=0)
    for line in lines:
        curve.axhline(line, color="black", linewidth=1)
    curve.set(ylim=(bottom, top), ylabel=effect, xticks=[])
    curve.grid(axis="y", alpha=0.3)
    results = name_results(replications, expected)
    handles = [Line2D([], [], label=one, linestyle="none", **_style(one)) for one in _STYLES if one in results]
    if isinstance(expected, str) and set(results) - {expected}:
        open_style = {"marker": "o", "color": QUIET, "markerfacecolor": "none"}
        handles.append(Line2D([], [], label="open: the claim doesn't hold", linestyle="none", **open_style))
    meaning = "gray: differences that don't matter" if isinstance(expected, str) else "gray: the bounds"
    handles.append(Patch(label=meaning, color=QUIET, alpha=0.15))
    curve.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=6, fontsize=TEXT_PT, frameon=False)
    heights = _place_rows(choices)
    texts = []
    for name, levels in choices.items():
        first, *others = map(str, levels)
        texts += [f"{shorten(name.replace('_', ' '))}: {shorten(first, 16)}", *(shorten(one, 16) for one in others)]
    rows.set_yticks(heights, texts, fontsize=TEXT_PT)
    rows.set(ylim=(heights[-1] + 0.6, -0.6), xticks=[], xlabel="replications, sorted by effect")
    for height in heights:
        rows.axhline(height, color=QUIET, linewidth=0.5, alpha=0.3)
    for ax in axes:
        ax.set_xlim(-0.6, len(replications) - 0.4)
        ax.tick_params(length=0)
        ax.spines[["top", "right"]].set_visible(False)


def _draw_replications(replications, choices, expected, axes, kept):
    """Draw effects with their intervals, and a dot per choice; small and gray unless they are kept."""
    curve, rows = axes
    order = np.argsort(replications["effect"].to_numpy(float), kind="stable")
    table, kept = replications.iloc[order].reset_index(drop=True), kept[order]
    heights = np.split(_place_rows(choices), np.cumsum([len(levels) for levels in choices.values()])[:-1])
    levels = find_levels(table, choices).values()
    dots = np.array([of_choice[places] for of_choice, places in zip(heights, levels, strict=True)])
    results = np.array(name_results(table, expected))
    kinds = [(result, holds, True) for result in _STYLES for holds in (True, False)] + [(OUTSIDE, False, False)]
    for result, holds, is_kept in kinds:
        chosen = kept & (results == result) & (table["holds"] == holds) if is_kept else ~kept
        if not chosen.any():
            continue
        places, some = np.flatnonzero(chosen), table[chosen]
        style = _style(result, holds) if is_kept else _GONE
        lengths = measure_error_bars(some["effect"], some["low"], some["high"])
        line = {"linestyle": "none", "elinewidth": 1.5 if is_kept else 0.7}
        drawn = curve.errorbar(places, some["effect"], yerr=lengths, **line, **style)
        records = zip(some.to_dict("records"), results[chosen], strict=True)
        words = [_describe_row(row, choices, result) for row, result in records]
        mark(drawn[0], "replication", words=words, numbers=order[chosen])
        rows.plot(np.tile(places, len(dots)), dots[:, chosen].ravel(), linestyle="none", **style, **FIXED)


def _style(result, holds=True):
    """Return colour and marker of a replication; it is filled if the claim holds in it."""
    colour, marker = _STYLES[result]
    return {"color": colour, "marker": marker, "markersize": 6, "markerfacecolor": colour if holds else "white"}


def _describe_row(row, choices, result):
    """Return the choices, the effect and the result of a replication in words."""
    chosen = ", ".join(f"{name.replace('_', ' ')} {row[name]}" for name in choices)
    return f"{chosen}: {row['effect']:.3g} ({row['low']:.3g} to {row['high']:.3g}), {result}"
