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
def draw_familiarity(rejection: Rejection, others: Mapping[str, ArrayLike], ax: Axes) -> Axes:
    """Draw histograms of familiarity with the threshold; the legend lists the share of each group that is rejected.

    Parameters
    ----------
    rejection, others : Rejection, and dict of str to array-like of shape (n,)
        A run's fitted rejection, whose held-out known pictures are drawn in gray; and the familiarity of other
        pictures by the name of their group, for example of another domain.
    ax : matplotlib Axes
        The axes to draw on.

    Returns
    -------
    matplotlib Axes
        The axes that were given.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> images = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    >>> features = tl.Features(images, np.arange(60) % 3, ["a", "b", "c"], np.arange(60), np.arange(60), {})
    >>> ax = draw_familiarity(tl.evaluation.fit_rejection(features), {"walls": [-9, -8]}, Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['known: 5 % rejected', 'walls: 100 % rejected', 'threshold']
    """
    groups = {shorten(name): np.ravel(values) for name, values in ({"known": rejection.known} | dict(others)).items()}
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), _N_BINS)
    for index, (name, values) in enumerate(groups.items()):
        label = f"{name}: {100 * np.mean(rejection.reject(values)):.0f} % rejected"
        style = {"histtype": "stepfilled", "color": "0.8"} if index == 0 else {"histtype": "step", "linewidth": 1.8}
        if index:
            style |= {"color": COLOURS[(index - 1) % len(COLOURS)], "linestyle": LINES[index % len(LINES)]}
        ax.hist(values, edges, weights=np.full(len(values), 1 / len(values)), label=label, **style)
    ax.axvline(rejection.find_threshold(), color="black", linewidth=1.2, label="threshold")
    finish_curves(ax, "familiarity (higher: more like the known pictures)", "share of pictures")
    return ax
