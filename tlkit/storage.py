"""The cache folder, and writing of files whole or not at all. Without torch."""

import contextlib
import functools
import os
import tempfile
import uuid
import warnings
from pathlib import Path

import platformdirs


def cache_folder():
    """Return the folder for features, converted networks and weights: `TLKIT_CACHE_DIR`, or the user's cache folder."""
    return _make_writable(os.environ.get("TLKIT_CACHE_DIR") or platformdirs.user_cache_dir("tlkit", appauthor=False))


@functools.cache
def _make_writable(wanted):
    """Return a folder, created if it is missing; if it isn't writable, a temporary folder with a warning."""
    folder = Path(wanted).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        substitute = Path(tempfile.mkdtemp(prefix="tlkit-"))
        warnings.warn(
            f"the cache folder {folder} can't be written to ({error.strerror}); {substitute} is used until this "
            "process ends. Set TLKIT_CACHE_DIR to a folder of yours to keep results",
            stacklevel=3,
        )
        return substitute


@contextlib.contextmanager
def written_whole(path):
    """Give a temporary path in the folder of `path`, renamed to `path` on success and removed on failure.

    >>> folder = Path(tempfile.mkdtemp())
    >>> with written_whole(folder / "numbers.txt") as temporary:
    ...     _ = temporary.write_text("1 2 3")
    >>> [file.name for file in folder.iterdir()]
    ['numbers.txt']
    """
    # Renaming within a folder is atomic, so readers see the old file or the new one. Each writer has a name of its own,
    # so two never share a temporary file. mkstemp isn't used: only the owner could read its files.
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial-{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # or the new name could survive a crash without its content
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
