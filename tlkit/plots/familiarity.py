"""Histograms of familiarity with the threshold of a rejection."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from tlkit.evaluation.rejection import Rejection
from tlkit.plots.letters import with_plain_texts
from tlkit.plots.style import COLOURS, LINES, finish_curves, shorten

_N_BINS = 24


@with_plain_texts
def draw_familiarity(
    rejection: Rejection, others: Mapping[str, ArrayLike], ax: Axes, *, reject: float | None = None
) -> Axes:
    """Draw how familiar known and other pictures are, and the threshold below which they are rejected.

    The gray histogram has the held-out known pictures, each outline a group of others. The legend lists the share of
    each group that is rejected.

    Parameters
    ----------
    rejection, others : Rejection, and dict of str to array-like of shape (n,)
        A fitted rejection, and the familiarity of pictures by the name of their group, for example of another domain.
    ax : matplotlib Axes
        The axes to draw on.
    reject : float, optional
        Share of known pictures to reject, by default that of the rejection.

    Returns
    -------
    matplotlib Axes
        The axes that were given.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> rejection = tl.evaluation.Rejection("mahalanobis", {}, [-0.6, -0.5, -0.2, -0.1], 0.2, [], None, None)
    >>> ax = draw_familiarity(rejection, {"walls": [-0.9, -0.8, -0.7]}, Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['known: 0 % rejected', 'walls: 100 % rejected', 'threshold']
    """
    groups = {"known": rejection.known} | dict(others)
    threshold = rejection.find_threshold(reject)
    edges = np.histogram_bin_edges(np.concatenate([np.ravel(values) for values in groups.values()]), _N_BINS)
    for index, (name, values) in enumerate(groups.items()):
        values = np.ravel(values)
        label = f"{shorten(name)}: {np.mean(rejection.reject(values, reject)):.0%} rejected".replace("%", " %")
        style = {"histtype": "stepfilled", "color": "0.8"} if index == 0 else {"histtype": "step", "linewidth": 1.8}
        if index:
            style |= {"color": COLOURS[(index - 1) % len(COLOURS)], "linestyle": LINES[index % len(LINES)]}
        ax.hist(values, edges, weights=np.full(len(values), 1 / max(len(values), 1)), label=label, **style)
    if np.isfinite(threshold):
        ax.axvline(threshold, color="black", linewidth=1.2, label="threshold")
    finish_curves(ax, "familiarity (higher: more like the known pictures)", "share of pictures")
    return ax
