"""A figure that is drawn again and again, as an explorer does: what stays is drawn once."""

import io

from PIL import Image

DOTS_PER_INCH = 100


class Page:
    """A drawing whose parts either stay or change.

    Arguments
    ---------
    size_inches: (float, float)
        Width and height.
    draw_what_stays: callable
        Draws on the empty figure that it is given and returns its axes.
    draw_what_changes: callable
        Gets what is to be shown and those axes, and adds to them.
    """

    def __init__(self, size_inches, draw_what_stays, draw_what_changes):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.draw_what_changes = draw_what_changes
        self.canvas = FigureCanvasAgg(Figure(figsize=size_inches, dpi=DOTS_PER_INCH))
        self.axes = draw_what_stays(self.canvas.figure)
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.canvas.figure.bbox)

    def render(self, shown, *, compact=False):
        """Return the drawing of what is to be shown as a PNG (bytes); `compact` takes 256 colours, and longer."""
        stays = {artist for ax in self.axes for artist in ax.get_children()}
        try:
            self.draw_what_changes(shown, self.axes)
            self.canvas.restore_region(self.background)
            changes = [artist for ax in self.axes for artist in ax.get_children() if artist not in stays]
            for artist in sorted(changes, key=lambda artist: artist.get_zorder()):
                artist.axes.draw_artist(artist)
        finally:
            for ax in self.axes:
                for artist in set(ax.get_children()) - stays:
                    artist.remove()
        size = self.canvas.get_width_height()
        picture = Image.frombuffer("RGBA", size, self.canvas.buffer_rgba()).convert("RGB")
        content = io.BytesIO()
        if compact:
            picture.quantize(256).save(content, "PNG", optimize=True)
        else:
            picture.save(content, "PNG", compress_level=1)
        return content.getvalue()
