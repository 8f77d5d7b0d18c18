"""Rows of finished cells in a CSV file, so that a benchmark that was stopped goes on."""

import csv

import numpy as np


def read_rows(path):
    """Return the rows of finished cells (list of dict of str)."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append_row(path, row, columns):
    """Add a row to the file; its first line has the names of the columns."""
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def write_cell(values, interval):
    """Return the mean of {seed: value} and half of its interval, in percent."""
    if not values:
        return "–"
    low, high = interval(list(values.values()))
    return f"{100 * np.mean(list(values.values())):.1f} ± {50 * (high - low):.1f}"
