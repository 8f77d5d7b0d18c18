"""The file of a study: SQLite with one row per cell, which one process writes and any number read."""

import contextlib
import json
import math
import os
import socket
import sqlite3
import time
import zlib
from pathlib import Path

import filelock
import pandas as pd
import psutil

import tlkit
from tlkit.storage import locked

# The disk confirms a row before the next one, unless rows come faster than this: each confirmation costs 1 to 4 ms.
_SYNC_S = 0.02
_FORMAT = 0x746C6B31  # "tlk1", SQLite's application_id of these files
_TABLES = """
CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, cell TEXT NOT NULL, state TEXT NOT NULL, version TEXT,
    ended_s REAL, row TEXT, reason TEXT, predictions BLOB);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_FACT = "INSERT OR REPLACE INTO facts VALUES (?, ?)"
_KEPT = "INSERT INTO cells (key, cell, state) VALUES (?, ?, 'open') ON CONFLICT DO UPDATE SET cell = excluded.cell"
_DONE = (
    "UPDATE cells SET state = 'done', version = ?, ended_s = ?, row = ?, reason = NULL, predictions = ? WHERE key = ?"
)
_FAILED = "UPDATE cells SET state = 'failed', version = ?, ended_s = ?, reason = ? WHERE key = ? AND state != 'done'"


class Store:
    """Cells of a study in a file."""

    def __init__(self, path):
        self.path = Path(path).expanduser()
        if self.path.is_dir():
            raise ValueError(f"store: {self.path} is a folder, expected a file: name one, as {self.path}/study.sqlite")
        self._writer, self._synced_s = None, -math.inf

    def read(self, query, *values):
        """Return the rows of a query; none if there is no file yet."""
        if not self.path.exists():
            return []
        with contextlib.closing(self._connect()) as connection:
            has_tables = connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            return connection.execute(query, values).fetchall() if has_tables else []

    def read_fact(self, name):
        """Return a fact about the study, or None."""
        return next((json.loads(value) for (value,) in self.read("SELECT value FROM facts WHERE name = ?", name)), None)

    def find_writer(self):
        """Return the record of the process that writes to the file, or None; one of another machine may have ended."""
        writer = self.read_fact("writer")
        if writer and writer["machine"] == socket.gethostname():
            with contextlib.suppress(psutil.NoSuchProcess):
                return writer if psutil.Process(writer["process"]).create_time() == writer["born_s"] else None
            return None
        return writer

    @contextlib.contextmanager
    def writing(self, n_workers):
        """Hold the lock of the file, and tell readers which process does; another writer is refused."""
        with contextlib.ExitStack() as held:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(f"{self.path}.lock", 1))
            except filelock.Timeout:
                other = self.read_fact("writer") or {"process": "unknown", "machine": "unknown"}
                who = f"process {other['process']} of machine {other['machine']}"
                raise RuntimeError(f"store: {self.path} is being written by {who}: wait, or take another") from None
            except OSError as error:
                raise OSError(f"store: {self.path} can't be written ({error}): take another folder") from error
            process = psutil.Process()
            writer = {"process": process.pid, "born_s": process.create_time(), "machine": socket.gethostname()}
            try:
                self._write(_FACT, ("writer", json.dumps(writer | {"n_workers": n_workers})))
                yield
            finally:
                with contextlib.suppress(OSError):
                    self._write(_FACT, ("writer", "null"))
                self._close()

    def plan(self, cells, facts):
        """Add the cells that the file lacks, and facts about the study."""
        self._write("DELETE FROM cells WHERE state = ?", ("open",))  # of arms or seeds that were dropped
        self._write(_KEPT, *((cell.key, json.dumps(cell._asdict())) for cell in cells))
        self._write(_FACT, *((name, json.dumps(value)) for name, value in facts.items()))
        self._close()  # a connection must not be there when processes are forked

    def keep(self, cell, outcome):
        """Write an outcome, (row, packed predictions) or an exception, which replaces no result; return a pair."""
        if isinstance(outcome, BaseException):
            name = "" if type(outcome).__name__ == "CellError" else f"{type(outcome).__name__}: "
            reason = " ".join(f"{name}{outcome}".split())
            self._write(_FAILED, (tlkit.__version__, time.time(), reason, cell.key))
            return {"reason": reason}, None
        row, packed = outcome
        self._write(_DONE, (tlkit.__version__, time.time(), json.dumps(row), packed, cell.key))
        return outcome

    def list_ended(self, rerun=()):
        """Return the keys of the cells that are done or have failed, without those to be run again."""
        query = "SELECT key FROM cells WHERE state = 'done' AND (version = ? OR NOT ?) OR state = 'failed' AND NOT ?"
        return {key for (key,) in self.read(query, tlkit.__version__, "older" in rerun, "failed" in rerun)}

    def _write(self, query, *rows):
        """Write rows in one transaction."""
        try:
            if self._writer is None:
                self._writer = self._connect()
                self._writer.executescript(f"PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; {_TABLES}")
                self._writer.execute(f"PRAGMA application_id = {_FORMAT}")
            is_due = time.monotonic() > self._synced_s + _SYNC_S
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if is_due else 'NORMAL'}")
            with self._writer:
                self._writer.executemany(query, rows)
            self._synced_s = time.monotonic() if is_due else self._synced_s
        except sqlite3.OperationalError as error:
            raise OSError(f"store: {self.path} can't be written ({error}): make room, run again; rows stay") from error

    def _close(self):
        """Move all rows from the log into the file itself, and close it."""
        if self._writer:
            with contextlib.suppress(sqlite3.OperationalError):  # of a full disk: they stay in the log
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._writer.close()
        self._writer = None

    def _connect(self):
        """Return a connection; ValueError if the file is none of a study."""
        # SQLite's log needs files beside the store. A finished store without them can be read where none can be made.
        is_fixed = not (os.access(self.path.parent, os.W_OK) or Path(f"{self.path}-wal").exists())
        with contextlib.ExitStack() as opened:
            try:
                place = f"{self.path.absolute().as_uri()}?immutable={int(is_fixed)}"
                connection = opened.enter_context(contextlib.closing(sqlite3.connect(place, timeout=60, uri=True)))
                (number,) = connection.execute("PRAGMA application_id").fetchone()
                if number != _FORMAT and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                    raise sqlite3.DatabaseError("a database of another program")
            except sqlite3.OperationalError as error:
                raise OSError(f"store: {self.path} can't be opened ({error})") from error
            except sqlite3.DatabaseError as error:
                raise ValueError(f"store: {self.path} is no file of a study ({error}): take another name") from error
            opened.pop_all()
        return connection


def pack(predictions):
    """Return the predictions of a cell as bytes, which go from process to process far faster than a DataFrame."""
    columns = {name: column.tolist() for name, column in predictions.items()}
    return zlib.compress(json.dumps(columns).encode(), 1)


def unpack(packed):
    """Return the predictions of a cell as a DataFrame; None if it has none, since it failed."""
    return None if packed is None else pd.DataFrame(json.loads(zlib.decompress(packed)))
