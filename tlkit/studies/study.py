"""`Study`: a grid of runs whose results are stored as they come, and which goes on where it was stopped."""

import contextlib
import functools
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import tlkit as tl
from tlkit.arguments import check_count, check_known
from tlkit.comparison.arms import DEFAULT_SIZE_PX
from tlkit.comparison.compare import DEFAULT_STRATEGIES
from tlkit.comparison.workers import call_in_fork, check_workers
from tlkit.images.splits import N_FOLDS
from tlkit.notices import show_progress, warn
from tlkit.studies.cell_measurement import run_forked, run_on_client
from tlkit.studies.grid import read_grid
from tlkit.studies.store import unpack
from tlkit.studies.study_results import StudyResults, predict_seconds

if TYPE_CHECKING:
    from distributed import Client

RERUN = ("failed", "older")


class Study(StudyResults):
    """A stored grid of runs: networks × sets × strategies × shots × seeds, which can be stopped and go on at any time.

    All of it is checked before anything runs. Each run is a row of the store, a SQLite file, and is written together
    with its predictions when it ends. `run` computes the missing rows. A row belongs to all that determines its
    run: the network, the pictures with their groups, the strategy, settings, shots and seed. So names can be changed,
    and strategies, shots or seeds can be added later; only new runs are computed.

    Parameters
    ----------
    backbones : str, Backbone, dict or list, default "efficientnet_lite0"
        Networks: a name for `load_backbone`, a `Backbone`, a list of these, or a dict from names of your own to these
        or to arguments of `load_backbone`, such as {"random": {"name": "resnet18", "weights": None}}.
    images : ImageSet, str, dict or list, optional
        Sets: an `ImageSet` or `TextSet`, a source for `load_images`, a list of sources, or a dict from names to these.
        A pair (set, test set) has a fixed test set. Arguments are a dict, such as {"source": "styles", "domain":
        "clipart"}, or {"texts": "emoji", "domain": "de"} for `load_texts`; "test" is a fixed test set's. By default
        the bundled clip-art.
    strategies : list of str, Strategy or Probe
        As in `compare`. A function of your own counts by its name: give it another one if you change it.
    shots : int or list of int, default 5
        Training pictures per class.
    seeds : int or list of int, default 5
        A number n stands for 0 to n - 1. Use each fold equally often: 5, 10, 15.
    store : str or path-like, default "study.sqlite"
        File of the results, on a disk of this machine. It is made by the first run.
    image_size_px : int or list of int, default 96
        Input sizes of networks given by name.
    baseline : str, optional
        Strategy that the gains refer to; by default "from_scratch" if it is there, else the first one.
    **settings : object
        Settings of `transfer` that all runs have, such as `weight_decay=0.1`; a list is tried one after another.

    Raises
    ------
    TypeError, ValueError
        If an argument can't be used, for example a strategy that a network can't run, or more shots than there are.

    Examples
    --------
    >>> import tempfile
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"])
    >>> network = {"name": "resnet18", "weights": None}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = Study({"random": network}, {"clip-art": images}, ["hand_made", "linear_probe"], [1, 2], seeds=2,
    ...                   store=f"{folder}/study.sqlite", image_size_px=32)
    ...     study.run(progress=False)
    True
    """

    def __init__(
        self,
        backbones: "str | tl.Backbone | dict | Sequence" = "efficientnet_lite0",
        images: "tl.ImageSet | str | dict | Sequence | None" = None,
        strategies: "Sequence[str | tl.Strategy | tl.Probe]" = DEFAULT_STRATEGIES,
        shots: int | Sequence[int] = (5,),
        seeds: int | Sequence[int] = N_FOLDS,
        *,
        store: str | os.PathLike = "study.sqlite",
        image_size_px: int | Sequence[int] = DEFAULT_SIZE_PX,
        baseline: str | None = None,
        **settings: Any,
    ) -> None:
        self._grid = read_grid(backbones, images, strategies, shots, seeds, image_size_px, baseline, settings)
        super().__init__(store)

    def _list_planned(self):
        """Return the cells of this study, also those that the store lacks; others in the store are left out."""
        return [cell._asdict() for cell in self._grid.cells]

    def _read_fact(self, name):
        """Return the baseline of the study, or what made it."""
        return {"baseline": self._grid.baseline, "made": self._grid.description}[name]

    def estimate(self, n_trials: int = 12, *, progress: bool = True) -> dict[str, float]:
        """Estimate time and disk of the missing runs, after a few trial runs, which are stored.

        Parameters
        ----------
        n_trials : int, default 12
            Largest number of trial runs: one for each strategy, network and settings without any stored run.
        progress : bool, default True
            Whether to show a progress bar.

        Returns
        -------
        dict
            Entries n_cells and n_missing (int), worker_hours of the missing runs, which more workers divide (float),
            and store_mib that they will take on disk (float).
        """
        n_trials = check_count("n_trials", n_trials, 0)
        cells = self._read_cells().sort_values("shots", kind="stable")
        kinds = [kind for _, kind in cells.groupby(["backbone", "image_size_px", "strategy", "settings"], sort=False)]
        trials = [kind.index[len(kind) // 2] for kind in kinds if (kind["state"] == "open").all()]
        trials = trials[:: math.ceil(len(trials) / n_trials)] if trials and n_trials else []
        run = functools.partial(self._run, run_forked, 1, cells=[self._grid.cells[row] for row in trials])
        with contextlib.suppress(ValueError):  # this process has used OpenVINO, or can't be forked at all
            check_workers(2)
            call_in_fork(functools.partial(run, progress=progress and sys.stderr.isatty()))
        run(progress=progress)
        cells = self._read_cells()
        done, missing = cells[cells["state"] == "done"], cells[cells["state"] == "open"]
        ((mean_bytes,),) = self._store.read("SELECT avg(length(predictions) + length(row) + 100) FROM cells") or ((0,),)
        return {
            "n_cells": len(cells),
            "n_missing": len(missing),
            "worker_hours": sum(predict_seconds(done, missing)) / 3600,
            "store_mib": (mean_bytes or 0) * len(missing) / 2**20,
        }

    def run(
        self,
        n_workers: int = 1,
        client: "Client | None" = None,
        *,
        rerun: str | Sequence[str] = (),
        progress: bool = True,
        on_run: Callable | None = None,
    ) -> bool:
        """Run the cells that the store lacks; stored rows stay, however the process ends.

        Parameters
        ----------
        n_workers : int, default 1
            Number of runs computed at a time, each in a process of its own, as in `compare`.
        client : distributed.Client, optional
            Cluster whose workers compute the runs, instead of processes of this machine. Only this process writes.
        rerun : {"failed", "older"} or a list of them, optional
            Stored runs that are computed again: those that failed, and those of other versions of tlkit.
        progress : bool, default True
            Whether to show a progress bar.
        on_run : callable, optional
            Called when a run is stored, with its row as a dict and its predictions as a DataFrame, or None if it
            failed; "reason" then says why.

        Returns
        -------
        bool
            Whether all runs are stored, failed ones included; False after Ctrl-C.

        Raises
        ------
        RuntimeError
            If another process writes to the store, or a worker of the cluster lacks a network or pictures.
        ConnectionError
            If the scheduler of the cluster is gone.
        """
        if client is None:
            n_workers = check_workers(n_workers)
            engine = functools.partial(run_forked, n_workers=n_workers)
        else:
            count = getattr(client, "nthreads", dict)  # the engine refuses other types than a `Client`
            engine, n_workers = functools.partial(run_on_client, client=client), max(1, len(count()))
        return self._run(engine, n_workers, rerun, progress, on_run)

    def _run(self, engine, n_workers, rerun=(), progress=True, on_run=None, cells=None):
        """Let an engine run those of (some) cells that the store lacks."""
        rerun = check_known("rerun", rerun, RERUN)
        with self._store.writing(n_workers):
            self._store.plan(self._grid.cells, {name: self._read_fact(name) for name in ("baseline", "made")})
            ended = self._store.list_ended(rerun)
            wanted = self._grid.cells if cells is None else cells
            missing = [cell for cell in wanted if cell.key not in ended]
            n_kept = 0

            def keep_all(outcomes):
                nonlocal n_kept
                for cell, outcome in outcomes:
                    with _late_interrupt():
                        row, packed = self._store.keep(cell, outcome)
                        n_kept += 1
                        if on_run:
                            on_run(cell._asdict() | row, unpack(packed))
                    bar.set_postfix_str(str(cell), refresh=False)
                    bar.update()

            with (
                show_progress(len(missing), "study", "run", progress, leave=True) as bar,
                contextlib.closing(engine(self._grid.measurement, missing)) as outcomes,
            ):
                try:
                    keep_all(outcomes)
                except KeyboardInterrupt:
                    keep_all(_interrupt(outcomes))
                    warn(f"interrupted; {n_kept} of {len(missing)} runs are kept, and run() goes on with the others")
                    return False
        return True


@contextlib.contextmanager
def _late_interrupt():
    """Let Ctrl-C act at the end of the block, so that a run is stored and shown, or neither."""
    caught = []
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ValueError):  # only the main thread hears Ctrl-C
            former = signal.signal(signal.SIGINT, lambda *given: caught.append(given))
            stack.callback(signal.signal, signal.SIGINT, former)
        yield
    if caught:
        raise KeyboardInterrupt


def _interrupt(outcomes):
    """Yield the results that an engine has finished when it is interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        yield outcomes.throw(KeyboardInterrupt)
        yield from outcomes
