"""A real JupyterLab on loopback and a real Chromium looking at it."""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import expect

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PATIENCE_MS = 90_000

_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# As `start.py` opens it: no news, and widgets are saved with the notebook.
_USUAL = {
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
}

# Words of JupyterLab's own console on a kernel or page that it has just lost, because a test took it away.
_OF_A_LOST_KERNEL = re.compile("WebSocket|404|Canceled future for .* before replies were done")


def find_chromium():
    """Return the path of Chromium, or None."""
    usual = "/usr/bin/chromium"
    return shutil.which("chromium") or (usual if os.path.exists(usual) else None)


class Lab:
    """JupyterLab with one notebook open in it.

    `page` is Playwright's; `errors` collects the complaints of the browser's console and scripts.
    """

    def __init__(self, page, end_kernels):
        self.page, self.errors, self._end_kernels = page, [], end_kernels
        self._n_before = None  # errors before the test first took away a kernel or page
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text[:300]))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _take_away(self):
        """Note how many errors there are before the kernel or page first goes away."""
        if self._n_before is None:
            self._n_before = len(self.errors)

    @property
    def own_errors(self):
        """The errors without JupyterLab's own words on a kernel or page, once the test has taken one away."""
        n = len(self.errors) if self._n_before is None else self._n_before
        return self.errors[:n] + [error for error in self.errors[n:] if not _OF_A_LOST_KERNEL.search(error)]

    @property
    def cells(self):
        """All code cells, as a Playwright locator."""
        return self.page.locator(".jp-NotebookPanel:visible .jp-CodeCell")

    def output(self, number):
        """Return the output of code cell `number`, counted from 0, as a locator."""
        return self.cells.nth(number).locator(".jp-OutputArea-output")

    def start_all(self):
        """Run every cell."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    def run_all(self):
        """Run every cell and wait until the last has its number."""
        self.start_all()
        self.wait_for_run(self.cells.count() - 1)

    def run_cell(self, number):
        """Run one code cell and wait until it has its number."""
        self.cells.nth(number).locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Control+Enter")
        self.wait_for_run(number)

    def save(self):
        """Save the notebook and wait until the server has it."""
        with self.page.expect_response(lambda answer: answer.request.method == "PUT" and ".ipynb" in answer.url):
            self.page.get_by_role("button", name="Save and create checkpoint").click()

    def reload(self):
        """Save the notebook and load the page again; the kernel goes on."""
        self.save()
        self._take_away()
        self.page.reload()
        self.wait_for_kernel("Idle|Busy")

    def reopen(self):
        """Save the notebook, close it and end its kernel, and open it with a new one, as on the next day."""
        self.save()
        self._take_away()
        address = self.page.url
        self.page.goto("about:blank")
        self._end_kernels()
        self.page.goto(address)
        self.wait_for_kernel()

    def restart_kernel(self):
        """Restart the kernel, also if it is busy."""
        self._take_away()
        self.page.get_by_role("menuitem", name="Kernel", exact=True).click()
        self.page.get_by_role("menuitem", name="Restart Kernel…").first.click()
        self.page.get_by_role("button", name="Confirm Kernel Restart").click()
        self.wait_for_kernel()

    def wait_for_kernel(self, states="Idle"):
        """Wait until the kernel is there, in one of some states."""
        name = re.compile(rf"^Python 3 \(ipykernel\) \| ({states})")
        expect(self.page.get_by_role("button", name=name)).to_be_visible()

    def predict(self, number, option):
        """Put all chips of the prediction in code cell `number` on one option, and keep it."""
        output = self.output(number)
        output.get_by_role("spinbutton", name=option, exact=True).press("End")
        output.get_by_role("button", name="Keep my prediction").click()
        expect(output.get_by_role("status").first).to_contain_text("Your prediction is kept")

    def wait_for_run(self, number):
        """Wait until code cell `number` shows how many runs came before it, which it does when it is done."""
        prompt = self.cells.nth(number).locator(".jp-InputPrompt")
        expect(prompt).not_to_have_text("[ ]:")
        expect(prompt).not_to_have_text("[*]:")


class Lobby:
    """JupyterLab with one set of settings, and a Chromium that shows it, for as many notebooks as come.

    Starting both takes longer than most tests. Each notebook has a folder, a page and a kernel of its own.

    Parameters
    ----------
    folder : Path
        Empty; the server's files and settings go there.
    settings : dict
        Of JupyterLab, such as {"@jupyterlab/apputils-extension/kernels-settings": {…}}.
    playwright : Playwright
    """

    def __init__(self, folder, settings, playwright):
        self.folder, self.root = folder, folder / "root"
        self.root.mkdir()
        for name, values in {**_USUAL, **settings}.items():
            path = folder / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        expect.set_options(timeout=PATIENCE_MS)
        with contextlib.ExitStack() as stack:
            self.address = stack.enter_context(_serve(folder, self.root))
            self.context = playwright.chromium.launch_persistent_context(
                str(folder / "chromium"),
                executable_path=find_chromium(),
                args=_FLAGS,
                viewport={"width": 1400, "height": 1300},
            )
            stack.callback(self.context.close)
            self.context.set_default_timeout(PATIENCE_MS)
            self.close = stack.pop_all().close

    @contextlib.contextmanager
    def open(self, notebook):
        """Open a copy of a notebook, so that the original is never saved over; yields a `Lab`."""
        folder = Path(tempfile.mkdtemp(dir=self.root))
        shutil.copy(notebook, folder)
        lab = Lab(self.context.new_page(), self._end_kernels)
        try:
            lab.page.goto(self.address.format(path=f"doc/tree/{folder.name}/{notebook.name}"))
            lab.wait_for_kernel()
            yield lab
        finally:
            lab.page.close()
            self._end_kernels()

    def _end_kernels(self):
        """End the kernels of notebooks that are closed, which would keep their memory."""
        for session in json.loads(self._request("api/sessions")):
            self._request(f"api/sessions/{session['id']}", "DELETE")

    def _request(self, path, method="GET"):
        """Return the server's answer."""
        request = urllib.request.Request(self.address.format(path=path), method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_MS / 1000) as response:
            return response.read()


@contextlib.contextmanager
def _serve(folder, root):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    own = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    own |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "spaces")}
    # The kernel finds the kit and the tests' made-up comparisons, also where the kit is not installed.
    own["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), str(HERE.parent)])
    arguments = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={root}",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    log = folder / "server.log"
    with open(log, "w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *arguments],
            env=os.environ | own,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        base = f"http://127.0.0.1:{port}"
        _wait_for(f"{base}/api?token={token}", server, log)
        yield f"{base}/{{path}}?token={token}&reset"
    finally:
        # Asked politely the server ends its kernels first; this is its own process and no other's.
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(address, server, log):
    deadline_s = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline_s and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(address, timeout=5).close()
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.1)  # a server that ends now is noticed at once
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")
