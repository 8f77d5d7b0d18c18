"""Two domains: where their pictures lie, how far apart they are, and the effect of a method on each class and pair."""

import dataclasses

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from pandas import DataFrame

from tlkit.adaptation.pair_results import BASELINE, PairComparison
from tlkit.arguments import check_known
from tlkit.names import format_strategy
from tlkit.plots.confusion import AFTER, BEFORE, draw_recall_frame, draw_recall_rows, measure_labels
from tlkit.plots.style import COLOURS, FIXED, draw_matrix, shorten, with_plain_texts
from tlkit.plots.vector import Page, mark
from tlkit.summaries.adaptation import DomainMap, format_recovered, format_scores

SIZE_INCHES = (9.2, 6.4)
_SOURCE, _TARGET = COLOURS[:2]
# Name and ends of each distance.
_DISTANCES = {
    "proxy_a": "proxy A-distance (0: the same, 2: fully separable)",
    "mmd": "MMD², Gaussian kernel (0: the same)",
    "coral": "CORAL distance (0: the same; unit: that of the features, to the fourth power)",
    "priors": "class shares: total variation (0: the same, 1: disjoint)",
}
_MOST_SHOWN = 0.94  # share of half a map's side, so that the class numbers stay inside


@with_plain_texts
def draw_domain_map(domain_map: DomainMap, ax: Axes, *, names: tuple[str, str] = ("source", "target")) -> Axes:
    """Draw two domains in one plane: the source as rings, the target as triangles, and the means of their classes.

    A line connects the two means of each class that both domains have, from a numbered circle in the source to a square
    in the target. If clouds overlap and lines are long, classes of one domain lie on other classes of the other domain.

    Parameters
    ----------
    domain_map, ax : DomainMap and matplotlib Axes
        Result of `tlkit.summaries.adaptation.map_domains`, whose `class_numbers` are shown, and the axes to draw on.
    names : (str, str)
        Names of the two domains.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from tlkit.summaries.adaptation import map_domains
    >>> domain_map = map_domains(np.eye(4), [0, 0, 1, 1], 1 - np.eye(4), [0, 0, 1, 1], ["bird", "bug"])
    >>> draw_domain_map(domain_map, Figure().subplots()).get_legend().get_texts()[0].get_text()
    'source (4)'
    """
    _draw_domains(domain_map, ax)
    ax.set(xlabel=domain_map.axis_names[0], ylabel=domain_map.axis_names[1])
    sizes = len(domain_map.source), len(domain_map.target)
    ax.legend([f"{shorten(name)} ({n})" for name, n in zip(names, sizes, strict=True)], fontsize=9)
    return ax


def _draw_domains(domain_map, ax, pictures=()):
    """Draw the pictures of two domains, with words about each if given, and a line between the means of each class."""
    style = {"alpha": 0.7, "linestyle": "none", "scalex": ax.get_autoscalex_on(), "scaley": ax.get_autoscaley_on()}
    (source,) = ax.plot(*domain_map.source.T, "o", color=_SOURCE, markerfacecolor="none", markersize=4.5, **style)
    (target,) = ax.plot(*domain_map.target.T, "^", color=_TARGET, markeredgewidth=0, markersize=5, **style)
    for cloud, words in zip((source, target), pictures, strict=False):
        mark(cloud, "picture", words=words)
    means = domain_map.list_class_means()
    ties = [(in_source, in_target) for _, in_source, in_target in means]
    ax.add_collection(LineCollection(ties, colors="black", linewidths=1.2, zorder=4), autolim=False)
    style = {"color": _TARGET, "markeredgecolor": "black", "markersize": 6, "linestyle": "none", "zorder": 5}
    (squares,) = ax.plot(*np.reshape([in_target for _, in_target in ties], (-1, 2)).T, "s", **style, **FIXED)
    mark(squares, "mean", words=[f"{name}: mean in the target" for name, *_ in means])
    # The boxes of texts could frame the numbers, but would take half of the time of all the rest.
    style = {"color": _SOURCE, "markersize": 13, "markerfacecolor": "white", "markeredgewidth": 1.5, "zorder": 6}
    for name, in_source, _ in means:
        mark(ax.plot(*in_source, "o", **style, **FIXED)[0], "mean", words=f"{name}: mean in the source")
        number = {"ha": "center", "va": "center_baseline", "zorder": 6, "clip_on": True, "fontsize": 9}
        ax.text(*in_source, domain_map.class_numbers[name], **number)


@with_plain_texts
def draw_gap_matrix(gaps: DataFrame, ax: Axes, *, distance: str = "mmd") -> Axes:
    """Draw the distance of each domain from each other one: one row per source, one column per target.

    Parameters
    ----------
    gaps, ax : DataFrame and matplotlib Axes
        Result of `tlkit.adaptation.measure_gaps`, and the axes to draw on. A star marks p-values below 0.05.
    distance : str
        One of the distances in the table; ValueError if it is not there.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> gaps = {"source": ["photo"], "target": ["sketch"], "distance": ["mmd"], "value": [0.4], "p_value": [0.01]}
    >>> draw_gap_matrix(pd.DataFrame(gaps), Figure().subplots()).texts[0].get_text()
    '0.40 *'
    """
    check_known("distance", [distance], gaps["distance"].unique().tolist())
    rows = gaps[gaps["distance"] == distance]
    texts = {
        (row.source, row.target): f"{row.value:#.2g}".rstrip(".") + (" *" if row.p_value < 0.05 else "")
        for row in rows.itertuples()
    }
    values = rows.pivot_table(index="source", columns="target", values="value")
    # Estimates of a distance of zero may lie below 0.
    _draw_pair_matrix(values, texts, ax, highest=max(values.max(axis=None), 0.0) or 1.0)
    ax.set_title(_DISTANCES.get(distance, distance), fontsize=10)
    return ax


@with_plain_texts
def draw_pairs(comparison: PairComparison, ax: Axes, *, method: str) -> Axes:
    """Draw the balanced accuracy of a method from each domain to each other one, and its gain over "source_only".

    Parameters
    ----------
    comparison, ax : PairComparison and matplotlib Axes
        Result of `tlkit.adaptation.compare_pairs`, and the axes to draw on.
    method : str
        One of the methods that were compared; ValueError if it was not.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from tlkit.adaptation import PairComparison
    >>> runs = {"source": ["photo"], "target": ["sketch"], "method": ["source_only"], "balanced_accuracy": [0.5]}
    >>> compared = PairComparison(pd.DataFrame(runs), None, {})
    >>> draw_pairs(compared, Figure().subplots(), method="source_only").get_title()
    'source only: balanced accuracy'
    """
    check_known("method", [method], comparison.runs["method"].unique().tolist())
    means = comparison.runs.pivot_table(index=["source", "target"], columns="method", values="balanced_accuracy")
    texts = {pair: f"{row[method]:.2f}" for pair, row in means.iterrows()}
    if method != BASELINE:
        texts = {pair: f"{texts[pair]}\n{row[method] - row[BASELINE]:+.2f}" for pair, row in means.iterrows()}
    _draw_pair_matrix(means[method].unstack(), texts, ax, highest=1.0)
    below = "" if method == BASELINE else ",\ngain over source only"
    ax.set_title(f"{format_strategy(method)}: balanced accuracy{below}", fontsize=10)
    return ax


def _draw_pair_matrix(values, texts, ax, *, highest):
    """Draw a DataFrame source × target as shades from 0 to the highest, with texts {(source, target): str}."""
    sources, targets = values.index.tolist(), values.columns.tolist()
    texts = {(sources.index(source), targets.index(target)): text for (source, target), text in texts.items()}
    draw_matrix(values.to_numpy(), texts, sources, targets, ax, limits=(0.0, highest), cmap="Blues")
    ax.set(xlabel="target domain: adapted to and tested on", ylabel="source domain: trained on")


def make_adaptation_page(classes):
    """Return the page that draws one pair of domains and method after another."""
    return Page(SIZE_INCHES, lambda figure: _draw_static(classes, figure), _draw_dynamic)


def _draw_static(classes, figure):
    """Draw two empty maps, the frame of the recalls and the legends; return the three axes."""
    (width, height), labels = SIZE_INCHES, measure_labels(classes)
    map_width = 6.35 - labels
    boxes = (0.35, 3.2, map_width, 2.3), (0.35, 0.33, map_width, 2.3), (0.45 + map_width + labels, 0.55, 2.3, 4.95)
    before, after, recalls = (
        figure.add_axes((left / width, bottom / height, across / width, up / height))
        for left, bottom, across, up in boxes
    )
    for ax, title in ((before, "features before adaptation"), (after, "features after adaptation")):
        ax.set(xlim=(-1, 1), ylim=(-1, 1), xticks=[], yticks=[])
        ax.set_title(title, fontsize=10)
    draw_recall_frame(len(classes), recalls)
    recalls.set_title("recall per class (test half)", fontsize=10)
    mean = {"marker": "o", "color": "black", "markerfacecolor": "white", "markeredgecolor": _SOURCE, "markersize": 9}
    keys = (
        ({"marker": "o", "color": _SOURCE, "markerfacecolor": "none", "linestyle": "none"}, "source"),
        ({"marker": "^", "color": _TARGET, "linestyle": "none"}, "target, half to adapt to"),
        (mean, "class means"),
    )
    for ax, entries in ((before, keys), (recalls, ((BEFORE, "source only"), (AFTER, "this method")))):
        handles = [Line2D([], [], **style, label=label) for style, label in entries]
        # A narrow map is narrower than its legend.
        side, place = ("left", (0.0, 1.09)) if ax is before else ("right", (1.0, 1.042))
        key = {"loc": f"lower {side}", "bbox_to_anchor": place, "borderaxespad": 0.0}
        ax.legend(handles=handles, ncols=3, fontsize=9, frameon=False, columnspacing=1.2, handletextpad=0.4, **key)
    return before, after, recalls


def _draw_dynamic(summary, axes):
    """Draw both maps to one scale, the recalls and the heading."""
    before, after, recalls = axes
    maps = summary.before, summary.after
    points = np.concatenate([side for shown in maps for side in (shown.source, shown.target)])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2 / _MOST_SHOWN, np.finfo(float).tiny)
    pictures = [
        [f"{name}: {summary.before.classes[label]}, {domain}" for name, label in zip(names, labels, strict=True)]
        for domain, names, labels in (
            (summary.choice.source, summary.source_names, summary.before.source_labels),
            (summary.choice.target, summary.target_names, summary.before.target_labels),
        )
    ]
    for ax, domain_map in zip((before, after), maps, strict=True):
        sides = {name: (getattr(domain_map, name) - middle) / half for name in ("source", "target")}
        _draw_domains(dataclasses.replace(domain_map, **sides), ax, pictures)
    across, up = summary.after.axis_names
    after.text(0, -1.06, across, fontsize=9, ha="center", va="top")
    after.text(-1.03, 1.25, up, fontsize=9, ha="right", va="center", rotation="vertical")  # of both maps
    draw_recall_rows(summary.recalls, recalls, summary.before.class_numbers)
    style = {"fontsize": 10, "transform": before.figure.transFigure, "va": "center"}
    before.text(0.01, 0.97, format_scores(summary), weight="bold", **style)
    before.text(0.01, 0.935, f"{format_recovered(summary)}; {'alarm' if summary.alarm else 'no alarm'}", **style)
