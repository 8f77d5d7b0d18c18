"""Vector graphics of matplotlib's artists: text stays text, colours follow the theme, marks can be pointed at."""

import base64
import gc
import io
import re

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Affine2D
from PIL import Image

from tlkit.languages import translate
from tlkit.plots.style import make_texts_plain

DOTS_PER_INCH = 72  # a unit of the drawing is a point
_PICTURE_DOTS_PER_INCH = 144  # of pictures in a drawing that have to be resampled
_SMALL = 4 * 32 * 32  # values of a picture that is kept exactly: a matrix rather than a photograph
# Text on a coloured area keeps its colour in a dark theme; black, white and this gray take those of the page.
ON_LIGHT, ON_DARK, QUIET = "#101010", "#fefefe", "#555555"
_THEME = {"#000000": "ink", "#ffffff": "paper", QUIET: "quiet"}
_COLOUR = re.compile(r"\b(fill|stroke): (#000000|#ffffff|#555555)\b")
# The prologue, a style that would hold for the whole page, fonts that the page chooses, and turns by 0 degrees.
_SURPLUS = re.compile(
    r'^.*?(?=<svg)|<style[^>]*>.*?</style>|; font-family: [^;"]*(?=[;"])| transform="rotate\(-0[^"]*"', re.DOTALL
)


def mark(artist, kind, *place, words="", numbers=()):
    """Give an artist a kind, such as "point", and a place among them; words are shown when a reader points at it."""
    # The script of explorers reads this from the drawing. Pixels don't have it. A list of words is for the markers of a
    # scatter or curve within the axes, whose number is the last part of their place: those given, or from 0 on.
    if not isinstance(words, str):
        place, words = (*place, "*" + ",".join(map(str, numbers))), "\n".join(map(translate, words))
    artist.set_gid(f"{':'.join(map(str, (kind, *place)))}|{translate(words)}")
    return artist


def make_vector_canvas(size_inches):
    """Return the canvas of a new figure of a size (width, height) in inches for `render_vector`."""
    return FigureCanvasSVG(Figure(figsize=size_inches, dpi=DOTS_PER_INCH))


def render_vector(artists, size_inches):
    """Return a drawing of artists, in their order, as SVG (str) of a size (width, height) in inches."""
    content = io.StringIO()
    sides = (DOTS_PER_INCH * side for side in size_inches)
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    renderer = _Renderer(*sides, content, image_dpi=_PICTURE_DOTS_PER_INCH, metadata=nothing)
    for artist in artists:
        artist.draw(renderer)
    renderer.finalize()
    drawn = _SURPLUS.sub("", content.getvalue())
    return _COLOUR.sub(lambda match: f"{match[1]}: var(--tlkit-{_THEME[match[2]]}, {match[2]})", drawn)


def _encode(pixels):
    """Return (n_rows, n_columns, 4) uint8 pixels as a data address; small ones keep every value."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "WEBP", lossless=pixels.size < _SMALL, quality=85, method=1)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()


class _Renderer(RendererSVG):
    """Writes a drawing of a size in points to a text buffer; text stays text."""

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        """Write text as text: by default letters become shapes; that setting belongs to the user and all threads."""
        self._draw_text_as_text(gc, x, y, s, prop, angle, ismath, mtext)

    def draw_markers(self, gc, marker_path, marker_trans, path, trans, rgbFace=None):
        """Write a style once: by default each marker repeats it, which takes more time and bytes than its place."""
        shape = self._convert_path(marker_path, marker_trans + Affine2D().scale(1, -1), simplify=False)
        name = self._make_id("m", shape)
        self.writer.start("defs")
        self.writer.element("path", id=name, d=shape)
        self.writer.end("defs")
        self.writer.start("g", style=self._get_style(gc, rgbFace), **self._get_clip_attrs(gc))
        for x, y in trans.transform(path.vertices):
            if x == x and y == y:
                place = {"x": f"{x:.1f}", "y": f"{self.height - y:.1f}"}
                self.writer.element("use", attrib={"xlink:href": f"#{name}", **place})
        self.writer.end("g")

    def draw_image(self, gc, x, y, im, transform=None):
        """Write a picture as WEBP: PNG, the default, takes several times the time and the bytes."""
        (rows, columns), dots = im.shape[:2], DOTS_PER_INCH / _PICTURE_DOTS_PER_INCH
        values = transform.frozen().to_values() if transform else (columns * dots, 0, 0, rows * dots, 0, 0)
        a, b, c, d, e, f = values
        # The transform places the unit square, with the first row at its bottom.
        place = f"matrix({a:.2f} {-b:.2f} {c:.2f} {-d:.2f} {e + x:.2f} {self.height - f - y:.2f})"
        settings = {"width": "1", "height": "1", "preserveAspectRatio": "none", "transform": place}
        opacity = {"opacity": f"{gc.get_alpha():g}"} if transform else {}
        if transform and a > columns:  # its pixels are larger than those of the page
            settings["style"] = "image-rendering: pixelated"
        gid = {"id": gc.get_gid()} if gc.get_gid() else {}
        self.writer.start("g", **gid, **self._get_clip_attrs(gc))
        self.writer.element("image", attrib=settings | opacity | {"xlink:href": _encode(im)})
        self.writer.end("g")


STILL_DOTS_PER_INCH = 100


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
    return FigureCanvasAgg(Figure(figsize=size_inches, dpi=STILL_DOTS_PER_INCH))


def render_figure(figure, n_colours):
    """Return a figure as PNG (bytes) with a number of colours, since a notebook that keeps it should stay small."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=STILL_DOTS_PER_INCH)
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(n_colours).save(content := io.BytesIO(), "PNG", optimize=True)
    return content.getvalue()
