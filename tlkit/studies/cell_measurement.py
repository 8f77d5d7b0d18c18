"""One cell of a study, run wherever it is: the process loads what the cell names once, and checks its hash."""

import contextlib
import hashlib
import json
import socket
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple

from tlkit.comparison.arms import HAND_MADE, REPEATED_WARNINGS, ArmRunner, tabulate_arms
from tlkit.comparison.runner import share_cells
from tlkit.cpu.threads import default_states, hide_warnings
from tlkit.studies.store import pack


class StudyCell(NamedTuple):
    """One run of a study, by names and hashes; `settings` of `transfer` are JSON."""

    key: str
    backbone: str
    backbone_hash: str
    images: str
    images_hash: str
    image_size_px: int
    strategy: str
    settings: str
    shots: int
    seed: int

    def __str__(self):
        return f"{self.backbone}, {self.images}, {self.strategy}, {self.shots} shots, seed {self.seed}"


class Source(NamedTuple):
    """A network, or a set with its fixed test set or None: its name in messages, its hash, and how to load it."""

    name: str
    hash: str
    load: Callable


class CellError(RuntimeError):
    """A cell failed; the text is the reason."""


class SourceError(CellError):
    """This machine lacks the network or set of a cell, or has another one."""


def hash_set(parts):
    """Return the hash of a set and its test set or None: the content, and the columns that splits and draws use."""
    columns = [
        [part.content_hash, *(column.tolist() for column in (part.names, part.groups, part.folds))]
        for part in parts
        if part is not None
    ]
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()


class Measurement:
    """Runs cells: `measurement(cell)` returns (row, packed predictions) or a `CellError`. A process has one."""

    def __init__(self, sources, arms, first_seed, loaded=(), identity=None):
        self.sources, self.arms, self.first_seed = sources, arms, first_seed
        self.loaded, self.identity = dict(loaded), identity or uuid.uuid4().hex  # by hash
        self._block = self._runner = self._runs = None
        self._features, self._extracted = {}, set()

    def __reduce__(self):
        return _receive, (self.identity, self.sources, self.arms, self.first_seed)

    @default_states()
    def __call__(self, cell):
        """Run a cell."""
        started = time.perf_counter()
        try:
            with hide_warnings(REPEATED_WARNINGS if cell.seed != self.first_seed else None):
                runner = self._prepare(cell, in_fork=False)
                (arm,) = [arm for arm in runner.cells if arm.strategy == cell.strategy]
                runs, predictions = tabulate_arms([(arm, runner(arm))])
        except Exception as error:
            return error if isinstance(error, CellError) else CellError(f"{type(error).__name__}: {error}")
        scores = runs.drop(columns=["strategy", "shots", "seed"]).to_dict("records")
        columns = ["picture", "group", "label", "predicted", "probability"]
        return scores[0] | {"wall_s": time.perf_counter() - started}, pack(predictions[columns])

    def prepare(self, cells):
        """Compute features on disk for cells, each kind once; in a fork, which frees the memory."""
        kinds = {(cell.backbone_hash, cell.images_hash, cell.settings, cell.strategy): cell for cell in cells}
        for cell in kinds.values():
            self._prepare(cell, in_fork=True)

    def may_fork(self, cell):
        """Return whether a forked process may run a cell: features without a network aren't kept on disk."""
        return self.arms[cell.strategy] != HAND_MADE

    def _prepare(self, cell, in_fork):
        """Return the runner of a cell's draw, whose features the runs of a network and set share."""
        block = cell.backbone_hash, cell.images_hash
        if self._block != block:
            self._parts = self._load(cell.backbone_hash), self._load(cell.images_hash)
            self._block, self._features, self._extracted = block, {}, set()
        runs = *block, cell.settings, cell.shots, cell.seed
        if self._runs != runs:
            backbone, (images, test) = self._parts
            settings = json.loads(cell.settings)
            self._runner = ArmRunner(backbone, images, self.arms, [cell.shots], [cell.seed], test, settings)
            self._runner.features, self._runs = self._features, runs
        if (kind := (cell.settings, cell.strategy)) not in self._extracted:
            self._runner.extract(False, in_fork, [cell.strategy])
            self._extracted.add(kind)
        return self._runner

    def _load(self, wanted):
        """Return the network or set with a hash; CellError if this machine lacks it or has another, or it changed."""
        name, expected, load = self.sources[wanted]
        machine = f"on the machine {socket.gethostname()}"
        try:
            value = self.loaded[wanted] if wanted in self.loaded else load()
            found = hash_set(value) if isinstance(value, tuple) else value.fingerprint()
        except Exception as error:
            raise SourceError(f"{name}: can't be loaded {machine} ({type(error).__name__}: {error})") from error
        if found != expected:
            given = f"{name}: {machine} it has another content than where the study was made"
            raise SourceError(f"{given}: copy it there, or make the study again")
        self.loaded[wanted] = value
        return value


_received = {}  # in a process, by identity


def _receive(identity, *arguments):
    """Return the measurement of this process for a study, so that loaded networks and sets stay."""
    if identity not in _received:
        _received.clear()
        _received[identity] = Measurement(*arguments, identity=identity)
    return _received[identity]


def run_forked(measurement, cells, *, n_workers=1):
    """Yield (cell, outcome) as forks and this process end cells: a row with packed predictions, or an exception."""
    # In this process, features are computed when a cell needs them.
    request = cells, measurement, lambda progress, in_fork: in_fork and measurement.prepare(cells)
    with contextlib.closing(share_cells(*request, n_workers=n_workers, may_fork=measurement.may_fork)) as shared:
        yield from ((cells[index], outcome) for index, outcome in shared)


def run_on_client(measurement, cells, *, client):
    """Yield (cell, outcome) as the workers of a `distributed.Client` end cells."""
    from tlkit.cpu.cluster import share

    # A worker that lacks a network or pictures ends the run: as failures of its cells they would be false.
    return share(client, lambda: measurement, cells, unfit=SourceError)
