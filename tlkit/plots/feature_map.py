"""A map of features: a point a picture."""

import io

import numpy as np
from PIL import Image

from tlkit.arguments import check_known, check_shape
from tlkit.features.projection import METHODS, USUAL_PERPLEXITY, check_mappable, choose_perplexity, project_features
from tlkit.plots.comparison import COLOURS, MARKERS

_MOST_ROWS_IN_LEGEND = 20


def choose_looks(n_kinds):
    """Return a (colour, marker) for each kind of point, so that the first 49 differ and the first 7 do in gray too.

    >>> choose_looks(2)[1][1]
    's'
    """
    # From the second round of colours on each goes with another marker.
    rounds = [divmod(kind, len(COLOURS)) for kind in range(n_kinds)]
    return [(COLOURS[place], MARKERS[(place + number) % len(MARKERS)]) for number, place in rounds]


def name_axes(features, positions, method):
    """Return what the two axes of a map are called: of PCA with the share of all variance that each shows.

    Arguments
    ---------
    features: Features
    positions: (n_samples, 2)
        As `project_features` returns them.
    method: "pca" or "tsne"
    """
    if method == "tsne":
        return [f"t-SNE {axis}, no unit" for axis in (1, 2)]
    total = features.values.var(axis=0, dtype=np.float64).sum()
    shares = positions.var(axis=0, dtype=np.float64) / total
    return [f"principal component {axis}: {share:.0%} of the variance" for axis, share in enumerate(shares, 1)]


def warn_of_map(method, n_pictures):
    """Return what a map of so many pictures does not show (str)."""
    if method == "pca":
        return "Pictures that lie together here may lie far apart in the other dimensions."
    perplexity = choose_perplexity(n_pictures)
    lowered = f", below the usual {USUAL_PERPLEXITY} since there are few pictures" if perplexity < 30 else ""
    return (
        f"Perplexity {perplexity:.0f}{lowered}. Distances between clusters, their sizes and densities mean nothing; "
        "who lies next to whom may."
    )


def draw_feature_map(features, ax, *, positions=None, method="pca", kinds=None):
    """Draw each picture as a point, with colour and marker by class, and say below what the map doesn't show.

    Arguments
    ---------
    features: Features
        Pooled, of at least 4 pictures.
    ax: matplotlib Axes
    positions: (n_samples, 2), optional
        As `project_features` returns them; by default they are computed.
    method: "pca" or "tsne"
        Also what `positions` were made by.
    kinds: (n_samples,) str, optional
        To colour by something else than the class, such as `images.domains`.

    Returns `ax`. Raises ValueError for lengths that don't match, and as `project_features` does.
    """
    check_known("method", method, METHODS)
    check_mappable(features)
    positions = project_features(features, method) if positions is None else np.asarray(positions)
    check_shape("positions", positions, (len(features), 2), "as project_features returns them")
    kinds = np.array(features.classes)[features.labels] if kinds is None else np.asarray(kinds)
    check_shape("kinds", kinds, (len(features),), "one kind per picture")
    listed = np.unique(kinds)
    for kind, (colour, marker) in zip(listed, choose_looks(len(listed)), strict=True):
        points = positions[kinds == kind]
        ax.scatter(*points.T, s=22, c=colour, marker=marker, alpha=0.8, linewidths=0, label=f"{kind} ({len(points)})")
    for set_label, text in zip((ax.set_xlabel, ax.set_ylabel), name_axes(features, positions, method), strict=True):
        set_label(text)
    if method == "tsne":
        ax.set(xticks=[], yticks=[])
    ax.set_title(f"{METHODS[method]} of {len(features)} pictures × {features.values.shape[1]} features", fontsize=10)
    below = (0, -26 if method == "tsne" else -42)  # in points: PCA's axis has numbers above its name
    style = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": "small", "va": "top"}
    ax.annotate(warn_of_map(method, len(features)), (0, 0), below, wrap=True, **style)
    n_columns = -(-len(listed) // _MOST_ROWS_IN_LEGEND)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize="small", frameon=False, ncols=n_columns)
    return ax


def render_feature_map(features, **settings):
    """Return the same as a PNG (bytes), for where there are no axes; settings as of `draw_feature_map`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 5.2), layout="constrained")
    draw_feature_map(features, figure.subplots(), **settings)
    drawn, content = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    # 256 colours: a notebook keeps this picture, and should stay small.
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(256).save(content, "PNG", optimize=True)
    return content.getvalue()
