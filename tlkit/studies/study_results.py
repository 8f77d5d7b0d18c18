"""`StudyResults`: the content of a study's store, while it is written or later, as tables, verdicts and a page."""

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import pandas as pd

import tlkit as tl
from tlkit.arguments import check_known, import_extra
from tlkit.comparison.compare import summarise
from tlkit.cpu.threads import hide_warnings
from tlkit.evaluation.gains import list_gains
from tlkit.evaluation.intervals import LEVEL
from tlkit.storage import write_csv, written_whole
from tlkit.studies.cell_measurement import StudyCell
from tlkit.studies.store import Store, unpack

KINDS = ("csv", "parquet", "page")  # of exports
_PLACE = ["backbone", "images", "image_size_px"]
_NOT_SHOWN = ["key", "backbone_hash", "images_hash", "settings", "state", "reason"]
# From the least to the most telling about how long a run takes.
_KINDS = ["strategy", "backbone", "image_size_px", "settings", "images", "shots"]


@dataclasses.dataclass(frozen=True)
class StudyStatus:
    """How far a study is, as `StudyResults.status` returns it."""

    n_cells: int
    n_done: int
    n_failed: int
    n_open: int
    n_older: int  # of those done, by another version
    failures: pd.DataFrame
    writer: dict | None  # process, machine and n_workers of who writes now
    time_left_s: float

    def __repr__(self):
        lines = [f"{self.n_done} of {self.n_cells} runs done, {self.n_failed} failed, {self.n_open} open"]
        if self.n_older:
            lines.append(f'{self.n_older} done by another version of tlkit: run(rerun="older") replaces them')
        if self.writer:
            lines.append(f"running: process {self.writer['process']} of machine {self.writer['machine']}")
        if self.n_open:
            left = f"{self.time_left_s / 60:.1f} minutes" if math.isfinite(self.time_left_s) else "not known yet"
            lines.append(f"time left: {left}")
        for reason, rows in self.failures.groupby("reason", sort=False) if self.n_failed else ():
            lines.append(f"failed {len(rows)} ×: {reason}")
        return "\n".join(lines)


class StudyResults:
    """Results of a study in its store; Jupyter shows the table.

    Each property reads the store anew, also while another process writes to it.

    Parameters
    ----------
    store : str or path-like
        File of the study.

    Raises
    ------
    ValueError
        If the file is not that of a study.

    Examples
    --------
    >>> StudyResults("none.sqlite").status()
    0 of 0 runs done, 0 failed, 0 open
    """

    def __init__(self, store: str | os.PathLike) -> None:
        self._store = Store(store)
        self._summarised = None, {}  # a stamp of the store, and the comparisons then

    def _list_planned(self):
        """Return the cells of the study as dicts."""
        return [json.loads(cell) for (cell,) in self._store.read("SELECT cell FROM cells ORDER BY rowid")]

    def _read_fact(self, name):
        """Return the baseline of the study, or what made it."""
        return self._store.read_fact(name)

    def _read_cells(self, state=None):
        """Return a DataFrame with one row per cell (of a state): the cell, its settings, its scores, and its state."""
        query = "SELECT key, state, version, reason, row FROM cells"
        stored = {
            key: json.loads(row or "{}") | {"version": version, "state": state, "reason": reason}
            for key, state, version, reason, row in self._store.read(query)
        }
        unknown = {"state": "open", "version": None, "reason": None}
        rows = [cell | json.loads(cell["settings"]) | stored.get(cell["key"], unknown) for cell in self._list_planned()]
        rows = [row for row in rows if state in (None, row["state"])]
        return pd.DataFrame(rows, columns=None if rows else [*StudyCell._fields, *unknown])

    def _name_places(self, cells):
        """Return the columns that tell comparisons apart: network, set, size, and settings of `transfer`."""
        return _PLACE + sorted({name for settings in cells["settings"].unique() for name in json.loads(settings)})

    def _read_predictions(self, cells):
        """Return the predictions of cells as one DataFrame."""
        if cells.empty:
            return pd.DataFrame()
        query = "SELECT key, predictions FROM cells WHERE key IN (SELECT value FROM json_each(?))"
        packed = dict(self._store.read(query, json.dumps(cells["key"].tolist())))
        names = [*self._name_places(cells), "strategy", "shots", "seed", "fold"]
        rows = cells.to_dict("records")
        tables = [unpack(packed[row["key"]]).assign(**{name: row[name] for name in names}) for row in rows]
        predictions = pd.concat(tables, ignore_index=True)
        return predictions[[*names, *predictions.columns.drop(names)]]

    def status(self) -> StudyStatus:
        """Return how far the study is.

        Returns
        -------
        StudyStatus
            Its attributes are n_cells, n_done, n_failed, n_open, n_older (int; done by another version of tlkit),
            failures (DataFrame; the cells and the reason), writer (dict; the process that writes, if any), and
            time_left_s (float; from the runs so far, NaN without any).
        """
        cells = self._read_cells()
        done, failed, waiting = (cells[cells["state"] == state] for state in ("done", "failed", "open"))
        writer = self._store.find_writer()
        failures = failed[[*self._name_places(cells), "strategy", "shots", "seed", "reason"]].reset_index(drop=True)
        time_left_s = sum(predict_seconds(done, waiting)) / (writer["n_workers"] if writer else 1)
        n_older = int((done["version"] != tl.__version__).sum())
        return StudyStatus(*map(len, (cells, done, failed, waiting)), n_older, failures, writer, time_left_s)

    @property
    def runs(self) -> pd.DataFrame:
        """One row per stored run: network, set, size and settings, then as in `Comparison`; wall_s and version."""
        return self._read_cells("done").drop(columns=_NOT_SHOWN)

    @property
    def predictions(self) -> pd.DataFrame:
        """One row per test picture and run: network, set, size and settings, then as in `Comparison`."""
        return self._read_predictions(self._read_cells("done"))

    @property
    def comparisons(self) -> "dict[tuple, tl.Comparison]":
        """One `Comparison` per (network, set, size, settings …); all their intervals together hold with 95 %."""
        stamp = self._store.read("SELECT count(*), total(state = 'done'), max(ended_s) FROM cells")
        if self._summarised[0] == stamp:
            return self._summarised[1]
        cells, done, baseline = self._read_cells(), self._read_cells("done"), self._read_fact("baseline")
        places, done = self._name_places(cells), done.reindex(columns=cells.columns)
        # Planned gains count, so that an early look at a part of them isn't more certain than the whole study.
        planned = cells.loc[cells["strategy"] != baseline, [*places, "strategy", "shots"]].drop_duplicates()
        level = 1 - (1 - LEVEL) / max(1, len(planned))
        comparisons = {}
        with hide_warnings(".*folds are used unequally" if len(done) < len(cells) else None):
            for place, runs in done.groupby(places, sort=False, dropna=False):
                predictions = self._read_predictions(runs)
                seeds = runs.groupby(["strategy", "shots"], sort=False)["seed"].agg(set)
                arms = [arm for arm in seeds.index if arm[0] != baseline]
                arms = [arm for arm in arms if seeds[arm] & seeds.get((baseline, arm[1]), set())]
                gains = list_gains(runs, predictions, baseline, arms, level)
                described = dict(zip(places, place, strict=True))
                shown = runs.drop(columns=[*_NOT_SHOWN, *places]), predictions.drop(columns=places, errors="ignore")
                comparisons[place] = summarise(*shown, baseline, described, gains)
        self._summarised = stamp, comparisons
        return comparisons

    @property
    def table(self) -> pd.DataFrame:
        """One row per network, set, size, settings, strategy and number of shots, then as in `Comparison.table`."""
        tables = []
        for comparison in self.comparisons.values():
            places = pd.DataFrame([comparison.description] * len(comparison.table))
            tables.append(pd.concat([places, comparison.table], axis=1))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    @property
    def verdicts(self) -> dict[tuple, str]:
        """Verdict per (strategy, shots); networks, sets, sizes and settings come first if there are several."""
        return {(*row.place, row.strategy, row.shots): row.verdict for row in self._list_gains().itertuples()}

    def _list_gains(self):
        """Return the rows of the table without the baseline, with `place`, the levels that differ between rows."""
        table, baseline = self.table, self._read_fact("baseline")
        if table.empty:
            return pd.DataFrame({"place": [], "strategy": [], "shots": [], "verdict": []})
        places = [name for name in table.columns[: table.columns.get_loc("strategy")] if table[name].nunique() > 1]
        rows = table.assign(place=list(table[places].itertuples(index=False, name=None)), baseline=baseline)
        return rows[rows["strategy"] != baseline]

    def draw(self, ax: Any) -> Any:
        """Draw a map of the verdicts: one row per strategy, network and set, one column per number of shots.

        Parameters
        ----------
        ax : matplotlib.axes.Axes
            Axes to draw on.

        Returns
        -------
        matplotlib.axes.Axes
            The same axes.
        """
        from tlkit.plots.gains import draw_transfer_map

        gains = self._list_gains()
        if gains.empty:
            raise ValueError(f"store: {self._store.path} holds no gain yet: run the baseline and another strategy")
        names = [", ".join(map(str, [row.strategy, *row.place])) for row in gains.itertuples()]
        return draw_transfer_map(gains.assign(strategy=names).dropna(subset=["gain"]), ax)

    def export(self, folder: str | os.PathLike, kind: str = "csv") -> list[Path]:
        """Write the results into a folder.

        Parameters
        ----------
        folder : str or path-like
            Folder, which is made if it is missing. Files of the same name are replaced.
        kind : {"csv", "parquet", "page"}
            "csv" and "parquet" (extra "studies") write the tables runs, predictions and table; "page" writes
            study.html, one file with the table, maps of verdicts, curves, failures and the origin of the study.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        ValueError
            If the kind is unknown.
        """
        check_known("kind", [kind], KINDS)
        if kind == "page":
            from tlkit.studies.results_page import make_page

            page = make_page(self)
            writers = {"study.html": lambda path: path.write_text(page, encoding="utf-8")}
        else:
            if kind == "parquet":
                import_extra("Parquet needs", 'pip install "tlkit[studies]"', "pyarrow")
            tables = {"runs": self.runs, "predictions": self.predictions, "table": self.table}
            write = write_csv if kind == "csv" else lambda table, path: table.to_parquet(path, index=False)
            writers = {f"{name}.{kind}": lambda path, table=table: write(table, path) for name, table in tables.items()}
        paths = {Path(folder).expanduser() / name: writer for name, writer in writers.items()}
        for path, writer in paths.items():
            with written_whole(path) as temporary:
                writer(temporary)
        return list(paths)

    def _repr_html_(self):
        """Return the table for Jupyter."""
        return self.table.round(3).to_html(index=False)

    def __repr__(self):
        return f"{type(self).__name__}({self._store.path}: {self.status()!r})"


def predict_seconds(done, cells):
    """Return how long each cell will take, from runs of its own kind, or else of the nearest; NaN without any."""
    # Steps grow with the pictures; a head that is solved takes none.
    seconds = pd.Series(math.nan, cells.index)
    for n in range(len(_KINDS) + 1) if len(done) else ():
        kind = [*_KINDS[:n], "one"]
        rows = done.assign(one=1, per_shot_s=done["wall_s"] / done["shots"])
        medians = rows.groupby(kind)[["wall_s", "per_shot_s", "n_steps"]].median()
        found = cells[_KINDS].assign(one=1).join(medians, kind)
        nearer = found["wall_s"].where(found["n_steps"] == 0, found["per_shot_s"] * found["shots"])
        seconds = nearer.fillna(seconds)
    return seconds.tolist()
