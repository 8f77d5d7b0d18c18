"""Where tlkit keeps files between calls, and how it writes one whole or not at all. Without torch."""

import contextlib
import functools
import os
import tempfile
import uuid
import warnings
from pathlib import Path

import platformdirs


def cache_folder():
    """Return the folder for features, converted networks and downloaded weights; it is made if it is missing.

    `TLKIT_CACHE_DIR` names another one. Where it can't be written to, a temporary folder is used, with a warning.
    """
    return _writable_folder(os.environ.get("TLKIT_CACHE_DIR") or platformdirs.user_cache_dir("tlkit", appauthor=False))


@functools.cache
def _writable_folder(wanted):
    folder = Path(wanted).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        substitute = Path(tempfile.mkdtemp(prefix="tlkit-"))
        warnings.warn(
            f"the cache folder {folder} can't be written to ({error.strerror}); {substitute} is used until this "
            "process ends. Set TLKIT_CACHE_DIR to a folder of yours to keep what is computed",
            stacklevel=3,
        )
        return substitute


@contextlib.contextmanager
def written_whole(path):
    """Give a temporary path in the folder of `path`; on success it takes that name, on failure nothing is left.

    >>> folder = Path(tempfile.mkdtemp())
    >>> with written_whole(folder / "numbers.txt") as temporary:
    ...     _ = temporary.write_text("1 2 3")
    >>> [file.name for file in folder.iterdir()]
    ['numbers.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for each writer, so that two don't share one; mkstemp's would be readable by its owner only.
    temporary = path.with_name(f".partial-{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # the name must not come to stand for bytes that are not on the disk yet
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
