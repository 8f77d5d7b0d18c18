"""The browser tests' lab, and the marker that keeps them out of the other tests."""

import contextlib
import json
from pathlib import Path

import pytest
from made_notebooks import write_notebook

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def real_playwright():
    """Return Playwright, which a process starts only once; skips if there is no browser for it."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'")
    import driver

    if driver.find_chromium() is None:
        pytest.skip("needs Chromium; on Debian: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def open_lab(real_playwright, tmp_path_factory):
    """Return a context manager that opens a notebook.

    Notebooks with the same settings share a server and a browser.
    """
    import driver

    lobbies = {}
    with contextlib.ExitStack() as stack:

        def open_in_lobby(notebook, settings=None):
            key = json.dumps(settings)
            if key not in lobbies:
                lobbies[key] = driver.Lobby(tmp_path_factory.mktemp("lab"), settings or {}, real_playwright)
                stack.callback(lobbies[key].close)
            return lobbies[key].open(notebook)

        yield open_in_lobby


@pytest.fixture(scope="module", params=["perCommTarget", "disabled"])
def lab(open_lab, tmp_path_factory, request):
    """Open the CELLS of a test's module as a notebook, with and without kernel subshells, and run the first N_RUN."""
    notebook = tmp_path_factory.mktemp("notebook") / "explorer.ipynb"
    write_notebook(notebook, [cell.strip() for cell in request.module.CELLS])
    settings = {"@jupyterlab/apputils-extension/kernels-settings": {"commsOverSubshells": request.param}}
    with open_lab(notebook, settings) as lab:
        for number in range(request.module.N_RUN):
            lab.run_cell(number)
        yield lab
