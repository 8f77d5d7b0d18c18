"""Entries (path, label, file), put together as an `ImageSet`."""

from tlkit.images.imageset import ImageSet
from tlkit.names import number_repeats


def make_set(entries, classes, domain, groups=None, quarantine=()):
    """Return an `ImageSet` from [(path, label, file)] without reading a picture; by default each is its own group."""
    lookup = {name: label for label, name in enumerate(classes)}
    unknown = ["unknown"] * len(entries)
    names = number_repeats(f"{domain}/{path}" for path, _, _ in entries)
    return ImageSet(
        pictures=[file for _, _, file in entries],
        labels=[lookup[label] for _, label, _ in entries],
        classes=classes,
        domains=[domain] * len(entries),
        groups=names if groups is None else groups,
        names=names,
        roles=["core"] * len(entries),
        titles=[str(path).rpartition("/")[2] for path, _, _ in entries],
        origins=[file.location for _, _, file in entries],
        authors=unknown,
        licences=unknown,
        folds=[-1] * len(entries),
        quarantine=quarantine,
    )
