"""What drawing costs, counted instead of timed: how long it takes is printed by benchmarks/explorers.py."""

from collections import Counter

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure


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
