"""Contents of a set at a glance: a table of counts and, in Jupyter, example pictures of each class."""

import base64
import html
import io

import numpy as np

from tlkit.images.contact_sheet import compose_rows

_N_EXAMPLES = 6  # per class


class Description:
    """Counts of a set's pictures by class and domain (`table`), and its number of groups; made by `describe`."""

    def __init__(self, images):
        self.images = images
        self.table = count_pictures(images)
        self.n_groups = int(self.table.loc["total", "groups"])

    def __repr__(self):
        return f"{self.images!r}\n{self.table.to_string()}"

    def _repr_html_(self):
        """Return the table, and an embedded row of examples per class, as HTML."""
        table = self.table.to_html()
        if not len(self.images):
            return table
        rows = "".join(
            f'<tr><th>{html.escape(name)}</th><td><img alt="Examples of {html.escape(name)}" '
            f'src="data:image/png;base64,{_encode(row)}"></td></tr>'
            for name, (row, _) in compose_rows(self.images, _N_EXAMPLES, seed=0).items()
        )
        return f"{table}<table>{rows}</table>"


def _encode(picture):
    """Return a PIL picture as base64 text of a PNG; 128 colours keep notebooks small."""
    content = io.BytesIO()
    picture.quantize(128).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def count_pictures(images):
    """Return a DataFrame of counts: one row per class and "total"; one column per domain, "total" and "groups"."""
    import pandas as pd

    domains = np.unique(images.domains)
    table = pd.DataFrame(
        {
            domain: np.bincount(images.labels[images.domains == domain], minlength=len(images.classes))
            for domain in domains
        },
        index=pd.Index(images.classes, name="class"),
        columns=pd.Index(domains, name="domain"),
        dtype=np.int64,
    )
    table["total"] = table.sum(axis=1)
    table["groups"] = [len(np.unique(images.groups[images.labels == label])) for label in range(len(images.classes))]
    table.loc["total"] = table.sum(axis=0)
    table.loc["total", "groups"] = len(np.unique(images.groups))  # a group may span several classes
    return table
