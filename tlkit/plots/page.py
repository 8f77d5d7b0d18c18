"""A figure that an explorer draws again and again: its static part is drawn only once."""

import gc
import io

from PIL import Image

from tlkit.plots.letters import make_texts_plain
from tlkit.plots.vector import make_vector_canvas, render_vector

DOTS_PER_INCH = 100


class Page:
    """A drawing of a given size (width, height) in inches with a static and a dynamic part."""

    # draw_static(figure) draws on an empty figure and returns its axes; draw_dynamic(summary, axes) adds to them.
    # `render` draws only the new artists, which lie above `frame`, the drawing of the static part, and removes them.

    def __init__(self, size_inches, draw_static, draw_dynamic):
        self.size_inches, self.draw_static, self.draw_dynamic = size_inches, draw_static, draw_dynamic
        self.canvas = make_vector_canvas(size_inches)
        self.axes = draw_static(self.canvas.figure)
        make_texts_plain(self.canvas.figure)
        self.frame = render_vector([self.canvas.figure], size_inches)

    def draw(self, summary, figure):
        """Draw a summary, with a static part of its own, on an empty figure, and return the figure."""
        self.draw_dynamic(summary, self.draw_static(figure))
        make_texts_plain(figure)
        return figure

    def render(self, summary):
        """Return the dynamic part of a summary's drawing as SVG (str)."""
        static = {artist for ax in self.axes for artist in ax.get_children()}
        # The many new objects would start a search for garbage through all that a notebook holds, half a second long.
        collects = gc.isenabled()
        gc.disable()
        try:
            self.draw_dynamic(summary, self.axes)
            added = [artist for ax in self.axes for artist in ax.get_children() if artist not in static]
            for artist in added:
                make_texts_plain(artist)
            return render_vector(sorted(added, key=lambda artist: artist.get_zorder()), self.size_inches)
        finally:
            for ax in self.axes:
                for artist in set(ax.get_children()) - static:
                    artist.remove()
            if collects:
                gc.enable()

    def render_still(self, summary):
        """Return the whole drawing of a summary as PNG (bytes)."""
        return render_figure(self.draw(summary, make_canvas(self.size_inches).figure), 256)


def make_canvas(size_inches):
    """Return the canvas of a new figure, which needs neither pyplot nor a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    return FigureCanvasAgg(Figure(figsize=size_inches, dpi=DOTS_PER_INCH))


def render_figure(figure, n_colours):
    """Return a figure as PNG (bytes) with a number of colours, since a notebook that keeps it should stay small."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(n_colours).save(content := io.BytesIO(), "PNG", optimize=True)
    return content.getvalue()
