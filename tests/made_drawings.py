"""The cost of drawing as counts of figures and drawings; benchmarks/explorers.py prints times."""

import itertools
from collections import Counter

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.text import Text


def count_drawings(monkeypatch):
    """Count from now on; returns a Counter of "figures made", "figures drawn" (whole) and "drawings" (SVG)."""
    counts = Counter()

    def watch(owner, name, word):
        real = getattr(owner, name)

        def watched(*arguments, **keywords):
            outcome = real(*arguments, **keywords)
            counts[word] += 1  # not what Matplotlib breaks off, once it has found its renderer
            return outcome

        monkeypatch.setattr(owner, name, watched)

    watch(Figure, "__init__", "figures made")
    watch(FigureCanvasAgg, "draw", "figures drawn")
    watch(RendererSVG, "finalize", "drawings")
    return counts


def find_misplaced(figure):
    """Return the texts that leave a figure, and the pairs that overlap, with a point of tolerance."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    # Ticks outside the limits exist, but aren't drawn.
    boxes = [(text.get_text(), text.get_window_extent(renderer).padded(-1)) for text in texts if is_drawn(text)]
    page = figure.bbox
    outside = [
        name for name, box in boxes if box.x0 < page.x0 or box.x1 > page.x1 or box.y0 < page.y0 or box.y1 > page.y1
    ]
    pairs = itertools.combinations(boxes, 2)
    return outside, [(first[0], second[0]) for first, second in pairs if first[1].overlaps(second[1])]


def is_drawn(text):
    """Return whether a text is drawn: a label of a tick is not if its tick lies outside the limits."""
    axes = [axis for ax in filter(None, [text.axes]) for axis in (ax.xaxis, ax.yaxis) if text in list_labels(axis)]
    drawn = {label for axis in axes for tick in axis._update_ticks() for label in (tick.label1, tick.label2)}
    return not axes or text in drawn


def list_labels(axis):
    """Return the labels of all ticks of an axis."""
    return {label for tick in axis.get_major_ticks() for label in (tick.label1, tick.label2)}
