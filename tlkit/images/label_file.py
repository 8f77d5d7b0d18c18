"""The file `labels.csv` beside pictures: one line per edit, of which the last one of a picture counts."""

import contextlib
import csv
import errno
import io
import itertools
import os
import threading
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tlkit.images.encodings import guess_encoding
from tlkit.names import defuse, make_printable, read_defused
from tlkit.storage import locked, written_whole

NAME = "labels.csv"
_COLUMNS = ("file_name", "label", "group", "dropped", "time")
_PATIENCE_S = 20  # until another process has written its edit


class Entry(NamedTuple):
    """What the file has of a picture; without a label the picture is of the class of its folder, if there is one."""

    label: str = ""
    group: str = ""
    dropped: str = ""  # "1", or "0" if someone has looked at the picture and keeps it


class Entries(dict):
    """{path of a picture within the folder: Entry}; pictures without a line have an empty one."""

    def __missing__(self, name):
        return Entry()


def parse_edits(content, delimiter=None):
    """Return (delimiter, None for other files; [(time, name, Entry)]; number of unreadable lines) of bytes."""
    # Names hold no line breaks, since `list_folder` spells these out. So a damaged line takes no other with it.
    lines = [line.rstrip(b"\r") for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    if delimiter is None:
        header = lines.pop(0).decode("utf-8", "replace").casefold().replace('"', "")  # spreadsheets may quote cells
        delimiter = next((sign for sign in ",;\t" if header == sign.join(_COLUMNS)), None)
    lines = [line for line in lines if delimiter and line.strip(b",;\t")]
    # Excel saves in the encoding of its country; lines that were appended later are in UTF-8.
    others = {line for line in lines if line.decode("utf-8", "replace").encode() != line}
    guessed = guess_encoding(sorted(others))
    encoding = "cp1252" if guessed in (None, "cp437", "cp850", "cp860") else guessed  # not those of old zips
    lines = [line.decode(encoding if line in others else "utf-8", "replace") for line in lines]
    edits = list(filter(None, (_parse_line(line, delimiter) for line in lines)))
    return delimiter, edits, len(lines) - len(edits)


def _parse_line(line, delimiter):
    """Return (time, name, Entry) of a line, or None if it isn't whole."""
    try:
        (cells,) = csv.reader([line], delimiter=delimiter, strict=True)
        name, label, group, dropped, time = map(read_defused, cells)
    except (csv.Error, ValueError):
        return None
    dropped = {"": "", "0": "0", "false": "0", "no": "0"}.get(dropped.strip().casefold(), "1")
    return time, make_printable(name).rstrip(), Entry(label.strip(), group.strip(), dropped)


def read_edits(tree, pictures):
    """Return ({path: Entry} of the pictures of a `Tree`, a notice) from its label file; without one, nothing."""
    file = tree.files.get(PurePosixPath(NAME))
    delimiter, edits, n_bad = parse_edits(file.read_bytes()) if file else (None, [], 0)
    entries = Entries({PurePosixPath(name): entry for _, name, entry in edits})
    gone = [path for path in entries if path not in tree.files]
    found = Entries({path: entry for path, entry in entries.items() if path in pictures})
    n_labels, n_groups = (sum(bool(entry[place]) for entry in found.values()) for place in range(2))
    n_dropped = sum(entry.dropped == "1" for entry in found.values())
    notice = f"{NAME} is read: it has labels of {n_labels} {tree.medium.noun}s"
    notice += f" and groups of {n_groups}, and drops {n_dropped}"
    notice += f"; it names {len(gone)} files that aren't there, the first {gone[0]}" if gone else ""
    notice += f"; {n_bad} lines that aren't whole are left out" if n_bad else ""
    if not delimiter:
        notice = f"{NAME} isn't read: its columns aren't {', '.join(_COLUMNS)}; correct them, or load it as a table"
    return found, notice if file else ""


class LabelFile:
    """Edits of the pictures in a folder: `entries`, and `labels` in the order in which they came up."""

    def __init__(self, folder):
        self.path, self.entries, self.labels = Path(folder) / NAME, Entries(), []
        self._undoable, self._delimiter, self._n_read, self._inode, self._is_whole = [], None, 0, None, True
        self._mutex = threading.Lock()  # callbacks of widgets may run in several threads
        if self.path.exists():
            self._read()

    def append(self, changes):
        """Append {path: Entry}, or what a function makes of all writers' entries; the disk has them on return."""
        with self._open():
            changes = changes(self.entries) if callable(changes) else changes
            before = {name: self.entries[name] for name, entry in changes.items() if self.entries[name] != entry}
            if before:
                self._write({name: changes[name] for name in before})
                self._undoable.append(before)

    def undo(self):
        """Append lines that take back the last edit, also one of an earlier process; return the paths it concerned."""
        with self._open():
            before = self._undoable[-1] if self._undoable else {}
            if before:
                self._write(before)
                self._undoable.pop()
            return list(before)

    @contextlib.contextmanager
    def _open(self):
        """Hold the lock of the file, which is made if it is missing, with all that others have appended."""
        if not self.path.parent.is_dir():  # else it would be made anew, without the earlier labels
            raise FileNotFoundError(f"labels: the folder {self.path.parent} is gone, so nothing is kept: put it back")
        with self._mutex, locked(self.path.with_name(f".{NAME}.lock"), _PATIENCE_S):
            if not self.path.exists():
                with written_whole(self.path) as temporary:
                    temporary.write_text(",".join(_COLUMNS) + "\n", "utf-8")
            self._read()
            yield

    def _read(self):
        """Read the lines that are new, or the whole file if it was replaced."""
        with open(self.path, "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._inode or status.st_size < self._n_read:
                self.entries, self._undoable, self._delimiter, self._n_read = Entries(), [], None, 0
            file.seek(self._n_read)
            content = file.read()
        self._delimiter, edits, _ = parse_edits(content, self._delimiter)
        if self._delimiter is None:
            columns = ", ".join(_COLUMNS)
            raise ValueError(f"labels: {self.path} has other columns than {columns}: rename it, and load it as a table")
        self.labels = list(dict.fromkeys([*self.labels, *(entry.label for _, _, entry in edits if entry.label)]))
        self._inode, self._n_read = status.st_ino, self._n_read + len(content)
        self._is_whole = content[-1:] == b"\n" if content else self._is_whole
        # All lines of an edit have one time. An edit that restores what the last one replaced counts as its undoing.
        for _, batch in itertools.groupby(edits, lambda edit: edit[0]):
            changes = {name: entry for _, name, entry in batch}
            before = {name: self.entries[name] for name in changes}
            self.entries.update(changes)
            if self._undoable and self._undoable[-1] == changes:
                self._undoable.pop()
            else:
                self._undoable.append(before)

    def _write(self, changes):
        """Append lines, and wait until they are on the disk; if that fails, the file stays as it was."""
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        text = io.StringIO()
        rows = [[*map(defuse, (name, *entry)), time] for name, entry in changes.items()]
        csv.writer(text, delimiter=self._delimiter, lineterminator="\n").writerows(rows)
        # A line that a process left half when it was killed is ended; readers ignore it.
        content = (b"" if self._is_whole else b"\n") + text.getvalue().encode("utf-8")
        with open(self.path, "ab", buffering=0) as file:
            try:
                if file.write(content) < len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, self._n_read)
                raise
        self._n_read, self._is_whole = self._n_read + len(content), True
        self.entries.update(changes)
