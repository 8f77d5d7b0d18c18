"""A map of features: one point per picture."""

import numpy as np

from tlkit.arguments import check_known, check_shape
from tlkit.plots.style import COLOURS, FIXED, MARKERS, RING, shorten, with_plain_texts
from tlkit.plots.vector import Page, mark
from tlkit.summaries.projection import METHODS, USUAL_PERPLEXITY, check_mappable, choose_perplexity, project_features

_SIZE_INCHES = (8.4, 5.2)
_MOST_ROWS_IN_LEGEND = 20


def choose_looks(n_kinds):
    """Return a (colour, marker) for each kind of point; the first 49 differ, and the first 7 also in gray."""
    # From the second round of colours on, each colour has another marker.
    rounds = [divmod(kind, len(COLOURS)) for kind in range(n_kinds)]
    return [(COLOURS[index], MARKERS[(index + number) % len(MARKERS)]) for number, index in rounds]


def name_axes(features, positions, method):
    """Return the names of the two axes of a map from its (n_samples, 2) positions; PCA with shares of the variance."""
    if method == "tsne":
        return [f"t-SNE {axis}, no unit" for axis in (1, 2)]
    total = features.values.var(axis=0, dtype=np.float64).sum()
    shares = positions.var(axis=0, dtype=np.float64) / total
    return [f"principal component {axis}: {share:.0%} of the variance" for axis, share in enumerate(shares, 1)]


def warn_of_map(method, n_pictures):
    """Return a note on the information that a map with a number of pictures lacks (str)."""
    if method == "pca":
        return "Pictures that are close together here may be far apart in the other dimensions."
    perplexity = choose_perplexity(n_pictures)
    lowered = f", below the usual {USUAL_PERPLEXITY} since there are few pictures" if perplexity < 30 else ""
    return (
        f"Perplexity {perplexity:.0f}{lowered}. Distances between clusters, their sizes and densities mean nothing; "
        "only close neighbours may be meaningful."
    )


@with_plain_texts
def draw_feature_map(features, ax, *, positions=None, method="pca", kinds=None):
    """Draw each picture as a point, with colour and marker by class, and a note on the limits of the map."""
    # `positions` are those of `project_features` by that method; `kinds` (n_samples,) replace the classes, for example
    # by domains.
    check_known("method", method, METHODS)
    check_mappable(features)
    positions = project_features(features, method) if positions is None else np.asarray(positions)
    check_shape("positions", positions, (len(features), 2), "as project_features returns them")
    kinds = np.array(features.classes)[features.labels] if kinds is None else np.asarray(kinds)
    check_shape("kinds", kinds, (len(features),), "one kind per picture")
    listed = np.unique(kinds)
    for kind, (colour, marker) in zip(listed, choose_looks(len(listed)), strict=True):
        rows = np.flatnonzero(kinds == kind)
        style = {"c": colour, "marker": marker, "alpha": 0.8, "linewidths": 0}
        label = f"{shorten(str(kind) or 'no domain')} ({len(rows)})"
        points = ax.scatter(*positions[rows].T, s=22, label=label, **style)
        mark(points, "point", words=[f"{name}: {kind or 'no domain'}" for name in features.names[rows]], numbers=rows)
    for set_label, text in zip((ax.set_xlabel, ax.set_ylabel), name_axes(features, positions, method), strict=True):
        set_label(text)
    if method == "tsne":
        ax.set(xticks=[], yticks=[])
    ax.set_title(f"{METHODS[method]} of {len(features)} pictures × {features.values.shape[1]} features", fontsize=10)
    below = (0, -26 if method == "tsne" else -42)  # in points: PCA's axis has numbers above its name
    style = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 9, "va": "top"}
    ax.annotate(warn_of_map(method, len(features)), (0, 0), below, wrap=True, **style)
    n_columns = -(-len(listed) // _MOST_ROWS_IN_LEGEND)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, frameon=False, ncols=n_columns)
    return ax


def make_map_page(features, positions, method, kinds):
    """Return the page that draws a map and on it one selected picture after another, with its neighbours (indices)."""

    def draw_static(figure):
        figure.set_layout_engine("constrained")
        ax = draw_feature_map(features, figure.subplots(), positions=positions, method=method, kinds=kinds)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it has found its place
        return (ax,)

    def draw_dynamic(shown, axes):
        (ax,), places = axes, positions[shown]
        for place in places[1:]:
            ax.plot(*zip(places[0], place, strict=True), color="black", linewidth=0.8, **FIXED)
        ax.plot(*places[1:].T, **RING | {"markersize": 10, "markeredgewidth": 1}, **FIXED)
        ax.plot(*places[:1].T, **RING, **FIXED)

    return Page(_SIZE_INCHES, draw_static, draw_dynamic)
