"""Letters of names in drawings: shown as they are, never read as mathematics, by an installed font that has them."""

import functools
import unicodedata

from tlkit.notices import warn


def with_plain_texts(draw):
    """Decorate a function that draws, so that the texts of the axes or figure it returns are plain."""

    @functools.wraps(draw)
    def wrapped(*arguments, **settings):
        drawn = draw(*arguments, **settings)
        for artist in drawn if isinstance(drawn, (list, tuple)) else [drawn]:
            make_texts_plain(artist)
        return drawn

    return wrapped


def make_texts_plain(artist):
    """Let all texts of an artist be drawn letter by letter, with other fonts if its own lacks some letters."""
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    # Each text has settings of its own, since matplotlib's rcParams belong to the user and to all threads.
    found = artist.findobj(lambda part: isinstance(part, (Axis, Text)))
    for axis in [part for part in found if isinstance(part, Axis)]:  # which would put back labels changed one by one
        labels = [tick.label1 for tick in axis.get_major_ticks()]
        texts = [_write(label) for label in labels]
        if texts != [label.get_text() for label in labels]:
            axis.set_ticklabels(texts)
    for text in [part for part in found if isinstance(part, Text)]:
        content = text.get_text()
        if "$" in content and r"\mathdefault{" not in content:  # which matplotlib itself writes at logarithmic scales
            text.set_parse_math(False)
        if not content.isascii():
            own = text.get_fontfamily()
            others = {_find_family(letter, tuple(own)) for letter in content}
            text.set_text(_write(text))
            if others := sorted(others - {None, *own}):
                text.set_fontfamily([*own, *others])


def _write(text):
    """Return the content of a Text, in which letters that no font has are escaped."""
    content = text.get_text()
    families = tuple(text.get_fontfamily())
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
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    if letter.isascii():
        return families[0]
    for family in families:
        if _can_draw(findfont(FontProperties(family=[family])), letter):
            return family
    # The font of last resort, which comes with matplotlib, has a box for each letter.
    fonts = [font for font in fontManager.ttflist if not font.name.startswith("Last Resort")]
    fonts.sort(key=lambda font: (font.style != "normal", font.weight != 400, font.name))
    return next((font.name for font in fonts if _can_draw(font.fname, letter)), None)


def _can_draw(path, letter):
    """Return whether a font has a letter, as a shape that can be scaled."""
    from matplotlib.font_manager import get_font

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
        r"no installed font has some letters of these names, so drawings show them as \u and their number: install a "
        "font for them, for example Noto Sans CJK, and restart",
    )
