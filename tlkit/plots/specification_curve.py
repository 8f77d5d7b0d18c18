"""Specification curves: the effect in each replication of a claim, sorted, above the choices behind it."""

import base64
import collections
import html
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from pandas import DataFrame

from tlkit.arguments import check_columns, check_known
from tlkit.evaluation.gains import MARGIN, VERDICTS, give_verdict
from tlkit.languages import translate
from tlkit.plots.style import COLOURS, FIXED, TEXT_PT, measure_error_bars, shorten, with_plain_texts
from tlkit.plots.vector import QUIET, Page, make_vector_canvas, mark, render_vector

WITHIN, OUTSIDE = "within the bounds", "not within the bounds"
# Which replications are kept, bool (n_replications,), and a sentence on them; `summarise_curve` makes one.
CurveSummary = collections.namedtuple("CurveSummary", "kept sentence")


def name_results(replications, expected):
    """Return the verdict on each replication (str array), or whether it is within the bounds."""
    if isinstance(expected, str):
        return np.array([give_verdict(*ends) for ends in replications[["low", "high"]].itertuples(index=False)])
    return np.where(replications["holds"], WITHIN, OUTSIDE)


def summarise_curve(claim, levels):
    """Return the `CurveSummary` of a claim for the levels of its choices that are kept, {choice: levels}."""
    # A table that was read from a file may have other types than the levels.
    found = [claim.replications[name].astype(str).isin(list(map(str, some))) for name, some in levels.items()]
    kept = np.all(found, axis=0)
    if not kept.any():
        return CurveSummary(kept, f"{claim.sentence} No replication has only these levels. Tick more of them.")
    left = claim.replications[kept]
    results, counts = np.unique(name_results(left, claim.expected), return_counts=True)
    listed = ", ".join(f"{result} {count}" for result, count in zip(results, counts, strict=True))
    verdicts = f": {listed}" if isinstance(claim.expected, str) else ""
    which = f"{len(left)} replications" if kept.all() else f"{len(left)} of the replications left"
    sentence = (
        f"{claim.sentence} This holds in {left['holds'].sum()} of {which} ({left['holds'].mean():.0%})"
        f"{verdicts}. The {claim.effect} ranges from {left['effect'].min():.3g} to {left['effect'].max():.3g}."
    )
    return CurveSummary(kept, sentence)


# Colours and, for readers in gray, shapes; a point is filled if the claim holds in its replication.
_STYLES = {"helps": (COLOURS[0], "^"), "harms": (COLOURS[1], "v"), "no difference that matters": (COLOURS[2], "s")}
_STYLES |= {"can't tell": (COLOURS[6], "D"), WITHIN: (COLOURS[0], "o"), OUTSIDE: (COLOURS[1], "X")}
_GONE = {"color": QUIET, "marker": "o", "markersize": 2, "alpha": 0.5}
_WIDTH, _LEFT, _TOP, _CURVE, _BOTTOM, _ROW = 9.2, 2.3, 0.35, 2.4, 0.35, 0.19  # inches
_GAP = 0.5  # rows between two choices
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

    Colour and shape of a point show its verdict. A point is filled if the claim holds in its replication.

    Parameters
    ----------
    replications : DataFrame
        One row per replication, with a column per choice and the columns effect, low, high (float: the effect and its
        interval) and holds (bool). If one is missing, or there is no row, ValueError is raised.
    choices : {name: levels}
        Every choice with the levels that were tried.
    expected : str or (lowest, highest)
        A verdict such as "helps", or bounds of the whole interval; None leaves one side open.
    axes : two matplotlib Axes
        For the effects, and below it for the choices.
    effect : str
        Name of the effect, with its unit, for the axis.

    Returns
    -------
    two matplotlib Axes
        The axes that were given.

    References
    ----------
    Simonsohn, Simmons and Nelson 2020, Specification curve analysis. We leave out their test of the whole curve.
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
    page, summary = make_specification_page(claim), summarise_curve(claim, claim.choices)
    figure = page.draw(summary, make_vector_canvas(page.size_inches).figure)
    numbers = {}  # of ids, which are random
    drawn = _SURPLUS.sub("", render_vector([figure], page.size_inches))
    drawn = _ID.sub(lambda found: numbers.setdefault(found[0], f"{found[0][0]}{len(numbers)}"), drawn)
    drawn = drawn.replace("<svg ", '<svg style="font-family: system-ui, sans-serif; background: white" ', 1)
    source = f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"
    words = html.escape(translate(f"Specification curve. {summary.sentence}"))
    return f'<img alt="{words}" src="{source}" style="width: {96 * _WIDTH:.0f}px; max-width: 100%">'


def make_specification_page(claim):
    """Return the page of the specification curve of a claim, with some of its replications; the others are gray."""
    table, choices, expected = claim.replications, claim.choices, claim.expected
    below = _BOTTOM + _ROW * (max(_place_rows(choices).values()) + 1.5)
    height = below + _CURVE + _TOP

    def draw_static(figure):
        boxes = (below, _CURVE), (_BOTTOM, below - _BOTTOM)
        left, width = _LEFT / _WIDTH, 0.99 - _LEFT / _WIDTH
        axes = [figure.add_axes((left, bottom / height, width, tall / height)) for bottom, tall in boxes]
        _draw_frame(table, choices, expected, claim.effect, axes)
        return axes

    def draw_dynamic(summary, axes):
        _draw_replications(table, choices, expected, axes, summary.kept)

    return Page((_WIDTH, height), draw_static, draw_dynamic)


def _place_rows(choices):
    """Return {(choice, level as str): its row, counted from the top, with a gap after each choice}."""
    levels = [(number, name, level) for number, name in enumerate(choices) for level in choices[name]]
    return {(name, str(level)): row + _GAP * number for row, (number, name, level) in enumerate(levels)}


def _draw_frame(replications, choices, expected, effect, axes):
    """Draw the lines that the claim is about, the names of the levels and the legend."""
    curve, rows = axes
    is_verdict = isinstance(expected, str)
    area, meaning = ((-MARGIN, MARGIN), "too small to matter") if is_verdict else (expected, "the bounds")
    bounds = [bound for bound in area if bound is not None]
    ends = np.append(replications[["low", "high"]].to_numpy(float), [*bounds, *(replications["effect"])])
    bottom, top = np.nanmin(ends), np.nanmax(ends)
    edge = 0.06 * (top - bottom or 1.0)
    curve.set(ylim=(bottom - edge, top + edge), ylabel=effect, xticks=[])
    shaded = [end if bound is None else bound for bound, end in zip(area, curve.get_ylim(), strict=True)]
    curve.axhspan(*shaded, color=QUIET, alpha=0.15, linewidth=0)
    for line in [0.0] if is_verdict else bounds:
        curve.axhline(line, color="black", linewidth=1)
    curve.grid(axis="y", alpha=0.3)
    styles = {result: _style(result) for result in _STYLES if result in name_results(replications, expected)}
    if is_verdict and styles.keys() - {expected}:
        styles["open: the claim doesn't hold"] = _style(WITHIN, False) | {"color": QUIET}
    handles = [Line2D([], [], label=label, linestyle="none", **style) for label, style in styles.items()]
    handles.append(Patch(label=f"gray: {meaning}", color=QUIET, alpha=0.15))
    curve.legend(handles=handles, loc="lower right", bbox_to_anchor=(1, 1), ncols=6, fontsize=TEXT_PT, frameon=False)
    places, first = _place_rows(choices), {(name, str(levels[0])) for name, levels in choices.items()}
    names = [f"{pair[0].replace('_', ' ')}: " if pair in first else "" for pair in places]
    texts = [shorten(name + level, 30) for name, (_, level) in zip(names, places, strict=True)]
    rows.set_yticks(list(places.values()), texts, fontsize=TEXT_PT)
    rows.set(ylim=(max(places.values()) + 0.6, -0.6), xticks=[], xlabel="replications, sorted by effect")
    rows.grid(axis="y", alpha=0.3)
    for ax in axes:
        ax.set_xlim(-0.6, len(replications) - 0.4)
        ax.tick_params(length=0)
        ax.spines[["top", "right"]].set_visible(False)


def _draw_replications(replications, choices, expected, axes, kept):
    """Draw effects with their intervals, and a point per choice; small and gray unless they are kept."""
    curve, rows = axes
    order = np.argsort(replications["effect"].to_numpy(float), kind="stable")
    table, kept, places = replications.iloc[order], kept[order], _place_rows(choices)
    results, holds = name_results(table, expected), table["holds"].to_numpy(bool)
    looks = {(kind, held): kept & (results == kind) & (holds == held) for kind in _STYLES for held in (True, False)}
    for look, chosen in [*looks.items(), (None, ~kept)]:
        style = {"linestyle": "none"} | (_style(*look) if look else _GONE)
        some, across = table[chosen], np.flatnonzero(chosen)
        if not len(some):
            continue
        lengths = measure_error_bars(some["effect"], some["low"], some["high"])
        drawn = curve.errorbar(across, some["effect"], yerr=lengths, elinewidth=1.5 if look else 0.7, **style)
        described = zip(some.to_dict("records"), results[chosen], strict=True)
        words = [_describe_row(row, choices, result) for row, result in described]
        mark(drawn[0], "replication", words=words, numbers=order[chosen])
        heights = [places[name, str(level)] for name in choices for level in some[name]]
        rows.plot(np.tile(across, len(choices)), heights, **style, **FIXED)


def _style(result, holds=True):
    """Return colour and marker of a replication; it is filled if the claim holds in it."""
    colour, marker = _STYLES[result]
    return {"color": colour, "marker": marker, "markersize": 6, "markerfacecolor": colour if holds else "white"}


def _describe_row(row, choices, result):
    """Return the choices, the effect and the result of a replication in words."""
    chosen = ", ".join(translate(f"{name.replace('_', ' ')}: {row[name]}").replace(": ", " ", 1) for name in choices)
    return f"{chosen}: {row['effect']:.3g} ({row['low']:.3g} to {row['high']:.3g}), {result}"
