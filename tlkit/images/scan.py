"""Decode every picture once when a set is loaded, so that damaged ones are found before training."""

import collections
import concurrent.futures
import contextlib
import os
import warnings

from tlkit.images.decode import PictureError, decode_picture, open_picture
from tlkit.images.inputs import make_set

_N_SHOWN = 5


def scan_pictures(entries, *, domain, bad, location, n_least_classes=2):
    """Return an `ImageSet` of decodable pictures from [(path, label, file)]; the others are raised, or skipped."""
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
    # Copies of one file share a group, so a copy of a training picture is never tested.
    digests = [file.digest() for _, _, file in kept]
    _warn_of_copies(kept, digests, location)
    return make_set(kept, classes, domain, [f"sha256:{digest[:16]}" for digest in digests], quarantine)


def _inspect_all(files):
    """Return the results of `_inspect` for all files, in order."""
    pool = concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1))  # decoding releases Python's lock
    try:
        return list(pool.map(_inspect, files))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # so that an interrupt doesn't wait for the rest


def _inspect(file):
    """Return (why a picture can't be read, or "", whether it is animated)."""
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
    except Exception as error:  # permission, checksum, unknown compression: any error concerns this picture alone
        return f"can't be read ({error})", False


def _report_bad(quarantine, n_pictures, bad, location):
    """Warn of unreadable pictures if `bad` is "skip"; else raise one ValueError that lists them."""
    count = f"{len(quarantine)} of {n_pictures} pictures can't be read"
    if bad == "skip":
        warnings.warn(f"{location}: {count} and are left out; they are listed in .quarantine", stacklevel=4)
        return
    shown = "".join(f"\n  {path}: {reason}" for path, reason in quarantine[:_N_SHOWN])
    rest = f"\n  and {len(quarantine) - _N_SHOWN} more" if len(quarantine) > _N_SHOWN else ""
    raise ValueError(
        f'source: {count} in {location}:{shown}{rest}\nMend or remove them, or leave them out with bad="skip".'
    )


def _warn_of_copies(entries, digests, location):
    """Warn of identical files in more than one class."""
    labels = collections.defaultdict(set)
    paths = collections.defaultdict(list)
    for (path, label, _), digest in zip(entries, digests, strict=True):
        labels[digest].add(label)
        paths[digest].append(str(path))
    conflicts = [paths[digest] for digest in paths if len(labels[digest]) > 1]
    if conflicts:
        warnings.warn(
            f"{location}: {len(conflicts)} pictures are in more than one class, the first {' = '.join(conflicts[0])}"
            ": remove the wrong copies, since no prediction for these can be right",
            stacklevel=4,
        )
