"""The results of a study as one HTML file without outside requests: table, verdicts, curves, failures, origin."""

import html
import json
from importlib.resources import files

import tlkit

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}
main {{ max-width: 72rem; }} .wide {{ overflow-x: auto; white-space: nowrap; }} svg {{ max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; font-size: 0.85rem; }} th, td {{ padding: 0.2rem 0.5rem; text-align: right; }}
pre {{ white-space: pre-wrap; }} :root {{ --tlkit-ink: var(--ink); --tlkit-paper: var(--paper); }}</style></head>
<body><main><h1>{title}</h1>{body}</main></body></html>
"""


def make_page(results):
    """Return the page of a study's results as HTML."""
    status, comparisons = results.status(), results.comparisons
    made = results._read_fact("made") or {}
    parts = [f"<pre>{html.escape(repr(status))}</pre>"]
    if verdicts := results.verdicts:  # which are there later than the accuracies of the baseline
        parts += ["<h2>Verdicts</h2>", "<p>All intervals of gains together hold with 95 % confidence.</p>"]
        parts += [_draw(results.draw, (9, 1.5 + 0.45 * len(verdicts)), "Map of gains and verdicts, as in the table")]
    if comparisons:
        parts += ["<h2>Accuracies</h2>"]
        for comparison in comparisons.values():
            place = ", ".join(f"{name} {value}" for name, value in comparison.description.items())
            text = f"Accuracy by shots of each strategy, with intervals: {place}; the table holds the numbers"
            parts += [f"<h3>{html.escape(place)}</h3>", _draw(comparison.draw, (8, 4), text)]
        parts += ["<h2>Table</h2>", _write_table(results.table.round(3))]
    if status.n_failed:
        parts += ["<h2>Failures</h2>", _write_table(status.failures)]
    origin = made | {"versions": sorted(set(results.runs.get("version", []))), "page written by": tlkit.__version__}
    parts += ["<h2>What made it</h2>", f"<pre>{html.escape(json.dumps(origin, indent=1, ensure_ascii=False))}</pre>"]
    style = (files("tlkit.export") / "data" / "page.css").read_text(encoding="utf-8")
    return _PAGE.format(title=html.escape(f"Study {results._store.path.stem}"), style=style, body="\n".join(parts))


def _draw(draw, size_inches, text):
    """Return a drawing on axes of its own as SVG, with a text for those who don't see it."""
    from tlkit.plots.vector import make_vector_canvas, render_vector

    figure = make_vector_canvas(size_inches).figure
    figure.set_layout_engine("constrained")
    draw(figure.subplots())
    return f'<div class="wide" role="img" aria-label="{html.escape(text)}">{render_vector([figure], size_inches)}</div>'


def _write_table(table):
    """Return a table as HTML."""
    return f'<div class="wide">{table.to_html(index=False, border=0)}</div>'
