"""All networks in one table, sorted by its headers and filtered by typing: the `BackboneTable`."""

import html

import anywidget
import pandas as pd
import traitlets

from tlkit.arguments import check_known
from tlkit.languages import show
from tlkit.summaries.backbone_table import arrange, describe_columns, format_cells, format_column, format_html
from tlkit.widgets.explorer import make_bundle, read_files, refuse_value

# Readers without widgets see this many rows; the whole table of timm would make a notebook of megabytes.
_MAX_STATIC_ROWS = 30
# Columns that are hidden first, so that the others fit on a screen.
_HIDDEN = ("weights", "family", "accuracy_source")


class BackboneTable(anywidget.AnyWidget):
    """Browse the networks: click a header to sort, click it again to reverse the order, type words to filter.

    Parameters
    ----------
    table : str or DataFrame
        A pattern of names for `tlkit.backbones.table`, or such a table.
    sort_by, descending : str, optional, and bool
        Column to sort by first, and whether the largest value comes first.
    words : str
        Words to filter by first: rows stay if each word occurs in one of their cells.

    Attributes
    ----------
    sort_by, descending, words : str or None, bool, str
        Traits as above. Assigning one changes the rows that are shown; an unknown column raises TraitError.
    hidden : list of str
        Columns that are not shown; buttons above the table show and hide them.
    status : str
        Number of rows that are shown, and their order.

    Raises
    ------
    TraitError
        If the table has no column `sort_by`.

    Examples
    --------
    >>> BackboneTable("resnet18*", sort_by="n_parameters").shown["name"].tolist()
    ['resnet18']
    """

    _esm = read_files("kit.js", "table.js", "backbone_table.js")
    _css = read_files("kit.css", "table.css")

    columns = traitlets.List().tag(sync=True)
    cells = traitlets.List().tag(sync=True)
    order = traitlets.List().tag(sync=True)
    hidden = traitlets.List().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True, to_json=show)
    sort_by = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    descending = traitlets.Bool(False).tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)

    def __init__(
        self, table: str | pd.DataFrame = "*", *, sort_by: str | None = None, descending: bool = False, words: str = ""
    ):
        if isinstance(table, str):
            from tlkit.backbones.network_table import table as list_networks

            table = list_networks(table)
        self.table = table.reset_index(drop=True)
        hidden = [name for name in _HIDDEN if name in self.table]
        content = {"columns": describe_columns(self.table), "cells": format_cells(self.table), "hidden": hidden}
        super().__init__(**content, sort_by=sort_by, descending=descending, words=words)
        self._arrange()
        self.observe(self._arrange, ["sort_by", "descending", "words"])

    @traitlets.validate("sort_by", "hidden")
    def _check(self, proposal):
        """Return known columns or None; raise TraitError for other values."""
        if proposal["value"] is not None:
            with refuse_value():
                check_known(proposal["trait"].name, proposal["value"], list(self.table))
        return proposal["value"]

    def _arrange(self, _change=None):
        """Sort and filter the rows, and describe the result in `status`."""
        order = arrange(self.table, sort_by=self.sort_by, descending=self.descending, words=self.words)
        sentence = f"{len(order)} of {len(self.table)} rows"
        if self.sort_by is not None:
            sentence += f", by {format_column(self.sort_by)}, {'descending' if self.descending else 'ascending'}"
        with self.hold_sync():
            self.order, self.status = order.tolist(), sentence

    @property
    def shown(self) -> pd.DataFrame:
        """Rows of `table` that are shown, in their order."""
        return self.table.iloc[self.order]

    def _repr_mimebundle_(self, **keywords):
        """Return the widget's display data, with the first rows as HTML for front ends without widgets."""
        n_hidden = max(0, len(self.order) - _MAX_STATIC_ROWS)
        note = f"{self.status}; {n_hidden} more below these" if n_hidden else self.status
        still = f"{format_html(self.shown.head(_MAX_STATIC_ROWS))}<p>{html.escape(note)}</p>"
        return make_bundle(self, keywords, {"text/html": still})

    def __repr__(self):
        return f"BackboneTable({self.status})"
