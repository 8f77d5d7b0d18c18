"""The picture set that comes with tlkit, read from the zips in the package without extracting them."""

import csv
from pathlib import Path

from tlkit.images.imageset import ImageSet
from tlkit.images.stored import PictureMember
from tlkit.naming import check_known

STYLES = Path(__file__).parent / "data" / "styles"
NAMES = ("styles",)


def load_styles(domain=None):
    """Load the set "styles": photographs, clip-art, emoji of two designs and sketches of 14 classes.

    Arguments
    ---------
    domain: str or list of str
        "photo", "clipart", "emoji", "twemoji", "sketch"; None is all of them.

    Returns an `ImageSet`, in the order of the domains asked for. Raises ValueError for another domain.
    """
    with open(STYLES / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    classes = sorted({row["cls"] for row in rows})
    lookup = {name: label for label, name in enumerate(classes)}
    by_domain = {}
    for row in rows:
        by_domain.setdefault(row["domain"], []).append(row)
    domains = list(by_domain) if domain is None else list(dict.fromkeys(check_known("domain", domain, by_domain)))
    if not domains:
        raise ValueError(f"domain: {domain!r} names none, expected some of {list(by_domain)}, or None for all")
    archives = {name: STYLES / f"pict4-{name}.zip" for name in domains}
    rows = [row for name in domains for row in by_domain[name]]
    return ImageSet(
        pictures=[PictureMember(archives[row["domain"]], row["path"]) for row in rows],
        labels=[lookup[row["cls"]] for row in rows],
        classes=classes,
        domains=[row["domain"] for row in rows],
        groups=[row["group"] for row in rows],
        names=[f"{row['domain']}/{row['path']}" for row in rows],
        roles=[row["role"] for row in rows],
        titles=[row["name"] for row in rows],
        origins=[f"{row['source']}: {row['key']}" for row in rows],
        authors=[row["author"] for row in rows],
        licences=[row["licence"] for row in rows],
        folds=[int(row["fold"]) for row in rows],
        attribution_text=(STYLES / "ATTRIBUTION.md").read_text(encoding="utf-8"),
    )
