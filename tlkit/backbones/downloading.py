"""Downloading one file so that it is either whole and the right one, or not there. Without torch."""

import hashlib
import http.client
import os
import threading
import urllib.error
import urllib.request
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import filelock

from tlkit.storage import written_whole

CONNECT_TIMEOUT_S = 4.0
_CHUNK_BYTES = 1 << 20
# What a broken answer raises is no OSError.
_FAILURES = (OSError, ValueError, http.client.HTTPException)


class DownloadError(OSError):
    """A download that failed; nothing of it was kept."""


def download(url, target, *, expected_prefix=""):
    """Download `url` to `target`, which appears only when length and hash are right.

    Arguments
    ---------
    url: str
        Where `TLKIT_WEIGHTS_URL` is set, the file of the same name is taken from there instead.
    target: path
        A second process that wants the same waits for the first.
    expected_prefix: str
        First digits of the SHA-256.

    Raises DownloadError (an OSError), within 5 s where the server doesn't answer.
    """
    mirror = os.environ.get("TLKIT_WEIGHTS_URL")
    if mirror:
        url = f"{mirror.rstrip('/')}/{PurePosixPath(urlsplit(url).path).name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{target}.lock"):
        if target.is_file():
            return
        with _open(url) as response, written_whole(target) as temporary:
            n_bytes, sha256 = _receive(response, temporary, url)
            expected = response.headers.get("Content-Length")
            if expected is not None and n_bytes != int(expected):
                raise DownloadError(f"{url} broke off after {n_bytes} of {expected} bytes")
            if not sha256.startswith(expected_prefix):
                raise DownloadError(f"{url} gave another file: its SHA-256 begins {sha256[:8]}, not {expected_prefix}")


def _open(url):
    # Looking a name up has no time limit of its own, so the request runs in a thread that can be left behind.
    outcome = {}

    def request():
        try:
            outcome["response"] = urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT_S)
        except _FAILURES as error:
            outcome["error"] = error
            if isinstance(error, urllib.error.HTTPError):  # which is an open answer at the same time
                error.close()

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(CONNECT_TIMEOUT_S + 0.5)
    if "response" in outcome:
        return outcome["response"]
    error = outcome.get("error", "no answer")
    raise DownloadError(f"{url}: {getattr(error, 'reason', None) or error}")


def _receive(response, temporary, url):
    content = hashlib.sha256()
    n_bytes = 0
    with open(temporary, "wb") as file:
        while True:
            try:
                chunk = response.read(_CHUNK_BYTES)
            except _FAILURES as error:
                raise DownloadError(f"{url} broke off after {n_bytes} bytes: {error}") from error
            if not chunk:
                return n_bytes, content.hexdigest()
            file.write(chunk)
            content.update(chunk)
            n_bytes += len(chunk)
