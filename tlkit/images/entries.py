"""Entries (path, label, file), put together as an `ImageSet`."""

from tlkit.images.imageset import ImageSet
from tlkit.names import make_printable, number_repeats


def make_set(entries, classes, domain, groups=None, quarantine=()):
    """Return an `ImageSet` from [(path, label, file)] without reading a picture; by default each is its own group."""
    lookup = {name: label for label, name in enumerate(classes)}
    unknown = ["unknown"] * len(entries)
    paths = [make_printable(path) for path, _, _ in entries]
    names = number_repeats(f"{domain}/{path}" for path in paths)
    return ImageSet(
        pictures=[file for _, _, file in entries],
        labels=[lookup[label] for _, label, _ in entries],
        classes=classes,
        domains=[domain] * len(entries),
        groups=names if groups is None else groups,
        names=names,
        roles=["core"] * len(entries),
        titles=[path.rpartition("/")[2] for path in paths],
        origins=[file.location for _, _, file in entries],
        authors=unknown,
        licences=unknown,
        folds=[-1] * len(entries),
        quarantine=quarantine,
    )
