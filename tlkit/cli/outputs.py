"""Files that commands write: a check before any work, and results that are kept as they come."""

import contextlib
import itertools
import os
import tempfile

from tlkit.cli.terminal import say
from tlkit.notices import warn
from tlkit.storage import write_csv, written_whole


def check_writable(option, path, folder):
    """Raise ValueError if a path can't be written in a folder, which may have to be made."""
    above = next(existing for existing in (folder, *folder.absolute().parents) if existing.exists())
    try:
        with tempfile.TemporaryFile(dir=above) as file:  # permissions alone don't show a full or read-only disk
            file.write(bytes(4096))
    except OSError as error:
        reason = "is not a folder" if not above.is_dir() else f"is not writable ({error.strerror})"
        raise ValueError(f"{option}: {path} can't be written, since {above} {reason}") from None


class Record:
    """Tables of runs, to which each run is added when it ends; they stay if the command ends before its last run."""

    def __init__(self, folder):
        self.folder, self.n_runs = folder, 0
        self._paths = {}

    def add(self, **tables):
        """Append tables to their files, <name>-partial.csv; a failure is a note, and stops nothing."""
        try:
            if not self._paths:
                self._paths = {name: make_partial(self.folder / f"{name}.csv") for name in tables}
            for name, table in tables.items():
                _append(self._paths[name], write_csv(table, header=not self.n_runs))
            self.n_runs += 1
        except OSError as error:
            warn(f"a finished run couldn't be written to {self.folder} ({error.strerror}); the end tries it again")

    def describe(self):
        """Return a text that says where the runs are."""
        return f"{self.n_runs} finished runs are kept in {' and '.join(map(str, self._paths.values()))}"

    def remove(self):
        """Remove the files, when all runs are written elsewhere."""
        for path in self._paths.values():
            path.unlink(missing_ok=True)


def make_partial(path):
    """Make an empty file <name>-partial beside a path, with a number if an earlier command left one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        partial = path.with_name(f"{path.stem}-partial{f'-{number}' if number > 1 else ''}{path.suffix}")
        with contextlib.suppress(FileExistsError):
            partial.touch(exist_ok=False)
            return partial


def _append(path, text):
    """Append a text to a file, or leave the file as it is."""
    size_bytes = path.stat().st_size
    try:
        with open(path, "a", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError:
        os.truncate(path, size_bytes)
        raise


def write_table(path, table):
    """Write the table of --csv to a path."""
    check_writable("--csv", path, path.parent)
    with written_whole(path) as temporary:
        write_csv(table, temporary)
    say(f"wrote {path}")


def write_all(files):
    """Write files whole, [(path, function that writes to a path)]; return {path: error} of those that failed."""
    errors = {}
    for path, write in files:
        try:
            with written_whole(path) as temporary:
                write(temporary)
        except Exception as error:  # the others are worth having
            errors[path] = error
    return errors
