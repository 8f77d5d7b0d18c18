"""A table of networks for reading: formatted cells, sorted by a column, filtered by words. Without torch."""

import html
import numbers

import numpy as np
import pandas as pd

from tlkit.arguments import check_known

# Title of each column, with its unit, and the format of its values.
_FORMATS = {
    "name": ("network", str),
    "year": ("year", lambda value: f"{value:.0f}"),
    "n_parameters": ("parameters (M)", lambda value: f"{value / 1e6:.1f}"),
    "n_flops": ("GFLOP per picture", lambda value: f"{value / 1e9:.2f}"),
    "n_features": ("features", lambda value: f"{value:.0f}"),
    "image_size_px": ("input (px)", lambda value: f"{value:.0f}"),
    "pretrained_on": ("pretrained on", str),
    "kind": ("kind of pretraining", str),
    "accuracy": ("published accuracy", lambda value: f"{value:.3f}"),
    "accuracy_source": ("accuracy according to", str),
    "licence": ("licence of the weights", str),
    "offline": ("works offline", lambda value: "yes" if value else "no"),
}


def format_column(column):
    """Return the title of a column, with its unit."""
    return _FORMATS[column][0] if column in _FORMATS else column.replace("_", " ")


def describe_columns(table):
    """Return a table's columns for the script that shows them: name, title, and whether they hold numbers (dict)."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    numbers = {name: is_numeric_dtype(table[name]) and not is_bool_dtype(table[name]) for name in table}
    return [{"name": name, "title": format_column(name), "number": number} for name, number in numbers.items()]


def format_cells(table):
    """Return a table's cells as one list of str per row; "" for a missing value."""
    columns = [[_format_value(column, value) for value in table[column]] for column in table]
    return [list(row) for row in zip(*columns, strict=True)]


def _format_value(column, value):
    """Return one cell as str."""
    if pd.isna(value):
        return ""
    if column in _FORMATS:
        return _FORMATS[column][1](value)
    return f"{value:.3f}" if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral) else str(value)


def format_html(table):
    """Return a table in HTML, with titles and formatted cells."""

    def format_row(tag, texts):
        return "<tr>" + "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in texts) + "</tr>"

    rows = [format_row("th", map(format_column, table)), *(format_row("td", row) for row in format_cells(table))]
    return f"<table>{''.join(rows)}</table>"


def arrange(table, *, sort_by=None, descending=False, words=""):
    """Return the rows to show, (n,) int64: those that contain all words, sorted by a column, missing values last."""
    wanted = words.casefold().split()
    # Addresses may contain names of other networks: AlexNet's source is a page on "alexnet-and-vgg".
    texts = [" ".join(text for text in row if "://" not in text).casefold() for row in format_cells(table)]
    rows = np.array([row for row, text in enumerate(texts) if all(word in text for word in wanted)], np.int64)
    if sort_by is None:
        return rows
    (column,) = check_known("sort_by", sort_by, list(table))
    values = table[column].iloc[rows].reset_index(drop=True)
    if not pd.api.types.is_numeric_dtype(values):
        values = values.map(lambda value: value.casefold(), na_action="ignore")
    order = values.sort_values(ascending=not descending, kind="stable", na_position="last").index
    return rows[order.to_numpy()]
