"""The cache folder, writing of files whole or not at all, and locks. Without torch."""

import atexit
import contextlib
import errno
import functools
import os
import shutil
import stat
import tempfile
import uuid
from pathlib import Path

import filelock
import platformdirs

from tlkit.names import defuse
from tlkit.notices import warn

PARTIAL_PREFIX = ".partial-"  # of files that are still being written


def cache_folder():
    """Return the folder to keep features, converted networks and weights in, the first of `cache_folders`."""
    return cache_folders()[0]


def cache_folders():
    """Return the folders to search: `TLKIT_CACHE_DIR` or the user's cache folder; if it is only read, after another."""
    return _find_folders(os.environ.get("TLKIT_CACHE_DIR") or _user_folder())


def find_kept(*parts):
    """Return the path of a file in the first cache folder that holds it (parts of its relative path), or None."""
    paths = {folder.joinpath(*parts): folder for folder in cache_folders()}
    return next((path for path, folder in paths.items() if is_trusted(path, folder)), None)


def is_trusted(path, folder):
    """Return whether a path in a cache folder exists, and nobody but its users can have put it there."""
    # If others may write to the folder, owners count: this user, the administrator, and who made the cache folder.
    try:
        owner = folder.stat()
        below = [each.lstat() for each in (path, *path.parents) if each.is_relative_to(folder) and each != folder]
    except OSError:
        return False
    if not hasattr(os, "getuid") or not any(each.st_mode & stat.S_IWOTH for each in (owner, *below)):
        return True
    return {each.st_uid for each in below} <= {0, os.getuid(), owner.st_uid}


def _user_folder():
    """Return the path of the user's cache folder."""
    return platformdirs.user_cache_dir("tlkit", appauthor=False)


@functools.cache
def _find_folders(wanted):
    """Return a tuple of folders; the first one, which is created if it is missing, is written to."""
    folder = Path(wanted).expanduser()
    if (obstacle := _find_obstacle(folder)) is None:
        return (folder,)
    # Others can't replace files in a subfolder of one's own, even if the folder is open to all.
    own = [folder / f"user-{os.getuid()}"] if hasattr(os, "getuid") else []
    usable = (each for each in (*own, Path(_user_folder())) if each != folder and _find_obstacle(each) is None)
    if (substitute := next(usable, None)) is None:
        with contextlib.suppress(OSError):
            substitute = Path(tempfile.mkdtemp(prefix="tlkit-"))
            atexit.register(shutil.rmtree, substitute, ignore_errors=True)
    kept = f"it is only read, and new results are kept in {substitute}"
    warn(f"the cache folder {folder} {obstacle}; {kept}. Set TLKIT_CACHE_DIR to a folder of yours")
    return tuple(each for each in (substitute, folder) if each)


def _find_obstacle(folder):
    """Return why new files shouldn't be kept in a folder, which is created if it is missing; None if they can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            status = folder.stat()
    except OSError as error:
        return f"can't be written to ({error.strerror})"
    if hasattr(os, "getuid") and status.st_mode & stat.S_IWOTH and status.st_uid != os.getuid():
        return "belongs to another user and is open to all"
    return None


@contextlib.contextmanager
def written_whole(path):
    """Give a temporary path in the folder of `path`, renamed to `path` on success and removed on failure."""
    # Renaming within a folder is atomic, so readers see the old file or the new one. Each writer has a name of its own,
    # so two never share a temporary file. mkstemp isn't used: only the owner could read its files.
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{PARTIAL_PREFIX}{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # or the new name could survive a crash without its content
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_csv(table, path=None, *, header=True):
    """Write a table to a path, or return it as CSV text; a spreadsheet computes none of its texts as a formula."""
    texts = table.select_dtypes(exclude="number")
    return table.assign(**texts.map(defuse)).to_csv(path, header=header, index=False)


@contextlib.contextmanager
def locked(path, timeout_s):
    """Hold the lock of a path; `filelock.Timeout` if another process keeps it. On a disk without locks, only warn."""
    # A soft lock instead, a file that marks the lock, would stay for good if its machine died.
    lock = filelock.FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout_s)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        _warn_of_no_locks(str(Path(path).parent), error.strerror)
    try:
        yield
    finally:
        lock.release()


@functools.cache
def _warn_of_no_locks(folder, reason):
    """Warn once that a folder knows no locks."""
    advice = "let one process at a time write there, or take another disk"
    warn(f"{folder} is on a disk whose locks don't work ({reason}), so none are used: {advice}")
