"""The runner of comparisons: every cell once, in order, and whole units after Ctrl-C."""

import multiprocessing
import os
import sys
from typing import NamedTuple

import pytest

from tlkit.comparison.runner import read_counts, read_seeds, run_cells


class Cell(NamedTuple):
    arm: str
    seed: int

    def __str__(self):
        return f"{self.arm} of seed {self.seed}"


CELLS = [Cell(arm, seed) for seed in range(3) for arm in "abc"]


def run_all(run, prepare=lambda progress, in_fork: None, n_workers=1, progress=False, **settings):
    return run_cells(
        *(CELLS, run, prepare),
        unit_of=lambda cell: cell.seed,
        units="seeds",
        title="letters",
        progress=progress,
        n_workers=n_workers,
        **settings,
    )


def test_results_come_in_the_order_of_cells():
    begun = []

    def run(cell):
        begun.append(cell.arm)
        return cell.arm * cell.seed

    results = run_all(run, may_fork=lambda cell: cell.arm == "a")
    assert results == [(cell, cell.arm * cell.seed) for cell in CELLS]
    assert begun == [*"bcbcbc", *"aaa"]  # cells of this process come first


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
def test_workers_take_only_the_cells_that_may_fork(tmp_path):
    prepared, here = [], os.getpid()

    def prepare(progress, in_fork):
        prepared.append((progress, in_fork))
        (tmp_path / f"{os.getpid() == here} {in_fork}").touch()

    def run(cell):
        if cell.arm == "a" and os.getpid() == here:  # the worker has to do one
            while not list(tmp_path.glob("worker*")):
                pass
        elif os.getpid() != here:
            (tmp_path / f"worker {cell}").touch()
        return cell, os.getpid()

    results = run_all(run, prepare, n_workers=2, may_fork=lambda cell: cell.arm == "a")
    assert [cell for cell, _ in results] == [cell for _, (cell, _) in results] == CELLS
    assert {process for cell, (_, process) in results if cell.arm != "a"} == {here}
    assert len({process for cell, (_, process) in results if cell.arm == "a"}) == 2
    assert prepared == [(False, False)]
    assert {path.name for path in tmp_path.iterdir() if "worker" not in path.name} == {"False True", "True False"}
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("n_workers", [1, 2])
def test_ctrl_c_keeps_the_units_of_which_all_cells_are_finished(n_workers):
    if n_workers > 1 and sys.platform != "linux":
        pytest.skip("processes are forked on Linux only")
    here = os.getpid()

    def run(cell):
        if cell == Cell("b", 1) and os.getpid() == here:
            raise KeyboardInterrupt
        return cell.arm

    # With two workers, all seeds but this one may be finished; `b` of seed 1 only fails here.
    settings = {} if n_workers == 1 else {"n_workers": 2, "may_fork": lambda cell: cell.seed == 2}
    with pytest.warns(UserWarning, match=r"interrupted; the \d seeds that all arms have finished are kept") as caught:
        results = run_all(run, **settings)
    assert [cell for cell, _ in results] == [cell for cell in CELLS if cell.seed == 0]
    assert caught[0].filename == __file__


def test_ctrl_c_before_a_unit_is_finished_is_raised():
    def run(cell):
        if cell == Cell("c", 0):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(run)


def test_the_bar_counts_cells_and_shows_the_last(capsys):
    run_all(lambda cell: None, progress=True)
    shown = capsys.readouterr().err
    assert "letters: 100%" in shown
    assert "9/9" in shown
    assert "c of seed 2" in shown


def test_a_number_stands_for_the_seeds_below_it():
    assert read_seeds(3) == [0, 1, 2]
    assert read_seeds([7, 2]) == [7, 2]
    assert read_counts("shots", 3, 1) == [3]
    with pytest.raises(ValueError, match="seeds: -1, expected a whole number of at least 0"):
        read_seeds([-1])
    with pytest.raises(ValueError, match=r"seeds: \[1, 1\], expected one or more whole numbers without repetition"):
        read_seeds([1, 1])
    with pytest.raises(TypeError, match=r"shots: 1\.5"):
        read_counts("shots", [1.5], 1)
