"""A figure that an explorer draws again and again: its static part is drawn only once."""

import io

from PIL import Image

from tlkit.plots.letters import make_texts_plain

DOTS_PER_INCH = 100


class Page:
    """A drawing of a given size (width, height) in inches with a static and a dynamic part."""

    # draw_static(figure) draws on an empty figure and returns its axes; draw_dynamic(summary, axes) adds to them.
    # `render` restores the pixels of the static part and draws the new artists on top, which is faster than a whole
    # figure, and then removes them.

    def __init__(self, size_inches, draw_static, draw_dynamic):
        self.draw_static, self.draw_dynamic = draw_static, draw_dynamic
        self.canvas = make_canvas(size_inches)
        self.axes = draw_static(self.canvas.figure)
        make_texts_plain(self.canvas.figure)
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.canvas.figure.bbox)

    def draw(self, summary, figure):
        """Draw a summary, with a static part of its own, on an empty figure, and return the figure."""
        self.draw_dynamic(summary, self.draw_static(figure))
        make_texts_plain(figure)
        return figure

    def render(self, summary, *, compact=False):
        """Return the drawing of a summary as PNG (bytes); `compact` uses 256 colours and takes longer."""
        static = {artist for ax in self.axes for artist in ax.get_children()}
        try:
            self.draw_dynamic(summary, self.axes)
            self.canvas.restore_region(self.background)
            added = [artist for ax in self.axes for artist in ax.get_children() if artist not in static]
            for artist in sorted(added, key=lambda artist: artist.get_zorder()):
                make_texts_plain(artist)
                artist.axes.draw_artist(artist)
        finally:
            for ax in self.axes:
                for artist in set(ax.get_children()) - static:
                    artist.remove()
        return encode_png(read_canvas(self.canvas), 256 if compact else None)


def make_canvas(size_inches):
    """Return the canvas of a new figure, which needs neither pyplot nor a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    return FigureCanvasAgg(Figure(figsize=size_inches, dpi=DOTS_PER_INCH))


def read_canvas(canvas):
    """Return the pixels of a canvas as a PIL picture."""
    return Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")


def render_figure(figure, n_colours):
    """Return a figure as PNG (bytes) with a number of colours, since a notebook that keeps it should stay small."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH)
    with Image.open(drawn) as picture:
        return encode_png(picture.convert("RGB"), n_colours)


def encode_png(picture, n_colours=None):
    """Return a PIL picture as PNG (bytes), reduced to a number of colours and optimized if one is given."""
    content = io.BytesIO()
    if n_colours is None:
        picture.save(content, "PNG", compress_level=1)
    else:
        picture.quantize(n_colours).save(content, "PNG", optimize=True)
    return content.getvalue()
