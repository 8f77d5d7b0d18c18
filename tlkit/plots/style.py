"""Colours, markers, words and their letters, matrices and small pictures that drawings share."""

import contextlib
import functools
import inspect
import re
import textwrap
import unicodedata

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.text import Text
from PIL import ImageOps

from tlkit.languages import translate
from tlkit.notices import warn

# Okabe and Ito's colours can be told apart by colour-blind readers; markers and line styles do it in gray.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
# For artists that must not change the limits of their axes.
FIXED = {"scalex": False, "scaley": False}
# A ring marks the chosen point.
RING = {"marker": "o", "markersize": 17, "markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 1.8}
RING |= {"linestyle": "none", "zorder": 10}
TEXT_PT = 9  # no text of a drawing is smaller
ACCURACY = "accuracy on test pictures (share correct)"
SHOTS = "training pictures per class"
# Fonts of systems whose shapes are those of mainland China; others have the letters, in those of Japan or Taiwan.
_CHINESE = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "SimHei")
_DARK = 0.6  # from this share of the scale on, a cell is too dark for black text
PICTURE_PX = 128
_N_COLUMNS, _N_LINES = 16, 6  # of a text in the place of a picture
# The section of docstrings that `with_plain_texts` adds to functions which return axes.
_RETURNS = "Returns\n-------\nmatplotlib Axes\n    The axes that were given.\n\n"


def style_point(index):
    """Return colour and marker of the point with an index (dict)."""
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def style_curve(index):
    """Return colour, marker and line style of the curve with an index (dict)."""
    return style_point(index) | {"linestyle": LINES[index % len(LINES)]}


def shorten(name, n_letters=32):
    """Return the name of a class or domain for a drawing; the middle of a long one is left out."""
    # matplotlib leaves names that begin with "_" out of legends.
    name = f" {name}" if str(name).startswith("_") else str(name)
    return name if len(name) <= n_letters else f"{name[:9]}…{name[10 - n_letters :]}"


def name_inputs(words, description):
    """Return words of an axis about pictures, about texts if a comparison's description is one of texts."""
    return words.replace("picture", "text") if str(description.get("pictures")).startswith("TextSet") else words


def measure_error_bars(middle, low, high):
    """Return the lengths of error bars below and above (n,) points, (2, n); 0 without an interval."""
    lengths = np.nan_to_num([np.subtract(middle, low), np.subtract(high, middle)])
    return np.maximum(lengths, 0)  # rounding may put an end past its point, by a hair


def finish_curves(ax, xlabel, ylabel):
    """Name the axes under curves, and add a grid and the legend."""
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=TEXT_PT)


def finish_rows(ax, names, xlabel, *, top=-0.5, **style):
    """Name the rows of a drawing, the first one at the top, and the axis below, and add a grid."""
    ax.set_yticks(range(len(names)), names, **style)
    ax.set(ylim=(max(len(names), 1) - 0.5, top), xlabel=xlabel)
    ax.grid(axis="x", alpha=0.3)


def hide_frame(ax):
    """Hide the ticks and the frame of axes; their labels stay."""
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def frame_sheet(ax, width, height):
    """Prepare axes for a sheet of pictures: no ticks, no frame, the origin at the top left."""
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    ax.set_axis_off()


def draw_matrix(values, texts, rows, columns, ax, *, limits, **image):
    """Draw (n_rows, n_columns) values as shades between limits (low, high), with texts {(row, column): str}."""
    low, high = limits
    ax.imshow(values, vmin=low, vmax=high, **image)
    for (row, column), text in texts.items():
        value = values[row, column]
        colour = "white" if value > _DARK * high or value < _DARK * low < 0 else "black"
        ax.text(column, row, text, ha="center", va="center", fontsize=TEXT_PT, color=colour)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    hide_frame(ax)


def draw_thumbnail(picture, caption, left, top, pitch_px, ax, *, weight="normal"):
    """Draw a PIL picture or a text (str) in a column `pitch_px` wide, with a caption below it; return its artist."""
    middle, bottom = left + pitch_px / 2, top + PICTURE_PX
    if isinstance(picture, str):
        is_wide = any(unicodedata.east_asian_width(letter) in "WF" for letter in picture)
        settings = {"max_lines": _N_LINES, "placeholder": " …"}
        lines = textwrap.wrap(picture, _N_COLUMNS // 2 if is_wide else _N_COLUMNS, **settings)
        drawn = ax.text(middle, top + PICTURE_PX / 2, "\n".join(lines), ha="center", va="center", fontsize=TEXT_PT)
    else:
        picture = ImageOps.contain(picture, (PICTURE_PX, PICTURE_PX))
        left_edge, limits = middle - picture.width / 2, (ax.get_xlim(), ax.get_ylim())
        edges = (left_edge, left_edge + picture.width, bottom, bottom - picture.height)
        drawn = ax.imshow(picture, extent=edges, interpolation="none")  # pixel by pixel, since it is small already
        ax.set(xlim=limits[0], ylim=limits[1])  # the picture has moved them
    ax.text(middle, bottom + 3, caption, ha="center", va="top", fontsize=TEXT_PT, fontweight=weight)
    return drawn


def with_plain_texts(draw):
    """Decorate a function that draws: the texts of the axes it returns become plain, and its docstring names them."""

    @functools.wraps(draw)
    def wrapped(*arguments, **settings):
        drawn = draw(*arguments, **settings)
        for artist in drawn if isinstance(drawn, (list, tuple)) else [drawn]:
            make_texts_plain(artist)
        return drawn

    words = inspect.cleandoc(draw.__doc__ or "")
    if draw.__annotations__.get("return") is Axes and "\nReturns\n" not in words:
        wrapped.__doc__ = re.sub(r"(?=(Raises|References|Examples)\n-)", _RETURNS, f"{words}\n", count=1)
    return wrapped


def make_texts_plain(artist):
    """Let all texts of an artist be drawn letter by letter, with other fonts if its own lacks some letters."""
    # Each text has settings of its own, since matplotlib's rcParams belong to the user and to all threads.
    found = artist.findobj(lambda part: isinstance(part, (Axis, Text)))
    for axis in [part for part in found if isinstance(part, Axis)]:  # which would put back labels changed one by one
        labels = [tick.label1 for tick in axis.get_major_ticks()]
        texts = [_write(label) for label in labels]
        if texts != [label.get_text() for label in labels]:
            axis.set_ticklabels(texts)
    for text in [part for part in found if isinstance(part, Text)]:
        content = _translate(text)
        text.set_text(content)
        if "$" in content and r"\mathdefault{" not in content:  # which matplotlib itself writes at logarithmic scales
            text.set_parse_math(False)
        if not content.isascii():
            own = text.get_fontfamily()
            others = {_find_family(letter, tuple(own)) for letter in content}
            text.set_text(_write(text))
            if others := sorted(others - {None, *own}):
                text.set_fontfamily([*own, *others])


def _translate(text):
    """Return the content of a Text in the reader's language, in English if no font can write the translation."""
    content = text.get_text()
    if (translation := translate(content)) != content:
        if all(_find_family(letter, tuple(text.get_fontfamily())) for letter in translation):
            return translation
        _warn_once()
    return content


def _write(text):
    """Return the content of a Text, in which letters that no font has are escaped."""
    content, families = _translate(text), tuple(text.get_fontfamily())
    return content if content.isascii() else "".join(_write_letter(letter, families) for letter in content)


def _write_letter(letter, families):
    """Return a letter if some font has it, else its escape, or nothing if it has no shape of its own."""
    if _find_family(letter, families):
        return letter
    if unicodedata.category(letter) == "Cf" or "\ufe00" <= letter <= "\ufe0f":  # joiners, selectors of variants
        return ""
    _warn_once()
    return letter.encode("unicode_escape").decode()


@functools.cache
def _find_family(letter, families):
    """Return the first of some font families, or else of all installed ones, that has a letter; None without any."""
    if letter.isascii():
        return families[0]
    for family in families:
        if _can_draw(findfont(FontProperties(family=[family])), letter):
            return family
    return _find_installed(letter) or (_find_installed(letter) if _add_new_fonts() else None)


def _find_installed(letter):
    """Return the family of the first font in matplotlib's list that has a letter, or None."""
    # The font of last resort, which comes with matplotlib, has a box for each letter.
    fonts = [font for font in fontManager.ttflist if not font.name.startswith("Last Resort")]
    fonts.sort(key=lambda font: (font.style != "normal", font.weight != 400, font.name not in _CHINESE, font.name))
    return next((font.name for font in fonts if _can_draw(font.fname, letter)), None)


@functools.cache
def _add_new_fonts():
    """Add the fonts that were installed after matplotlib made its list, which it keeps on disk; return their number."""
    new = set(findSystemFonts()) - {font.fname for font in fontManager.ttflist}
    for path in sorted(new):
        with contextlib.suppress(OSError, RuntimeError, UnicodeError, KeyError, IndexError):  # a damaged font
            fontManager.addfont(path)
    return len(new)


def _can_draw(path, letter):
    """Return whether a font has a letter, as a shape that can be scaled."""
    try:
        font = get_font(path)
        if not font.get_char_index(ord(letter)):
            return False
        font.set_size(12, 72)
        font.load_char(ord(letter))
    except (OSError, RuntimeError, UnicodeError):  # a damaged font, or one of coloured pixels
        return False
    return True


@functools.cache
def _warn_once():
    """Warn that some letters have no font, once per process."""
    warn(
        r"no installed font has some letters of these names, so drawings show them as \u and their number, and words "
        "in English: install a font for them, for example Noto Sans CJK, and restart",
    )
