"""All drawing: each function draws on the axes that it is given."""

from tlkit.plots.comparison import draw_comparison, save_comparison
from tlkit.plots.confusion import draw_confusion
from tlkit.plots.contact_sheet import draw_contact_sheet, render_contact_sheet
from tlkit.plots.mistakes import draw_mistakes
from tlkit.plots.reading import ReadingPage, draw_reading

__all__ = [
    "ReadingPage",
    "draw_comparison",
    "draw_confusion",
    "draw_contact_sheet",
    "draw_mistakes",
    "draw_reading",
    "render_contact_sheet",
    "save_comparison",
]
