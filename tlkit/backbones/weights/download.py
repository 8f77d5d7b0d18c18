"""Downloading one file so that it is either whole and the right one, or not there. Without torch."""

import hashlib
import http.client
import os
import shutil
import threading
import time
import urllib.error
import urllib.request

import filelock

from tlkit.storage import written_whole

TIMEOUT_S = 4.0  # to connect, and between two pieces
N_TRIES = 5
PAUSE_S = 0.5
_PIECE_BYTES = 1 << 20

# What a broken answer raises is no OSError.
_FAILURES = (OSError, ValueError, http.client.HTTPException)


class DownloadError(OSError):
    """A download that failed; nothing of it was kept."""


def download(url, target, *, expected_prefix="", progress=False, replace=False):
    """Download `url` to `target`, which appears only when length and hash are right; returns the SHA-256.

    A connection that breaks off is taken up where it broke, up to four times, where the server can do that.

    Arguments
    ---------
    url: str
        Where `TLKIT_WEIGHTS_URL` is set, the file with the name of `target` is taken from there instead.
    target: path
        A second process that wants the same waits for the first.
    expected_prefix: str
        First digits of the SHA-256.
    progress: bool
        Show a bar.
    replace: bool
        Download also where `target` is there already; else nothing is done then, and None returned.

    Raises DownloadError (an OSError), within 5 s where the server doesn't answer.
    """
    mirror = os.environ.get("TLKIT_WEIGHTS_URL")
    if mirror:
        url = f"{mirror.rstrip('/')}/{target.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{target}.lock"):
        if target.is_file() and not replace:
            return None
        with written_whole(target) as temporary:
            sha256 = _fetch(url, temporary, target.name if progress else None, expected_prefix)
            with open(temporary, "rb") as file:
                impostor = name_impostor(file.read(N_BYTES))
            if impostor:
                raise DownloadError(f"{url} gave {impostor}")
            if not sha256.startswith(expected_prefix):
                raise DownloadError(f"{url} gave another file: its SHA-256 begins {sha256[:8]}, not {expected_prefix}")
        return sha256


def _fetch(url, temporary, title, expected_prefix):
    """Write what `url` gives to a file; returns its SHA-256."""
    from tqdm.auto import tqdm

    content, n_bytes = hashlib.sha256(), 0
    with (
        _open(url) as response,
        open(temporary, "wb") as file,
        tqdm(desc=title, unit="B", unit_scale=True, disable=title is None) as bar,
    ):
        n_expected = bar.total = _read_length(response, url, expected_prefix)
        _check_room(temporary.parent, n_expected, url)
        for n_left in reversed(range(N_TRIES)):
            cause = ""
            try:
                for piece in _read_pieces(response):
                    file.write(piece)
                    content.update(piece)
                    n_bytes += len(piece)
                    bar.update(len(piece))
            except DownloadError as error:
                cause = f": {error}"
            else:
                if n_expected in (None, n_bytes):
                    return content.hexdigest()
            broken = f"{url} broke off after {n_bytes} of {n_expected or 'an unknown number of'} bytes{cause}"
            version = _find_version(response, expected_prefix)
            if n_left == 0 or n_expected is None or n_bytes > n_expected or version is None:
                break
            time.sleep(PAUSE_S)
            response = _resume(url, n_bytes, n_expected, version, broken)
    raise DownloadError(broken)


def _open(url, headers=None):
    # Looking a name up has no time limit of its own, so the request runs in a thread that can be left behind.
    outcome = {}

    def request():
        try:
            response = urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=TIMEOUT_S)
        except _FAILURES as error:
            outcome["error"] = error
            if isinstance(error, urllib.error.HTTPError):  # which is an open answer at the same time
                error.close()
        else:
            outcome["response"] = response

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(TIMEOUT_S + 0.5)
    if "response" in outcome:
        return outcome["response"]
    error = outcome.get("error", "no answer")
    raise DownloadError(f"{url}: {getattr(error, 'reason', None) or error}")


def _read_pieces(response):
    with response:
        try:
            while piece := response.read1(_PIECE_BYTES):
                yield piece
        except _FAILURES as error:
            raise DownloadError(str(error)) from error


def _read_length(response, url, expected_prefix):
    announced = response.headers.get("Content-Length")
    if announced is not None and announced.isdecimal():
        return int(announced)
    # Sent in chunks, the end is marked; else only the hash could tell the end from a broken connection.
    if not expected_prefix and response.headers.get("Transfer-Encoding") != "chunked":
        raise DownloadError(f"{url} says no length, so nothing would tell whether the file is whole; try a mirror")
    return None


def _check_room(folder, n_bytes, url):
    free = shutil.disk_usage(folder).free
    if n_bytes is not None and n_bytes > free:
        raise DownloadError(
            f"{url} has {n_bytes / 1e6:.0f} MB, and only {free / 1e6:.0f} MB are free in {folder}: make room, or set "
            "TLKIT_CACHE_DIR to a folder on another disk"
        )


def _find_version(response, expected_prefix):
    """Return the headers that ask for the rest of the same file; None where the server can't give it."""
    if response.headers.get("Accept-Ranges") != "bytes":
        return None
    version = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if version and not version.startswith("W/"):
        return {"If-Range": version}
    return {} if expected_prefix else None  # the hash would find two versions in one file


def _resume(url, n_bytes, n_expected, version, broken):
    try:
        response = _open(url, {"Range": f"bytes={n_bytes}-", **version})
    except DownloadError as error:
        raise DownloadError(f"{broken}; then {error}") from error
    if response.headers.get("Content-Range") != f"bytes {n_bytes}-{n_expected - 1}/{n_expected}":
        response.close()
        raise DownloadError(f"{broken}; asked for the rest, the server answered with something else")
    return response


N_BYTES = 100

_STARTS = {
    b"version https://git-lfs": "a Git LFS pointer, which only names the file",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"\x1f\x8b": "a gzip archive",
}


def name_impostor(start):
    """Say what a file is that begins with `start` (bytes) and can't be weights; None where it can.

    >>> name_impostor(b"<!DOCTYPE html>")
    'a web page'
    """
    start = start[:N_BYTES].lstrip()
    if start.startswith(b"<"):
        return "a web page"
    return next((kind for beginning, kind in _STARTS.items() if start.startswith(beginning)), None)
