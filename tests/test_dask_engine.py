"""The engine of a cluster: what is finished stays, whoever is killed, and no cell is run twice."""

import logging
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from made_clusters import LOCAL, Toy, list_begun, list_cells, read_rows, run_toy, wait_until

from tlkit.cpu.cluster import share
from tlkit.studies.cell_measurement import SourceError, run_on_client

dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are killed by signals"),
    pytest.mark.filterwarnings("default"),  # of dask's own threads and sockets, when processes are killed
]
N_CELLS = 40
HERE = Path(__file__).parent


def list_moments(n_usual):
    """Twenty of each before a release; a few in every run of the tests."""
    return [pytest.param(n, marks=[pytest.mark.exhaustive] if n >= n_usual else []) for n in range(20)]


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(n_workers=2, silence_logs=logging.CRITICAL, **LOCAL) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def undisturbed(client, tmp_path_factory):
    """Return the rows of a study that nothing stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run_toy(folder / "study.sqlite", client, N_CELLS, Toy(folder / "log"))
    rows, n_failed = read_rows(folder / "study.sqlite")
    assert (len(rows), n_failed) == (N_CELLS, 0)
    assert sorted(list_begun(folder / "log")) == sorted(rows)
    return rows


def choose_count(number):
    """Return after how many rows something is killed."""
    return random.Random(number).randrange(1, N_CELLS - 5)


def is_there(process_id):
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("number", list_moments(2))
def test_a_killed_worker_costs_the_cell_under_way(number, client, tmp_path, undisturbed):
    store, log, shown = tmp_path / "study.sqlite", tmp_path / "log", []
    client.wait_for_workers(2, timeout=60)

    def kill(key):
        shown.append(key)
        if len(shown) == choose_count(number):
            os.kill(int(log.read_text().splitlines()[-1].split()[0]), signal.SIGKILL)

    run_toy(store, client, N_CELLS, Toy(log, 0.01), kill)
    assert sorted(shown) == sorted(undisturbed)
    assert read_rows(store) == (undisturbed, 0)
    # Beside the cell under way, the worker holds results of short cells that the client has not collected.
    assert len(list_begun(log)) <= N_CELLS + 10


def start_client(folder, n_workers=2):
    """Start a process with a cluster of its own, and return it with the ids of its processes."""
    (folder / "cluster.toml").write_text(f'kind = "local"\nn_workers = {n_workers}\n')
    # The last cells take a second, so that they are not done before the client is killed.
    toy = [0.02, N_CELLS - 5, 1.0]
    arguments = [folder / "cluster.toml", folder / "study.sqlite", folder / "log", N_CELLS, *toy]
    variables = os.environ | {"PYTHONPATH": f"{HERE.parent}", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen(
        [sys.executable, HERE / "made_clusters.py", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=variables,
        start_new_session=True,
    )


def read_until(process, n_rows):
    """Return the ids of all processes of a client, and the rows that it showed until now."""
    assert process.stdout.readline().startswith("workers ")
    shown = [process.stdout.readline().split(" ", 1)[1].strip() for _ in range(n_rows)]
    return [each.pid for each in psutil.Process(process.pid).children(recursive=True)], shown


def check_rest(folder, client, shown, undisturbed):
    """Let a study go on, and compare it with one that nothing stopped."""
    kept, n_failed = read_rows(folder / "study.sqlite")
    assert n_failed == 0
    assert kept == {key: undisturbed[key] for key in kept}
    assert set(shown) <= kept.keys() and len(kept) - len(shown) <= 1 and len(kept) < N_CELLS
    run_toy(folder / "study.sqlite", client, N_CELLS, Toy(folder / "again"))
    assert read_rows(folder / "study.sqlite") == (undisturbed, 0)
    assert sorted(list_begun(folder / "again")) == sorted(undisturbed.keys() - kept.keys())


@pytest.mark.slow
@pytest.mark.parametrize("number", list_moments(1))
def test_a_killed_client_leaves_its_rows_and_no_process(number, client, tmp_path, undisturbed):
    with start_client(tmp_path) as process:
        children, shown = read_until(process, choose_count(number))
        os.kill(process.pid, signal.SIGKILL)
        shown += [line.split(" ", 1)[1] for line in process.stdout.read().splitlines()]
        wait_until(lambda: not any(map(is_there, children)), limit_s=5)
    check_rest(tmp_path, client, shown, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("number", list_moments(1))
def test_ctrl_c_is_quiet(number, client, tmp_path, undisturbed):
    with start_client(tmp_path) as process:
        children, shown = read_until(process, choose_count(number))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        assert process.wait(30) == 3
        # `communicate` would drop the lines that `readline` has buffered.
        rest, noise = process.stdout.read(), process.stderr.read()
        assert noise == ""
        wait_until(lambda: not any(map(is_there, children)), limit_s=5)
    shown += [line.split(" ", 1)[1] for line in rest.splitlines()]
    check_rest(tmp_path, client, shown, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("number", list_moments(1))
def test_a_lost_scheduler_fails_no_cell(number, client, tmp_path, undisturbed):
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    file = tmp_path / "scheduler.json"
    program = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard", "--no-nanny"]
    worker += ["--memory-limit", "0", "--host", "127.0.0.1", "--death-timeout", "5"]
    variables = os.environ | {"PYTHONPATH": f"{HERE.parent}:{HERE}"}
    shown = []

    def kill(key):
        shown.append(key)
        if len(shown) == choose_count(number):
            scheduler.kill()

    with (
        subprocess.Popen([*program, "--no-dashboard", "--scheduler-file", file], **options) as scheduler,
        subprocess.Popen([*worker, "--scheduler-file", file], env=variables, **options) as only,
    ):
        try:
            wait_until(file.exists)
            with distributed.Client(scheduler_file=str(file), set_as_default=False) as other:
                other.wait_for_workers(1)
                with pytest.raises(ConnectionError, match=r"the scheduler at tcp://127.0.0.1:.* is gone"):
                    run_toy(tmp_path / "study.sqlite", other, N_CELLS, Toy(tmp_path / "log", 0.02), kill)
        finally:
            scheduler.kill()
            only.kill()
    check_rest(tmp_path, client, shown, undisturbed)


def kill_all(client):
    for process_id in client.run(os.getpid).values():
        os.kill(process_id, signal.SIGKILL)


@pytest.mark.filterwarnings("error:client. no worker is ready")
def test_a_worker_that_starts_slowly_after_its_loss_is_waited_for():
    """By itself, dask gives it 15 s, counted from an earlier loss too, and starts no other one: here 10 ms."""
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "10ms"}),
        distributed.LocalCluster(n_workers=1, silence_logs=logging.CRITICAL, **LOCAL) as cluster,
        distributed.Client(cluster, set_as_default=False) as only,
    ):
        shared = share(only, make_square, [4, 5, 6], n_in_flight=1)
        assert next(shared) == (4, 16)
        kill_all(only)
        assert list(shared) == [(5, 25), (6, 36)]
        assert dask.config.get("distributed.deploy.lost-worker-timeout") == "10ms"


def test_a_worker_that_dies_at_the_end_is_no_error():
    with (
        distributed.LocalCluster(n_workers=1, silence_logs=logging.CRITICAL, **LOCAL) as cluster,
        distributed.Client(cluster, set_as_default=False) as only,
    ):
        shared = share(only, make_square, [4])
        assert next(shared) == (4, 16)
        kill_all(only)
        assert next(shared, None) is None


def test_waiting_for_a_worker_is_not_mute(monkeypatch):
    """A job in a queue may start hours later: the call goes on when it does."""
    notices = []

    def notice(message):
        notices.append(message)
        cluster.scale(1)

    monkeypatch.setattr("tlkit.cpu.cluster._QUIET_S", 0.2)
    monkeypatch.setattr("tlkit.cpu.cluster.warn", notice)
    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": "60s"}),  # without a notice, the test ends too
        distributed.LocalCluster(n_workers=0, silence_logs=logging.CRITICAL, **LOCAL) as cluster,
        distributed.Client(cluster, set_as_default=False) as empty,
    ):
        assert sorted(share(empty, make_square, [4, 5])) == [(4, 16), (5, 25)]
    advice = "see the queue and the workers' logs; Ctrl-C keeps what is finished"
    assert set(notices) == {f"client: no worker is ready, and 2 tasks wait until one is: {advice}"}


def test_a_limit_of_the_scheduler_ends_the_wait_and_fails_no_item():
    with (
        dask.config.set({"distributed.scheduler.no-workers-timeout": "10ms"}),
        distributed.LocalCluster(n_workers=0, silence_logs=logging.CRITICAL, **LOCAL) as cluster,
        distributed.Client(cluster, set_as_default=False) as empty,
        pytest.raises(ConnectionError, match="client: no worker came within the scheduler's no-workers-timeout"),
    ):
        list(share(empty, make_square, [4, 5]))


def lack(cell):
    return SourceError("images: 'own': can't be loaded on the machine node7")


def fail():
    raise FileNotFoundError("no such folder")


def test_a_worker_that_lacks_the_pictures_is_named_and_no_cell_fails(client):
    with pytest.raises(RuntimeError, match=r"client: the worker tcp://.* can't do this work: images: 'own': can't be"):
        list(run_on_client(lack, list_cells(3), client=client))
    with pytest.raises(RuntimeError, match=r"client: the worker tcp://.* can't do this work: no such folder"):
        list(share(client, fail, [1]))


def make_square():
    def square(number):
        if number == 3:
            raise ValueError("three")
        return number**2

    return square


def test_items_are_bounded_and_an_error_is_one_of_the_results(client):
    taken = []

    def count():
        for number in range(100):
            taken.append(number)
            yield number

    shared = share(client, make_square, count(), n_in_flight=10)
    first = [next(shared)]
    assert len(taken) == 10
    results = dict([*first, *shared])
    assert {number: str(result) for number, result in results.items()} == {
        number: "three" if number == 3 else str(number**2) for number in range(100)
    }
    with pytest.raises(TypeError, match=r"client: a str, expected a distributed\.Client"):
        next(share("tcp://127.0.0.1:8786", make_square, [1]))
