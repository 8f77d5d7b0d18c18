"""Processes that help: every item once, whatever becomes of them, and none is left behind."""

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from tqdm import tqdm

from tlkit.cli.compare import _choose_workers as choose_workers
from tlkit.comparison import workers
from tlkit.comparison.workers import Helpers, call_in_fork, check_workers
from tlkit.heads import numerics
from tlkit.images import datasets

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone"),
]


@pytest.fixture(autouse=True)
def nobody_left():
    yield
    assert not multiprocessing.active_children()


def is_there(process_id):
    """Say whether a process runs; one that has ended but wasn't asked about doesn't."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("n_helpers", [0, 1, 3])
def test_every_item_is_done_once(n_helpers, tmp_path):
    def work(number):
        # What is done twice fails here, and each process waits until all of them have begun an item.
        (tmp_path / f"{os.getpid()} {number}").touch(exist_ok=False)
        wait_until(lambda: len({path.name.split()[0] for path in tmp_path.iterdir()}) == n_helpers + 1)
        return number**2, os.getpid()

    results = dict(Helpers(work, n_helpers).share(range(20)))
    assert {number: square for number, (square, _) in results.items()} == {n: n**2 for n in range(20)}
    processes = {process_id for _, process_id in results.values()}
    assert os.getpid() in processes
    assert len(processes) == n_helpers + 1
    assert sorted(int(path.name.split()[1]) for path in tmp_path.iterdir()) == list(range(20))


def test_helpers_begin_with_what_was_there_when_they_were_made(tmp_path):
    said = ["before"]

    def work(number):
        (tmp_path / str(number)).touch()
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        return os.getpid(), said[0]

    helpers = Helpers(work, 1)
    said[0] = "after"
    answers = dict(dict(helpers.share(range(2))).values())
    assert answers.pop(os.getpid()) == "after"
    assert list(answers.values()) == ["before"]


def test_processors_are_divided(tmp_path):
    n_threads = torch.get_num_threads()

    def work(number):
        (tmp_path / str(number)).touch()
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        return torch.get_num_threads()

    try:
        torch.set_num_threads(4)
        assert [count for _, count in Helpers(work, 1).share(range(2))] == [2, 2]
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(n_threads)


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: 1 / 0], ids=["killed", "failed"])
def test_what_a_helper_could_not_do_is_done_here(end, tmp_path, request):
    here = os.getpid()

    def work(number):
        if os.getpid() != here:
            (tmp_path / str(number)).touch()
            end()
        wait_until(lambda: any(tmp_path.iterdir()))
        return os.getpid()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = list(Helpers(work, 1, lambda index: f"run {index}").share(range(3)))
    (lost,) = (int(path.name) for path in tmp_path.iterdir())
    killed = "was killed (SIGKILL), perhaps since memory ran out; finished runs are kept, and this process "
    expected = [f"{killed}repeats run {lost}: use fewer workers"] if request.node.callspec.id == "killed" else []
    assert [text in str(warning.message) for text, warning in zip(expected, caught, strict=True)] == [True] * len(
        caught
    )
    assert results[-1][0] == lost
    assert {process_id for _, process_id in results} == {here}
    assert sorted(number for number, _ in results) == [0, 1, 2]


def test_a_result_is_given_while_another_helper_still_works(tmp_path):
    here = os.getpid()

    def work(number):
        (tmp_path / str(os.getpid())).touch()
        wait_until(lambda: len(list(tmp_path.glob("[0-9]*"))) == 3)  # each process has one item
        if os.getpid() != here:
            wait_until((tmp_path / (tmp_path / f"wait-{os.getpid()}").read_text()).exists)
        return os.getpid()

    helpers = Helpers(work, 2)
    slow, fast = (process.pid for process, _ in helpers._helpers)
    (tmp_path / f"wait-{fast}").write_text(f"seen-{here}")
    (tmp_path / f"wait-{slow}").write_text(f"seen-{fast}")
    found = []
    for _, process_id in helpers.share(range(3)):
        found.append(process_id)
        (tmp_path / f"seen-{process_id}").touch()
    assert found == [here, fast, slow]


def test_what_fails_everywhere_raises_here():
    def work(number):
        raise OverflowError(f"item {number}")

    with pytest.raises(OverflowError, match="item"):
        list(Helpers(work, 1).share(range(3)))


def test_warnings_of_helpers_are_given_here(tmp_path):
    here = os.getpid()

    def work(number):
        (tmp_path / str(number)).touch()
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        if os.getpid() != here:
            warnings.warn("there are few pictures", RuntimeWarning, stacklevel=1)

    with pytest.warns(RuntimeWarning, match="there are few pictures") as caught:
        list(Helpers(work, 1).share(range(2)))
    assert len(caught) == 1


def test_large_results_do_not_keep_a_helper_waiting(tmp_path):
    here = os.getpid()

    def work(number):
        (tmp_path / f"{os.getpid() == here} {number}").touch()
        # This process comes to its end only when the helper has done all others.
        wait_until(lambda: os.getpid() != here or len(list(tmp_path.glob("False*"))) == 4)
        return np.full(100_000, number)

    results = dict(Helpers(work, 1).share(range(5)))
    assert all((results[number] == number).all() for number in range(5))


def test_an_answer_that_breaks_off_is_worked_out_here(tmp_path):
    here, second = os.getpid(), tmp_path / "second"

    def work(number):
        if os.getpid() != here:
            if (tmp_path / "first").exists():
                (tmp_path / "made").write_text(str(os.getpid()))
                (tmp_path / "made").rename(second)
                wait_until(lambda: False)
            (tmp_path / "first").touch()
            return bytes(10_000_000)  # of which the pipe takes a part
        wait_until(second.exists)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(second.read_text()), signal.SIGKILL)
        return number

    with pytest.warns(UserWarning, match="was killed"):
        assert dict(Helpers(work, 1).share(range(3))) == {0: 0, 1: 1, 2: 2}


def test_ctrl_c_gives_what_helpers_have_done_and_ends_them(tmp_path):
    here = os.getpid()

    def work(number):
        if os.getpid() != here:
            if number_of_helpers_items():
                (tmp_path / "helper waits").write_text(str(os.getpid()))
                wait_until(lambda: False)
            (tmp_path / f"done {number}").touch()
            return number
        wait_until((tmp_path / "helper waits").exists)
        helpers._helpers[0][1].poll(30)  # a thread of the helper sends its result
        os.kill(os.getpid(), signal.SIGINT)

    def number_of_helpers_items():
        return len(list(tmp_path.glob("done *")))

    results, helpers = [], Helpers(work, 1)
    with pytest.raises(KeyboardInterrupt):
        for number, _ in helpers.share(range(9)):
            results.append(number)
    assert [f"done {number}" for number in results] == [path.name for path in tmp_path.glob("done *")]
    assert len(results) == 1
    assert not is_there((tmp_path / "helper waits").read_text())


def test_ctrl_c_is_for_this_process_alone(tmp_path):
    here = os.getpid()

    def work(number):
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGINT)  # as a terminal sends it to all
        (tmp_path / str(number)).touch()
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        return os.getpid()

    assert len({process_id for _, process_id in Helpers(work, 1).share(range(2))}) == 2


ABANDONED = """
import os, signal, time
from tlkit.comparison import workers
from tlkit.comparison.workers import Helpers

here = os.getpid()

def work(number):
    if os.getpid() == here:
        os.kill(here, signal.SIGKILL)
    print(os.getpid(), flush=True)
    {work}

workers._PR_SET_PDEATHSIG = {prctl}
helpers = Helpers(work, 2)
print(*(process.pid for process, _ in helpers._helpers), flush=True)
if {begun}:
    list(helpers.share(range(3)))
os.kill(here, signal.SIGKILL)
"""


@pytest.mark.parametrize(
    ("begun", "prctl", "work"),
    [
        (True, 1, "time.sleep(100)"),  # in the middle of a run
        (False, 1, "pass"),
        # The system ignores prctl: they end with a run whose result nobody reads, though it fills the pipe.
        (True, 0, "return bytes(10_000_000)"),
        (False, 0, "pass"),
    ],
)
def test_helpers_end_when_this_process_is_killed(begun, prctl, work):
    code = ABANDONED.format(begun=begun, prctl=prctl, work=work)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    helpers = done.stdout.splitlines()[0].split()
    assert len(helpers) == 2
    wait_until(lambda: not any(map(is_there, helpers)))


def test_what_is_called_apart_leaves_files_and_no_memory(tmp_path):
    said = []

    def function():
        said.append("there")
        (tmp_path / "left").write_text(str(os.getpid()))
        warnings.warn("nobody hears this", stacklevel=1)
        raise OverflowError

    call_in_fork(function)
    assert said == []
    assert int((tmp_path / "left").read_text()) != os.getpid()


@pytest.mark.parametrize(
    "lock", [tqdm.get_lock(), numerics._limited.lock, datasets._reading], ids=["tqdm", "heads", "datasets"]
)
def test_a_fork_has_no_lock_that_another_thread_holds(lock, tmp_path):
    held, may_go = threading.Event(), threading.Event()
    is_of_tqdm = lock is tqdm.get_lock()

    def hold():
        with lock:
            held.set()
            may_go.wait(30)

    def take():
        with tqdm.get_lock() if is_of_tqdm else lock:
            (tmp_path / "taken").touch()

    with warnings.catch_warnings(record=True) as caught, concurrent.futures.ThreadPoolExecutor(1) as executor:
        warnings.simplefilter("always")
        executor.submit(hold)
        held.wait(30)
        threading.Timer(0.2, may_go.set).start()  # the fork waits for a lock of tlkit, and gets a new one of tqdm
        helper = workers._fork(take)
        helper.join(10)
        may_go.set()
        helper.kill()
        helper.join()
    assert (tmp_path / "taken").exists()
    assert caught == [], "Python 3.12 and newer warn of a fork beside threads"


STRAY = """
import os, signal, sys, time
from tlkit.comparison import workers

def wait():
    print(os.getpid(), flush=True)
    os.kill(parent, signal.SIGKILL)
    time.sleep(100)

parent = os.getpid()
workers.call_in_fork(wait)
"""


def test_what_is_called_apart_ends_when_this_process_is_killed():
    done = subprocess.run([sys.executable, "-c", STRAY], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: not is_there(int(done.stdout)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSTOP])
def test_helpers_end_whatever_signal_they_ignore(number):
    """A handler of this process isn't theirs, and a helper that stands still is ended too."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        helpers = Helpers(lambda index: None, 1)
        ((process, _),) = helpers._helpers
        os.kill(process.pid, number)
        helpers.close()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not is_there(process.pid)


def test_ctrl_c_while_helpers_are_started_leaves_none(monkeypatch):
    real, started = multiprocessing.process.BaseProcess.start, []

    def start(process):
        started.append(process)
        if len(started) == 2:
            signal.raise_signal(signal.SIGINT)
        real(process)

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", start)
    with pytest.raises(KeyboardInterrupt):
        Helpers(lambda index: None, 3)
    assert len(started) == 2
    wait_until(lambda: not any(is_there(process.pid) for process in started))


def test_ctrl_c_ends_what_is_called_apart(tmp_path):
    here = os.getpid()

    def function():
        (tmp_path / "begun").write_text(str(os.getpid()))
        os.kill(here, signal.SIGINT)
        wait_until(lambda: False)

    with pytest.raises(KeyboardInterrupt):
        call_in_fork(function)
    assert not is_there((tmp_path / "begun").read_text())


def test_workers_are_refused_where_they_would_hang(monkeypatch):
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    assert check_workers(2) == 2
    with pytest.raises(ValueError, match="n_workers: 0, expected a whole number of at least 1"):
        check_workers(0)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "openvino", object())
        with pytest.raises(ValueError, match="n_workers: 2, but this process has used OpenVINO, which"):
            check_workers(2)
        assert choose_workers() == check_workers(1) == 1
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_initialized", lambda: True)
        with pytest.raises(ValueError, match="has used a GPU"):
            check_workers(2)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        with pytest.raises(ValueError, match="n_workers: 2, expected 1: processes can only be forked safely on Linux"):
            check_workers(2)
        assert choose_workers() == 1


@pytest.mark.parametrize(("processors", "gpu", "n_workers"), [({0, 1}, False, 2), ({1}, False, 1), ({0, 1}, True, 1)])
def test_two_work_where_there_are_two_processors_and_no_gpu(processors, gpu, n_workers, monkeypatch):
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process_id: processors)
    monkeypatch.setattr("tlkit.features.engines.has_gpu", lambda: gpu)
    assert choose_workers() == n_workers


LOOPING = """
import os
import torch
from tlkit.comparison.workers import Helpers

torch.set_num_threads(4)
torch.ones(1_000_000)  # starts the threads that a helper doesn't have

def work(number):
    values = torch.ones(1_000_000)
    return os.getpid(), torch.get_num_threads(), values.add_(1).sum().item()

results = [result for _, result in Helpers(work, 1).share(range(200))]
print(len({process_id for process_id, _, _ in results}), {result[1:] for result in results})
"""


def test_helpers_have_threads_of_their_own():
    done = subprocess.run([sys.executable, "-c", LOOPING], capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr) == ("2 {(2, 2000000.0)}\n", "")


# In a process of its own, since this one may have used OpenVINO.
COMPARING = """
import os, sys
import torch
torch.set_num_threads({n_threads})
import tlkit as tl
import tlkit.training.transfer

module = sys.modules["tlkit.training.transfer"]
phases = [tl.Phase(["head"], None), tl.Phase(["all"], 1, 1e-3, norm_statistics="moving")]
tuned, solved = tl.Strategy(phases[1:], name="tuned"), tl.Strategy(phases, name="solved")
backbone = tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)
clipart = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool", "flower"])
pair = tl.load_images("styles", domain=["photo", "sketch"]).select(classes=["bird", "bug", "tool"])
real = module.transfer

def transfer(*arguments, **settings):
    os.write(1, f"process {{os.getpid()}}\\n".encode())  # at once, and so whole
    return real(*arguments, **settings)

module.transfer = transfer
settings = {{"progress": False, "n_workers": {n_workers}}}
comparison = tl.compare(backbone, clipart, [tuned, "hand_made", "linear_probe", solved], shots=3, seeds=3, **settings)
curve = tl.learning_curve(backbone, clipart, ["hand_made", tuned], shots=[1, 2], seeds=2, **settings)
methods = {{"tuned": tuned, "moved": tl.adaptation.Align("mean")}}
pairs = tl.adaptation.compare_pairs(backbone, pair, methods, pairs=[("photo", "sketch")], seeds=2, **settings)
shots = tl.adaptation.compare_target_shots(backbone, pair, "photo", "sketch", ["coral"], seeds=2, **settings)
assert torch.get_num_threads() == {n_threads}
print("openvino", "openvino" in sys.modules)
for name, runs, predictions in (
    ("compare", comparison.runs, comparison.predictions),
    ("learning_curve", curve.runs, curve.predictions),
    ("compare_pairs", pairs.runs, pairs.predictions),
    ("compare_target_shots", *shots),
):
    print("table", name)
    print(runs.drop(columns=["duration_s", "peak_memory_mib"], errors="ignore").to_csv(float_format="%.17g"))
    print(predictions.to_csv(index=False, float_format="%.17g"))
"""


def run_comparisons(**settings):
    """Return (names of processes that trained, whether this used OpenVINO, {name: lines of tables}, errors)."""
    answer = subprocess.run(
        [sys.executable, "-c", COMPARING.format(**settings)], capture_output=True, text=True, check=True
    )
    lines = answer.stdout.splitlines()
    processes = {line for line in lines if line.startswith("process")}
    (openvino,) = (line for line in lines if line.startswith("openvino"))
    tables = {}
    for line in lines:
        if line.startswith("table"):
            rows = tables.setdefault(line.removeprefix("table "), [])
        elif line not in {*processes, openvino}:
            rows.append(line)
    return processes, openvino, tables, answer.stderr


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        return [run_comparisons(n_threads=number, n_workers=number) for number in (2, 1)]


@pytest.mark.parametrize("name", ["compare", "learning_curve", "compare_pairs", "compare_target_shots"])
def test_a_comparison_by_two_processes_gives_the_same_bits_as_by_one(comparisons, name):
    (_, _, by_two, _), (_, _, by_one, _) = comparisons
    assert by_two[name] == by_one[name]
    assert len(by_one[name]) > 100


def test_two_processes_train_and_neither_takes_along_the_memory_of_features(comparisons):
    (processes, openvino, _, errors), (alone, _, _, errors_alone) = comparisons
    assert (openvino, errors, errors_alone) == ("openvino False", "", "")
    assert len(processes) >= 3  # helpers of each comparison are processes of their own
    assert len(alone) == 1
