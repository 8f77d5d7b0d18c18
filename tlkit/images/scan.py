"""Decode every picture once when a set is loaded, so that damaged ones are found before training."""

import collections
import concurrent.futures
import contextlib
import itertools
import os

from PIL import Image

from tlkit.images.decode import ARRAY, PictureError, decode_picture, open_picture
from tlkit.images.formats import find_format
from tlkit.images.inputs import make_set
from tlkit.images.layout import count
from tlkit.names import make_printable
from tlkit.notices import warn

N_DECODED = 20_000  # pictures of larger sets are decoded when they are used
_N_AT_ONCE = 16
_N_SHOWN = 5
_DARK_BELOW = 32  # of 255
_ANIMATED = "animated pictures, of which the first frame is taken"
_FLAT = "pictures of one colour throughout, perhaps damaged or lost in a conversion"
_DARK = f"pictures all but black, with no value above {_DARK_BELOW - 1} of 255"
_WHOLE = ("", "")


def scan_pictures(entries, *, domain, bad, location, n_least_classes=2):
    """Return an `ImageSet` of decodable pictures from [(path, label, file)]; the others are raised, or skipped."""
    decode = bad == "skip" or len(entries) <= N_DECODED
    results = _inspect_all([file for _, _, file in entries], _inspect if decode else _inspect_ends)
    if not decode:
        warn(
            f"{location}: more than {N_DECODED:,} pictures, so only the first and last bytes of each were checked; a "
            'picture that is damaged in between is named when it is first used (bad="skip" decodes all of them now)'
        )
    quarantine = [(file.location, reason) for (_, _, file), (reason, _) in zip(entries, results, strict=True) if reason]
    if quarantine:
        found = f"{len(quarantine)} of {len(entries)} pictures can't be read"
        if bad != "skip":
            shown = "".join(f"\n  {path}: {reason}" for path, reason in quarantine[:_N_SHOWN])
            shown += f"\n  and {len(quarantine) - _N_SHOWN} more" if len(quarantine) > _N_SHOWN else ""
            advice = 'Mend or remove them, or leave them out with bad="skip".'
            raise ValueError(f"source: {found} in {location}:{shown}\n{advice}")
        warn(f"{location}: {found} and are left out; they are listed in .quarantine")
    kept = [entry for entry, (reason, _) in zip(entries, results, strict=True) if not reason]
    # Flat and dark pictures are normal if they are few.
    for oddity, least in ((_ANIMATED, 1), (_FLAT, len(entries) / 10), (_DARK, len(entries) / 10)):
        odd = [file.location for (_, _, file), (_, found) in zip(entries, results, strict=True) if found == oddity]
        if odd and len(odd) >= least:
            warn(f"{location}: {len(odd)} {oddity}, the first {odd[0]}")
    classes = sorted({label for _, label, _ in kept})
    if lost := sorted({label for _, label, _ in entries} - set(classes)):
        warn(f"{location}: no readable picture of {', '.join(lost)}, so these are no classes")
    if len(classes) < n_least_classes:
        raise ValueError(
            f"source: {location} has {count(len(kept), 'readable picture')} in {count(len(classes), 'class')} "
            f"({', '.join(classes)}), expected {n_least_classes} classes or more: add pictures of another class"
        )
    # Copies of one file share a group, so a copy of a training picture is never tested.
    digests = [file.digest() for _, _, file in kept]
    warn_of_copies(kept, digests, location)
    return make_set(kept, classes, domain, [f"sha256:{digest[:16]}" for digest in digests], quarantine)


def _inspect_all(files, inspect):
    """Return the results of a function for all files, in order."""
    pool = concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1))  # decoding releases Python's lock
    batches = [files[start : start + _N_AT_ONCE] for start in range(0, len(files), _N_AT_ONCE)]
    try:
        return list(itertools.chain.from_iterable(pool.map(lambda batch: [inspect(file) for file in batch], batches)))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # so that an interrupt doesn't wait for the rest


def _inspect_ends(file):
    """Return the result of `_inspect`, without decoding pictures that begin and end as they should."""
    with contextlib.suppress(Exception):  # described by `_inspect`
        if _is_likely_whole(file.read_and_hash()):
            return _WHOLE
    return _inspect(file)


def _is_likely_whole(content):
    """Return whether a file begins and ends like a whole picture of one frame; False for formats without an end."""
    name = find_format(content)
    if name == "JPEG":
        return b"\xff\xd9" in content[-32:]
    if name == "PNG":
        return b"IEND" in content[-32:] and b"acTL" not in content[:256]
    if name == "WEBP":
        return int.from_bytes(content[4:8], "little") + 8 <= len(content) and b"ANIM" not in content[:64]
    return name == "BMP" and int.from_bytes(content[2:6], "little") <= len(content)


def _inspect(file):
    """Return (why a picture can't be read, or "", oddity, or "")."""
    try:
        data = file.read_bytes()
        oddity = _find_oddity(decode_picture(data, file.location, None))
        file.digest()
        if not data.startswith(ARRAY):
            with contextlib.closing(open_picture(data, file.location)) as picture:
                oddity = _ANIMATED if getattr(picture, "is_animated", False) else oddity
        return "", oddity
    except PictureError as error:
        return error.reason, ""
    except FileNotFoundError:
        return "no such file: correct its path", ""
    except Exception as error:  # permission, checksum, unknown compression: any error concerns this picture alone
        return f"can't be read ({error})", ""


def _find_oddity(picture):
    """Return the oddity of a decoded picture, or ""."""
    # A few pixels usually show that there is none.
    for sample in (picture.resize((16, 16), Image.Resampling.NEAREST), picture):
        lowest, highest = zip(*sample.getextrema(), strict=True)
        oddity = _FLAT if lowest == highest else _DARK if max(highest) < _DARK_BELOW else ""
        if not oddity:
            break
    return oddity


def warn_of_copies(entries, digests, location, noun="picture"):
    """Warn of identical files, or texts, in more than one class."""
    if len(set(digests)) == len(digests):
        return
    labels = collections.defaultdict(set)
    paths = collections.defaultdict(list)
    for (path, label, _), digest in zip(entries, digests, strict=True):
        labels[digest].add(label)
        paths[digest].append(make_printable(path))
    if conflicts := [paths[digest] for digest in paths if len(labels[digest]) > 1]:
        found = f"{count(len(conflicts), noun)} in more than one class, the first {' = '.join(conflicts[0])}"
        warn(f"{location}: {found}: remove the wrong copies, since no prediction for these can be right")
