"""A page in a headless Chromium or Chrome of this machine, to evaluate JavaScript in it."""

import contextlib
import json
import os
import select
import shutil
import signal
import tempfile
import time

try:
    import fcntl
except ImportError:  # Windows, whose processes inherit no pipes by number
    fcntl = None

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)  # macOS
_SETTINGS = ("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-extensions", "--disable-gpu")
_START_S, _ANSWER_S = 20, 120
_LOADED = "window.tlkit ? window.tlkit.failed || 'ready' : ''"


def find_browser():
    """Return the path of a browser, or None."""
    return next(filter(None, map(shutil.which, (*_NAMES, *_PLACES))), None)


@contextlib.contextmanager
def open_page(path):
    """Yield (function that evaluates JavaScript in the page of a path, name of the browser); OSError without one."""
    browser = find_browser()
    if browser is None or fcntl is None:
        raise OSError("no browser that can be started")
    with tempfile.TemporaryDirectory(prefix="tlkit-", ignore_cleanup_errors=True) as profile:
        pipe = _Pipe(browser, profile)
        try:
            name = pipe.call("Browser.getVersion", _START_S)["product"]
            target = pipe.call("Target.createTarget", _START_S, url=path.absolute().as_uri())["targetId"]
            session = pipe.call("Target.attachToTarget", _START_S, targetId=target, flatten=True)["sessionId"]

            def evaluate(text):
                settings = {"expression": text, "awaitPromise": True, "returnByValue": True}
                found = pipe.call("Runtime.evaluate", _ANSWER_S, session, **settings)
                if "exceptionDetails" in found:
                    raise ValueError(f"kind: the page fails in {name}: {found['exceptionDetails']['exception']}")
                return found["result"].get("value")

            end = time.monotonic() + _ANSWER_S
            while not (state := evaluate(_LOADED)) and time.monotonic() < end:
                time.sleep(0.05)
            if state != "ready":
                raise ValueError(f"kind: the page can't be loaded in {name}: {state or 'no answer'}")
            yield evaluate, name
        finally:
            pipe.close()


class _Pipe:
    """A browser that takes commands of the DevTools protocol by its descriptor 3 and answers by 4."""

    def __init__(self, browser, profile):
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()
        command = [browser, *_SETTINGS, f"--user-data-dir={profile}"]
        command += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to start as root with it
        # Copies far above 3 and 4 can't be in the way of each other.
        copies = [fcntl.fcntl(own, fcntl.F_DUPFD_CLOEXEC, 10) for own in (theirs_in, theirs_out)]
        actions = [(os.POSIX_SPAWN_DUP2, copy, number) for copy, number in zip(copies, (3, 4), strict=True)]
        actions += [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
        self._process_id = os.posix_spawn(browser, command, os.environ, file_actions=actions)
        for own in (theirs_in, theirs_out, *copies):
            os.close(own)
        self._received, self._number = b"", 0

    def call(self, method, timeout_s, session=None, **settings):
        """Return the result of a command; OSError if the browser ends or doesn't answer in time."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": settings} | (
            {"sessionId": session} if session else {}
        )
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._out, content) :]
        end = time.monotonic() + timeout_s
        while True:
            *messages, self._received = self._received.split(b"\0")
            for answer in map(json.loads, messages):
                if answer.get("id") == self._number:
                    return answer.get("result", {})
            if not select.select([self._in], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"the browser doesn't answer {method}")
            if not (more := os.read(self._in, 1 << 20)):
                raise ConnectionError("the browser ended")
            self._received += more

    def close(self):
        """End the browser."""
        os.close(self._out)
        os.close(self._in)
        os.kill(self._process_id, signal.SIGKILL)
        os.waitpid(self._process_id, 0)
