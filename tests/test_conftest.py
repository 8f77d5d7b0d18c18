"""The safeguards of the test run itself: no network, a throw-away cache, no silent skip of the browser."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).parent
N_CORES = os.cpu_count() or 1


def test_a_name_on_the_network_is_refused():
    with pytest.raises(OSError, match="without a network"):
        urllib.request.urlopen("http://example.org", timeout=1)


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_an_address_on_the_network_is_refused(method):
    with socket.socket() as client, pytest.raises(OSError, match="without a network"):
        client.settimeout(1)
        getattr(client, method)(("192.0.2.1", 80))


def test_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.settimeout(10)
        client.connect(("localhost", server.getsockname()[1]))
        connection, address = server.accept()
        connection.close()
        assert address == client.getsockname()


def test_the_cache_is_a_temporary_folder():
    assert Path(os.environ["TLKIT_CACHE_DIR"]).parent == Path(tempfile.gettempdir())


@pytest.mark.parametrize(
    ("n_workers", "already", "expected"),
    [(None, None, None), (1, None, N_CORES), (2 * N_CORES, None, 1), (2, "7", "7")],
)
def test_programs_that_tests_start_share_the_cores(n_workers, already, expected, monkeypatch, request):
    for name, value in {"PYTEST_XDIST_WORKER_COUNT": n_workers, "OMP_NUM_THREADS": already}.items():
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, str(value))
    request.config.pluginmanager.get_plugin(str(HERE / "conftest.py"))._share_cores(monkeypatch)
    assert os.environ.get("OMP_NUM_THREADS") == (expected and str(expected))


def test_workers_of_a_run_share_the_cores():
    if "PYTEST_XDIST_WORKER_COUNT" not in os.environ:
        pytest.skip("needs a run of several files at a time")
    assert 1 <= int(os.environ["OMP_NUM_THREADS"]) <= N_CORES


@pytest.fixture
def run_browser_tests(tmp_path):
    """A function that runs two skipping browser tests in a project of their own and returns the outcome."""
    (tmp_path / "tests" / "browser").mkdir(parents=True)
    shutil.copy(HERE / "conftest.py", tmp_path / "tests")
    shutil.copy(HERE.parent / "pyproject.toml", tmp_path)
    mark = "import pytest\npytestmark = pytest.mark.browser\n"
    skip_later = "@pytest.fixture\ndef page():\n    pytest.skip('no browser here')\ndef test_it(page):\n    pass\n"
    skip_at_once = "pytest.importorskip('there_is_no_such_module')\ndef test_it():\n    pass\n"
    (tmp_path / "tests" / "browser" / "test_later.py").write_text(mark + skip_later)
    (tmp_path / "tests" / "browser" / "test_at_once.py").write_text(mark + skip_at_once)

    def run(*arguments, **variables):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=os.environ | variables, capture_output=True, text=True)

    return run


@pytest.mark.slow
def test_browser_tests_are_left_alone_unless_asked_for(run_browser_tests):
    done = run_browser_tests("tests")
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "skipped" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("test", ["test_later.py", "test_at_once.py"])
def test_a_skipped_browser_test_fails_where_the_browser_has_to_be(run_browser_tests, test):
    path = f"tests/browser/{test}"
    optional = run_browser_tests(path, "-m", "browser", TLKIT_BROWSER_REQUIRED="0")
    assert "skipped" in optional.stdout and "failed" not in optional.stdout
    required = run_browser_tests(path, "-m", "browser", TLKIT_BROWSER_REQUIRED="1")
    assert required.returncode != 0
    assert "TLKIT_BROWSER_REQUIRED=1, but this browser test was skipped" in required.stdout


@pytest.mark.slow
def test_a_run_ends_and_names_the_test_in_which_a_worker_died(tmp_path):
    shutil.copy(HERE.parent / "pyproject.toml", tmp_path)
    (tmp_path / "tests").mkdir()
    for number in range(12):
        (tmp_path / "tests" / f"test_{number:02}.py").write_text("def test_alone():\n    pass\n")
    die = "import os\n\ndef test_first():\n    pass\n\ndef test_it_dies():\n    os.kill(os.getpid(), 9)\n\n"
    (tmp_path / "tests" / "test_02.py").write_text(f"{die}def test_last():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-n2", "--dist=loadfile", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "crashed while running 'tests/test_02.py::test_it_dies'" in done.stdout


def test_the_files_that_are_begun_in_time_are_there(request):
    longest = request.config.pluginmanager.get_plugin(str(HERE / "conftest.py")).LONGEST
    there = {path.name for path in [*HERE.rglob("test_*.py"), *(HERE.parent / "notebooks").glob("*.ipynb")]}
    assert set(longest) <= there and len(set(longest)) == len(longest)
