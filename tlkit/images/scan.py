"""ArmSummary every picture once before it is used: broken ones are found here, not in the middle of training."""

import collections
import concurrent.futures
import contextlib
import os
import warnings

from tlkit.images.decode import PictureError, decode_picture, open_picture
from tlkit.images.imageset import ImageSet
from tlkit.names import number_repeats

_SHOWN = 5


def scan_pictures(entries, *, domain, bad, location, n_least_classes=2):
    """Decode every picture fully, and make an `ImageSet` of them.

    Each picture is a group of its own, but copies of one file share theirs, so no copy of a training picture
    is ever tested.

    Arguments
    ---------
    entries: list of (path, label, file)
        Path within the source (str or PurePosixPath), class (str), where the bytes lie.
    domain: str
        The domain of all of them.
    bad: "raise" or "skip"
        What to do when pictures can't be read: raise one ValueError that lists them, or leave them out,
        with one warning, and list them in the set's `quarantine`.
    location: str
        The source, for messages.
    n_least_classes: int
        1 for pictures without labels.
    """
    results = _inspect_all([file for _, _, file in entries])
    quarantine = [(file.location, reason) for (_, _, file), (reason, _) in zip(entries, results, strict=True) if reason]
    if quarantine:
        _report_bad(quarantine, len(entries), bad, location)
    kept = [entry for entry, (reason, _) in zip(entries, results, strict=True) if not reason]
    n_animated = sum(is_animated for reason, is_animated in results if not reason)
    if n_animated:
        warnings.warn(f"{location}: {n_animated} animated pictures, of which the first frame is taken", stacklevel=3)
    classes = sorted({label for _, label, _ in kept})
    if lost := sorted({label for _, label, _ in entries} - set(classes)):
        warnings.warn(f"{location}: no readable picture of {', '.join(lost)}, so these are no classes", stacklevel=3)
    if len(classes) < n_least_classes:
        raise ValueError(
            f"source: {location} has {len(kept)} readable pictures in {len(classes)} classes "
            f"({', '.join(classes)}), expected {n_least_classes} classes or more: add pictures of another class"
        )
    digests = [file.digest() for _, _, file in kept]
    _warn_of_copies(kept, digests, location)
    return make_set(kept, classes, domain, [f"sha256:{digest[:16]}" for digest in digests], quarantine)


def make_set(entries, classes, domain, groups=None, quarantine=()):
    """Make an `ImageSet` of pictures of which no more is known than their class; none is read.

    Arguments
    ---------
    entries: list of (path, label, file)
        As in `scan_pictures`.
    classes: list of str
    domain: str
    groups: list of str, optional
        By default each picture is a group of its own.
    quarantine: list of (path, reason)
    """
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


def _inspect_all(files):
    pool = concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1))  # decoding releases the lock
    try:
        return list(pool.map(_inspect, files))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # so that an interrupt needn't wait for the rest


def _inspect(file):
    """Return why a picture can't be read ("" if it can), and whether it moves."""
    try:
        data = file.read_bytes()
        decode_picture(data, file.location)
        picture = open_picture(data, file.location)
        file.digest()
        with contextlib.closing(picture):
            return "", getattr(picture, "is_animated", False)
    except PictureError as error:
        return error.reason, False
    except FileNotFoundError:
        return "no such file: correct its path", False
    except Exception as error:  # permission, checksum, unknown packing: whatever it is, it is this picture's
        return f"can't be read ({error})", False


def _report_bad(quarantine, n_pictures, bad, location):
    count = f"{len(quarantine)} of {n_pictures} pictures can't be read"
    if bad == "skip":
        warnings.warn(f"{location}: {count} and are left out; they are listed in .quarantine", stacklevel=4)
        return
    shown = "".join(f"\n  {path}: {reason}" for path, reason in quarantine[:_SHOWN])
    rest = f"\n  and {len(quarantine) - _SHOWN} more" if len(quarantine) > _SHOWN else ""
    raise ValueError(
        f'source: {count} in {location}:{shown}{rest}\nMend or remove them, or leave them out with bad="skip".'
    )


def _warn_of_copies(entries, digests, location):
    labels = collections.defaultdict(set)
    paths = collections.defaultdict(list)
    for (path, label, _), digest in zip(entries, digests, strict=True):
        labels[digest].add(label)
        paths[digest].append(str(path))
    torn = [paths[digest] for digest in paths if len(labels[digest]) > 1]
    if torn:
        warnings.warn(
            f"{location}: {len(torn)} pictures are in more than one class, the first {' = '.join(torn[0])}"
            ": remove what is wrong, since no answer to these can be right",
            stacklevel=4,
        )
