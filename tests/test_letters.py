"""Names in drawings: any letters, dollars, lengths and first letters."""

import warnings

import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from made_pictures import make_picture
from matplotlib import font_manager, rcParams
from matplotlib.figure import Figure
from matplotlib.text import Text

import tlkit as tl
from tlkit.plots import style
from tlkit.plots.comparison import draw_mistakes
from tlkit.plots.style import make_texts_plain, shorten
from tlkit.plots.vector import Page, render_figure

DOLLARS = "$5_$10_mixed"
LONG = "03221_Animalia_Chordata_Aves_Passeriformes_Icteridae_Sturnella_magna"
APPLE = "苹果"


@pytest.fixture
def no_cache():
    cached = (style._find_family, style._add_new_fonts, style._warn_once)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.fixture
def apple_font(no_cache, tmp_path, monkeypatch):
    """A font with the letters of one name, among those installed, of which no other has them."""
    broken = font_manager.FontEntry(str(tmp_path / "broken.ttf"), "A Broken Font")
    without = [font for font in font_manager.fontManager.ttflist if not style._can_draw(font.fname, APPLE[0])]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [broken, *without])
    monkeypatch.setattr(style, "findSystemFonts", list)
    write_font(tmp_path / "apple.ttf")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    font_manager.fontManager.addfont(tmp_path / "apple.ttf")
    return "Made Apple"


def write_font(path):
    """Write a font that has the letters of one name, squares."""
    names = [".notdef", *(f"letter{number}" for number in range(len(APPLE)))]
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, 700), (700, 700), (700, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(letter): name for letter, name in zip(APPLE, names[1:], strict=True)})
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (800, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Made Apple", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


def draw_all(classes, folder):
    """Return drawings of each kind with names of two classes: {name: Figure}."""
    figures = {name: Figure() for name in ("confusion", "sheet", "recalls", "mistakes")}
    axes = {name: figure.subplots() for name, figure in figures.items()}
    tl.plots.draw_confusion([[3, 1], [0, 4]], classes, axes["confusion"])
    pictures = [(folder / f"{number}.png", classes[number % 2]) for number in range(6)]
    for number, (path, _) in enumerate(pictures):
        make_picture(number).save(path)
    images = tl.load_images([(str(path), label) for path, label in pictures])
    tl.plots.draw_contact_sheet(images, axes["sheet"])
    recalls = pd.DataFrame({"class": classes, "n": 4, "source_only": 0.25, "method": 0.75})
    tl.plots.draw_recalls(recalls, axes["recalls"], method="coral")
    mistakes = pd.DataFrame([("1.png", *classes, 0.93)], columns=["picture", "label", "predicted", "probability"])
    draw_mistakes(mistakes, lambda name: make_picture(1), axes["mistakes"])
    return figures


def list_texts(artist):
    return artist.findobj(Text)


@pytest.mark.parametrize(
    "name",
    [
        DOLLARS,
        *(pytest.param(name, marks=pytest.mark.slow) for name in (LONG, "_background", "a\\b{c}^d")),
        "x[/b] <b>:smile:",
    ],
)
def test_names_are_drawn_letter_by_letter(name, tmp_path):
    for kind, figure in draw_all((name, "euro"), tmp_path).items():
        assert render_figure(figure, 64)[1:4] == b"PNG"
        texts = list_texts(figure)
        # Below a small picture there is less room.
        wanted = shorten(name, 18) if kind == "mistakes" else shorten(name)
        assert any(wanted in text.get_text() for text in texts), kind


def test_a_dollar_is_drawn_as_the_letter(no_cache):
    """The pixels are those of a text without mathematics, and not those of a formula."""
    pictures = []
    for text in ("$a$ b", r"\$a\$ b"):
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.4, text)
        if text[0] == "$":
            make_texts_plain(figure)
        pictures.append(render_figure(figure, 64))
    assert pictures[0] == pictures[1]


def test_letters_come_from_a_font_that_has_them(apple_font, tmp_path):
    before = rcParams.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of missing letters
        for kind, figure in draw_all((APPLE, "pear"), tmp_path).items():
            render_figure(figure, 64)
            texts = list_texts(figure)
            found = [text for text in texts if APPLE in text.get_text()]
            assert found, kind
            assert all(text.get_fontfamily() == [*rcParams["font.family"], apple_font] for text in found)
            others = [text for text in texts if APPLE not in text.get_text()]
            assert all(text.get_fontfamily() == rcParams["font.family"] for text in others)
    assert rcParams == before


def test_a_font_that_was_installed_after_matplotlibs_list_is_found(no_cache, tmp_path, monkeypatch):
    default = [font for font in font_manager.fontManager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", default)
    write_font(tmp_path / "apple.ttf")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(style, "findSystemFonts", lambda: [str(path) for path in tmp_path.glob("*.ttf")])
    figure = Figure()
    drawn = figure.text(0.1, 0.4, APPLE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_texts_plain(figure)
    assert drawn.get_text() == APPLE
    assert drawn.get_fontfamily()[-1] == "Made Apple"


def test_letters_without_any_font_are_escaped_with_one_warning(no_cache, monkeypatch):
    default = [font for font in font_manager.fontManager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", default)
    monkeypatch.setattr(style, "findSystemFonts", list)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        page = Page(
            (4, 4),
            lambda figure: [tl.plots.draw_confusion(np.eye(2), (APPLE, "é\u200d\ufe0f"), figure.subplots())],
            lambda summary, axes: axes[0].text(0, 0, summary),
        )
        labels = [label.get_text() for label in page.axes[0].get_xticklabels()]
        assert page.render(f"{DOLLARS} 🍎")[:4] == "<svg"
    assert labels == [r"\u82f9\u679c", "é\u200d\ufe0f"]  # DejaVu has these two
    assert len(caught) == 1
    assert "no installed font has some letters of these names" in str(caught[0].message)


def test_numbers_at_ticks_and_own_words_stay(no_cache):
    axes = Figure().subplots()
    axes.plot([-1, 1], [0.001, 1000])
    axes.set_yscale("log")
    axes.set_title("true class → predicted × 2")
    axes.figure.draw_without_rendering()
    before = [(text.get_text(), text.get_parse_math()) for text in list_texts(axes)]
    make_texts_plain(axes)
    axes.figure.draw_without_rendering()
    assert [(text.get_text(), text.get_parse_math()) for text in list_texts(axes)] == before
    assert any("mathdefault" in text for text, _ in before)


def test_long_names_keep_their_ends():
    assert shorten(LONG) == "03221_Ani…eridae_Sturnella_magna"
    assert len(shorten(LONG)) == 32
    assert shorten("x" * 32) == "x" * 32
    assert shorten("_background") == " _background"


def test_axes_name_texts_if_texts_were_compared():
    texts = tl.load_texts([("a cat", "pets"), ("a dog", "pets"), ("a shark", "wild")])
    assert style.name_inputs(style.SHOTS, {"pictures": repr(texts)}) == "training texts per class"
    assert style.name_inputs(style.SHOTS, {"pictures": "ImageSet(TextSet)"}) == style.SHOTS
    assert style.name_inputs(style.SHOTS, {}) == style.SHOTS
