"""What commands write and print: results outlive any screen, disk or end, and names are shown, never obeyed."""

import contextlib
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from made_command import call_command, run_command
from made_pictures import write_classes

from tlkit.cli import outputs
from tlkit.cli.outputs import Record, check_writable, write_all, write_csv
from tlkit.cli.terminal import ErrorStream, print_table, say
from tlkit.evaluation.scores import Evaluation
from tlkit.names import make_printable

FILES = ["comparison.csv", "comparison.png", "predictions.csv", "runs.csv"]
QUICK = ["--strategies", "hand_made,linear_probe", "--shots", 1, "--seeds", 2, "--image-size", 32, "--workers", 1]
posix_only = pytest.mark.skipif(os.name == "nt", reason="devices, signals and folders as on POSIX")


@pytest.fixture
def pets(tmp_path):
    return write_classes(tmp_path / "数据", {"cat": 6, "dog": 6})


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
def test_a_table_is_written_and_printed_whatever_the_screen_can_show(pets, tmp_path):
    out = tmp_path / "out"
    done = run_command("compare", pets, "--output", out, *QUICK, env=os.environ | {"PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 0, done.stderr
    assert rb"\u6570\u636e" in done.stdout
    assert list_names(out) == FILES


@pytest.mark.slow
@posix_only
@pytest.mark.parametrize("stream", ["closed", "full"])
def test_a_table_is_written_though_it_cannot_be_printed(pets, tmp_path, stream):
    out = tmp_path / "out"
    if stream == "closed":  # as by `| head -1`
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open("/dev/full", os.O_WRONLY)
    try:
        # Of the closed pipe, bars and notes can't be shown either, as by `2>&1`.
        errors = {"stderr": writer} if stream == "closed" else {}
        done = run_command("compare", pets, "--output", out, *QUICK, stdout=writer, **errors)
    finally:
        os.close(writer)
    assert done.returncode == 1
    assert list_names(out) == FILES
    assert len(pd.read_csv(out / "runs.csv")) == 4
    if stream == "full":
        lines = done.stderr.decode().splitlines()
        reason = "the table can't be printed (No space left on device)"
        assert lines[-1] == f"tlkit: {reason}; the results are in {tmp_path}/out"
        assert not [line for line in lines if "Traceback" in line or "Exception ignored" in line]


@pytest.fixture
def tlkit(monkeypatch, capsys):
    return lambda *arguments: call_command(monkeypatch, capsys, *arguments)


def refuse(monkeypatch, folder):
    """Let a folder refuse new files, also to root."""
    real = outputs.tempfile.TemporaryFile

    def make(dir):
        if dir == folder:
            raise OSError(30, "Read-only file system")
        return real(dir=dir)

    monkeypatch.setattr(outputs.tempfile, "TemporaryFile", make)


def test_the_output_is_checked_before_anything_is_read(tlkit, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "out" / "runs.csv").mkdir(parents=True)
    (tmp_path / "locked").mkdir()
    refuse(monkeypatch, tmp_path / "locked")
    for output, words in (
        ("file", "file can't be written, since {}/file is not a folder"),
        ("file/deep/er", "file/deep/er can't be written, since {}/file is not a folder"),
        ("out", "{}/out/runs.csv is a folder, expected a file or nothing: name another folder"),
        ("locked/new", "locked/new can't be written, since {}/locked is not writable (Read-only file system)"),
    ):
        status, printed, errors = tlkit("compare", tmp_path / "missing", "--output", tmp_path / output)
        assert (status, printed) == (1, "")
        assert errors.startswith("tlkit: --output: ") and words.format(tmp_path) in errors
    assert list_names(tmp_path) == ["file", "locked", "out"]
    check_writable("--output", tmp_path / "new" / "er", tmp_path / "new" / "er")


RUNS = pd.DataFrame({"strategy": ["a"], "accuracy": [0.5]})
PREDICTIONS = pd.DataFrame({"picture": ["x.png", "y.png"], "label": ["cat", "dog"]})


def test_a_record_grows_by_each_run_and_keeps_those_of_others(tmp_path):
    first, second = Record(tmp_path / "new" / "out"), Record(tmp_path / "new" / "out")
    for record in (first, first, second):
        record.add(runs=RUNS, predictions=PREDICTIONS)
    assert list_names(first.folder) == [
        *("predictions-partial-2.csv", "predictions-partial.csv", "runs-partial-2.csv", "runs-partial.csv")
    ]
    assert pd.read_csv(first.folder / "runs-partial.csv").equals(pd.concat([RUNS] * 2, ignore_index=True))
    assert pd.read_csv(first.folder / "predictions-partial-2.csv").equals(PREDICTIONS)
    assert first.describe() == (
        f"2 finished runs are kept in {first.folder}/runs-partial.csv and {first.folder}/predictions-partial.csv"
    )
    first.remove()
    assert list_names(first.folder) == ["predictions-partial-2.csv", "runs-partial-2.csv"]


def test_a_run_that_cannot_be_recorded_is_a_note_and_leaves_whole_rows(tmp_path, monkeypatch):
    record = Record(tmp_path)
    record.add(runs=RUNS)

    @contextlib.contextmanager
    def open_full(path, *arguments, **settings):
        yield SimpleNamespace(write=lambda text: path.write_text(path.read_text() + text[:3]))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs, "open", open_full, raising=False)
    with pytest.warns(UserWarning, match="a finished run couldn't be written to .* .No space left on device.; the end"):
        record.add(runs=RUNS)
    monkeypatch.undo()
    record.add(runs=RUNS)
    assert pd.read_csv(tmp_path / "runs-partial.csv").equals(pd.concat([RUNS] * 2, ignore_index=True))


def test_one_file_that_fails_leaves_the_others(tmp_path):
    def fail(path):
        path.write_text("half")
        raise ValueError("no figure")

    errors = write_all([(tmp_path / "a.txt", fail), (tmp_path / "b.txt", lambda path: path.write_text("whole"))])
    assert {path.name: str(error) for path, error in errors.items()} == {"a.txt": "no figure"}
    assert list_names(tmp_path) == ["b.txt"]


@pytest.mark.slow
def test_a_figure_that_fails_costs_neither_tables_nor_their_print(tlkit, pets, tmp_path, monkeypatch):
    def fail(comparison, path):
        raise ValueError("no such font")

    monkeypatch.setattr("tlkit.plots.comparison.save_comparison", fail)
    status, printed, errors = tlkit("compare", pets, "--output", tmp_path / "out", *QUICK)
    assert status == 1
    assert "linear_probe" in printed and "wrote" in printed
    assert f"tlkit: {tmp_path}/out/comparison.png can't be written: no such font" in errors
    assert set(list_names(tmp_path / "out")) >= {*FILES} - {"comparison.png"}


KILLED = """
import os, signal, sys
from tlkit.evaluation.scores import Evaluation
from tlkit.names import make_printable

real, counted = Evaluation.accuracy, []

def measure(self):
    counted.append(self)
    if len(counted) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return real.fget(self)

Evaluation.accuracy = property(measure)
from tlkit.cli import main
sys.argv[0] = "tlkit"
main()
"""


def check_record(out):
    """Check that three runs are in the record, one of them of a seed that isn't finished."""
    runs = pd.read_csv(out / "runs-partial.csv")
    assert runs[["strategy", "seed"]].values.tolist() == [["hand_made", 0], ["linear_probe", 0], ["hand_made", 1]]
    assert pd.read_csv(out / "predictions-partial.csv").groupby(["strategy", "seed"]).ngroups == 3


@pytest.mark.slow
@posix_only
def test_finished_runs_outlive_a_kill(pets, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "runs.csv").write_text("of an earlier comparison")
    arguments = [sys.executable, "-c", KILLED, "compare", pets, "--output", out, *QUICK]
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=100)
    assert done.returncode == -signal.SIGKILL
    check_record(out)
    assert (out / "runs.csv").read_text() == "of an earlier comparison"


@pytest.mark.filterwarnings("default")  # the command shows them as notes
@pytest.mark.parametrize(("reason", "status"), [(KeyboardInterrupt, 0), (ValueError("no memory"), 1)])
def test_finished_runs_outlive_the_command(tlkit, pets, tmp_path, monkeypatch, reason, status):
    out, real, counted = tmp_path / "out", Evaluation.accuracy, []

    def measure(self):
        counted.append(self)
        if len(counted) == 4:
            raise reason
        return real.fget(self)

    monkeypatch.setattr(Evaluation, "accuracy", property(measure))
    ended, _, errors = tlkit("compare", pets, "--output", out, *QUICK)
    assert ended == status
    assert f"3 finished runs are kept in {out}/runs-partial.csv and {out}/predictions-partial.csv" in errors
    check_record(out)
    # After Ctrl-C the table has the seed that both strategies have finished.
    assert (out / "runs.csv").exists() == (status == 0)


def test_a_comparison_is_tested_on_a_folder(tlkit, pets, tmp_path):
    test = write_classes(tmp_path / "official", {"cat": 3, "dog": 3}, number=100)
    status, printed, _ = tlkit("compare", pets, "--test", test, "--output", tmp_path / "out", *QUICK)
    assert status == 0
    assert "tested on ImageSet(6 pictures" in " ".join(printed.split())
    assert set(pd.read_csv(tmp_path / "out" / "runs.csv")["fold"]) == {-1}
    assert set(pd.read_csv(tmp_path / "out" / "predictions.csv").groupby(["strategy", "seed"]).size()) == {6}
    status, _, errors = tlkit("compare", pets, "--test", pets, "--output", tmp_path / "out", *QUICK)
    assert status == 1
    assert (
        "tlkit: --test: 12 of 12 pictures are also training pictures (data leakage), for example '数据/cat/0.png'"
        in errors
    )


def test_a_spreadsheet_computes_no_name():
    table = pd.DataFrame(
        {"label": ["=1+2", "@SUM(1)", "-a", "+b", "\tc", "'=1", "＝1", "cat"], "gain": -0.5, "shots": -1}
    )
    lines = write_csv(table).splitlines()
    assert lines[0] == "label,gain,shots"
    assert [line.split(",")[0] for line in lines[1:]] == [
        *("'=1+2", "'@SUM(1)", "'-a", "'+b", "'\tc", "''=1", "'＝1", "cat")
    ]
    assert {line.partition(",")[2] for line in lines[1:]} == {"-0.5,-1"}


HOSTILE = "x[/b]\x1b]0;owned\x07\x9b8m:smile:\u202egnp.txt"
SHOWN = r"x[/b]\x1b]0;owned\x07\x9b8m:smile:\u202egnp.txt"


def test_names_are_shown_as_they_are_and_never_obeyed(capsys):
    assert make_printable("苹果 नमस्ते 👩‍🌾 é") == "苹果 नमस्ते 👩‍🌾 é"
    say(f"a\n{HOSTILE}")
    say(HOSTILE, is_note=True)
    print_table(["name", "n"], [[HOSTILE, "1"]], title=HOSTILE, caption=f"a\n{HOSTILE}", left=["name"])
    printed, errors = capsys.readouterr()
    assert printed.startswith(f"a\n{SHOWN}\n")
    assert printed.count(SHOWN) == 4
    assert errors == SHOWN + "\n"


@pytest.mark.filterwarnings("default")  # the command shows them as notes
@posix_only
def test_names_of_folders_reach_no_terminal(tlkit, tmp_path):
    folder = write_classes(tmp_path / "pets\x1b]0;owned\x07", {"cat": 6, "[b]dog": 6})
    (folder / "notes.txt").write_text("left out")
    for arguments in (
        ["extract", folder, "--image-size", 32, "--output", tmp_path / "f.npz"],
        ["compare", folder, *QUICK],
    ):
        _, printed, errors = tlkit(*arguments)
        assert "\x1b" not in printed + errors
        assert r"pets\x1b]0;owned\x07" in printed + errors
        assert "Traceback" not in errors


def test_the_cache_shows_any_name(tlkit, monkeypatch):
    monkeypatch.setattr(sys.modules["tlkit.cli.cache"], "_describe", lambda one: HOSTILE)
    kept = [SimpleNamespace(kind="converted", paths=[None], size_bytes=5, used_s=0.0)]
    monkeypatch.setattr("tlkit.features.cache.inventory.list_kept", lambda *kinds: kept)
    status, printed, errors = tlkit("cache")
    assert (status, errors) == (0, "")
    assert SHOWN in "".join(printed.split())


def test_a_failing_error_stream_stops_nothing():
    class Full:
        encoding = "utf-8"

        def write(self, text):
            raise OSError(28, "No space left on device")

        def flush(self):
            raise BrokenPipeError

    stream = ErrorStream(Full())
    print("a note", file=stream, flush=True)
    assert stream.encoding == "utf-8"
