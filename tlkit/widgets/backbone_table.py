"""All networks in one table, sorted by its headers and filtered by typing: the `BackboneTable`."""

import html
from pathlib import Path

import anywidget
import pandas as pd
import traitlets

from tlkit.arguments import check_known
from tlkit.summaries.backbone_table import arrange, format_cells, format_column, format_html

# So many rows a reader without widgets sees; the whole table of timm would make a notebook of megabytes.
_MOST_STATIC_ROWS = 30

_STYLE = """
.tlkit-table label { margin-right: 1em; }
.tlkit-table-frame { max-height: 26em; overflow: auto; margin-top: 0.4em; }
.tlkit-table table { border-collapse: collapse; white-space: nowrap; }
.tlkit-table th { position: sticky; top: 0; padding: 0; text-align: left;
  background: var(--jp-layout-color2, #eee); }
.tlkit-table th button { font: inherit; color: inherit; background: none; border: none; cursor: pointer;
  width: 100%; padding: 0.3em 0.6em; text-align: inherit; }
.tlkit-table th button::after { content: "\\2009\\2195"; opacity: 0.4; }
.tlkit-table th[aria-sort=ascending] button::after { content: "\\2009\\25B2"; opacity: 1; }
.tlkit-table th[aria-sort=descending] button::after { content: "\\2009\\25BC"; opacity: 1; }
.tlkit-table td { padding: 0.15em 0.6em; max-width: 22em; overflow: hidden; text-overflow: ellipsis; }
.tlkit-table .number { text-align: right; }
.tlkit-table :is(th, td):first-child { position: sticky; left: 0; background: var(--jp-layout-color0, #fff); }
.tlkit-table th { z-index: 1; }
.tlkit-table th:first-child { z-index: 2; background: var(--jp-layout-color2, #eee); }
"""


class BackboneTable(anywidget.AnyWidget):
    """Look through the networks: click a header to sort, once more to turn the order round, type words to filter.

    Building it displays nothing. Where there are no widgets, the table is shown as it stands.

    Arguments
    ---------
    table: str or DataFrame
        A pattern of names for `tlkit.backbones.table`, or such a table.
    sort_by: str, optional
        A column to sort by first.
    descending: bool
    words: str
        To filter by first: rows in whose cells each of them occurs.

    `sort_by`, `descending` and `words` are traits: assigning to them changes what is shown, a column that isn't there
    is a TraitError. `shown` is what is shown, as a DataFrame; `sentence` says how many.
    """

    _esm = Path(__file__).with_name("backbone_table.js")
    _css = _STYLE

    columns = traitlets.List().tag(sync=True)
    cells = traitlets.List().tag(sync=True)
    order = traitlets.List().tag(sync=True)
    sentence = traitlets.Unicode().tag(sync=True)
    sort_by = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    descending = traitlets.Bool(False).tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)

    def __init__(self, table="*", *, sort_by=None, descending=False, words=""):
        if isinstance(table, str):
            from tlkit.backbones.network_table import table as list_networks

            table = list_networks(table)
        self.table = table.reset_index(drop=True)
        columns = [
            {"name": column, "title": format_column(column), "number": _is_number(self.table[column])}
            for column in self.table
        ]
        super().__init__(
            columns=columns, cells=format_cells(self.table), sort_by=sort_by, descending=descending, words=words
        )
        self._arrange()
        self.observe(self._arrange, ["sort_by", "descending", "words"])

    @traitlets.validate("sort_by")
    def _check(self, proposal):
        if proposal["value"] is not None:
            try:
                check_known("sort_by", proposal["value"], list(self.table))
            except ValueError as error:
                raise traitlets.TraitError(str(error)) from error
        return proposal["value"]

    def _arrange(self, _change=None):
        order = arrange(self.table, sort_by=self.sort_by, descending=self.descending, words=self.words)
        sentence = f"{len(order)} of {len(self.table)} rows"
        if self.sort_by is not None:
            sentence += f", by {format_column(self.sort_by)}, {'descending' if self.descending else 'ascending'}"
        with self.hold_sync():
            self.order, self.sentence = order.tolist(), sentence

    @property
    def shown(self):
        """The rows that are shown, in their order (DataFrame)."""
        return self.table.iloc[self.order]

    def _repr_mimebundle_(self, **keywords):
        # anywidget returns a pair, of data and metadata, or None where the front end has no widgets.
        bundle, metadata = super()._repr_mimebundle_(**keywords) or ({}, {})
        more = max(0, len(self.order) - _MOST_STATIC_ROWS)
        note = f"{self.sentence}; {more} more below these" if more else self.sentence
        still = f"{format_html(self.shown.head(_MOST_STATIC_ROWS))}<p>{html.escape(note)}</p>"
        return bundle | {"text/plain": repr(self), "text/html": still}, metadata

    def __repr__(self):
        return f"BackboneTable({self.sentence})"


def _is_number(values):
    return bool(pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values))
