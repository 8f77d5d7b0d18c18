"""Downloading one file so that it is either complete and correct, or not there. Without torch.

If a connection breaks off, the download continues at the missing byte. The request names the version of the file (its
ETag or date), so that a server can't complete it with another. Length and hash are checked at the end.
"""

import codecs
import contextlib
import hashlib
import http.client
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import filelock

from tlkit.notices import show_progress, warn
from tlkit.storage import locked, written_whole

TIMEOUT_S = 4.0  # to connect, and between two blocks
N_TRIES = 5
PAUSE_S = 0.5
NOTICE_S = 3.0  # waiting for another process is not mentioned earlier
WAIT_S = 600.0  # for another process
_BLOCK_BYTES = 1 << 20

# A broken response raises errors that are no OSError.
_FAILURES = (OSError, ValueError, http.client.HTTPException)


class DownloadError(OSError):
    """A download that failed; nothing of it was kept."""


def download(url, target, *, expected_prefix="", progress=False, replace=False):
    """Download `url` to the path `target`; return the SHA-256, or None if the file is there and not to be replaced."""
    # If TLKIT_WEIGHTS_URL is set, the file of the same name is taken from that folder. A second process that wants the
    # same file waits for the first. `expected_prefix` has the first digits of the SHA-256.
    mirror = os.environ.get("TLKIT_WEIGHTS_URL")
    if mirror:
        url = f"{mirror.rstrip('/')}/{target.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked_target(target):
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


@contextlib.contextmanager
def _locked_target(target):
    """Hold the lock of a target; warn of waiting for another process, and raise DownloadError if it takes too long."""
    lock = f"{target}.lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(lock, NOTICE_S))
        except filelock.Timeout:
            holder = f"{_name_holder(lock)} holds {lock}, as a download of {target.name} does"
            warn(f"{holder}; waiting for up to {WAIT_S / 60:.0f} minutes")
            try:
                stack.enter_context(locked(lock, WAIT_S))
            except filelock.Timeout:
                raise DownloadError(f"{holder}, and didn't end. If it hangs, end it and try again") from None
        yield


def _name_holder(lock):
    """Return a text on the process that holds a lock; only Linux names it."""
    with contextlib.suppress(OSError, IndexError):
        inode = f":{os.stat(lock).st_ino}"
        for fields in map(str.split, Path("/proc/locks").read_text(encoding="ascii").splitlines()):
            if fields[1] != "->" and fields[5].endswith(inode):
                return f"process {fields[4]}"
    return "another process"


def _fetch(url, temporary, title, expected_prefix):
    """Write the content of `url` to a file and return its SHA-256; a `title` shows a progress bar."""
    content, n_bytes = hashlib.sha256(), 0
    with (
        _open(url) as response,
        open(temporary, "wb") as file,
        show_progress(None, title, "B", title is not None, leave=True, unit_scale=True) as bar,
    ):
        n_expected = bar.total = _read_length(response, url, expected_prefix)
        _check_room(temporary.parent, n_expected, url)
        for n_left in reversed(range(N_TRIES)):
            cause = ""
            try:
                for block in _read_blocks(response):
                    file.write(block)
                    content.update(block)
                    n_bytes += len(block)
                    bar.update(len(block))
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


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but none from https to a protocol that anyone on the way can read and change."""

    def redirect_request(self, request, file, code, message, headers, url):
        """Return the next request, or raise DownloadError."""
        before, after = request.full_url.split(":")[0].lower(), url.split(":")[0].lower()
        if after != "https" and (before, after) != ("http", "http"):
            file.close()
            raise DownloadError(f"redirected from {before} to {url}, which isn't encrypted: take a mirror with https")
        return super().redirect_request(request, file, code, message, headers, url)


def _open(url, headers=None):
    """Return the response to a request, or raise DownloadError."""
    # Looking up a host name has no time limit of its own, so the request runs in a thread that can be abandoned.
    outcome = {}

    def request():
        try:
            opener = urllib.request.build_opener(_SecureRedirects)
            response = opener.open(urllib.request.Request(url, headers=headers or {}), timeout=TIMEOUT_S)
        except _FAILURES as error:
            outcome["error"] = error
            if isinstance(error, urllib.error.HTTPError):  # it is an open response too
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


def _read_blocks(response):
    """Yield the content of a response in blocks."""
    with response:
        try:
            while block := response.read1(_BLOCK_BYTES):
                yield block
        except _FAILURES as error:
            raise DownloadError(str(error)) from error


def _read_length(response, url, expected_prefix):
    """Return the length in bytes, or None if a complete file can be recognised without it."""
    announced = response.headers.get("Content-Length")
    if announced is not None and announced.isdecimal():
        return int(announced)
    # A response in chunks marks its end; otherwise only the hash can tell the end from a broken connection.
    if not expected_prefix and response.headers.get("Transfer-Encoding") != "chunked":
        raise DownloadError(f"{url} states no length, so an incomplete file would not be noticed; try a mirror")
    return None


def _check_room(folder, n_bytes, url):
    """Raise DownloadError if the disk has too little room."""
    free = shutil.disk_usage(folder).free
    if n_bytes is not None and n_bytes > free:
        size = f"{url} has {n_bytes / 1e6:.0f} MB, and only {free / 1e6:.0f} MB are free in {folder}"
        raise DownloadError(f"{size}: make room, or set TLKIT_CACHE_DIR to a folder on another disk")


def _find_version(response, expected_prefix):
    """Return the headers that request the rest of the same version; None if the server can't send it."""
    if response.headers.get("Accept-Ranges") != "bytes":
        return None
    version = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if version and not version.startswith("W/"):
        return {"If-Range": version}
    return {} if expected_prefix else None  # the hash would reveal a mixture of two versions


def _resume(url, n_bytes, n_expected, version, broken):
    """Return the response to a request for the bytes from `n_bytes` on."""
    try:
        response = _open(url, {"Range": f"bytes={n_bytes}-", **version})
    except DownloadError as error:
        raise DownloadError(f"{broken}; then {error}") from error
    if response.headers.get("Content-Range") != f"bytes {n_bytes}-{n_expected - 1}/{n_expected}":
        response.close()
        raise DownloadError(f"{broken}; the server answered the request for the rest with something else")
    return response


N_BYTES = 100

_STARTS = {
    b"version https://git-lfs": "a Git LFS pointer, which only names the file",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"\x1f\x8b": "a gzip archive",
    b"<": "a web page",
}


def name_impostor(start):
    """Return the kind of a file that can't be weights, from its first bytes; None if it can be weights."""
    start = start[:N_BYTES]
    for beginning, kind in _STARTS.items():
        if start.lstrip().startswith(beginning) and start[8:9] != b"{":  # of safetensors
            return kind
    with contextlib.suppress(UnicodeDecodeError):
        text = codecs.getincrementaldecoder("utf-8")().decode(start)  # the last letter may be cut
        if text.strip() and all(letter.isprintable() or letter.isspace() for letter in text):
            return f"a text that begins with {text.strip()[:40]!r}"
    return None
