"""A run as one HTML file: the graph, the runtime for browsers, and the card; it needs no server."""

import base64
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from importlib.resources import files
from pathlib import Path

import numpy as np

from tlkit.export.onnx_graph import halve_weights, make_graph, run_graph
from tlkit.images.formats import find_format

MODEL = "index.html"
_SLOT = re.compile("@([A-Z]+)@")
_READ_BY_BROWSERS = {"JPEG", "PNG", "WEBP", "GIF", "BMP"}
_BROWSERS = ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "chrome", "microsoft-edge")
_BROWSERS += ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)
_FLAGS = ("--headless=new", "--disable-gpu", "--disable-extensions", "--no-first-run", "--enable-logging=stderr")
_START_S, _PATIENCE_S = 45, 180  # one in a sandbox of its own, such as a snap, may never see the file
_ANSWER = re.compile("tlkit:(.*):tlkit")  # in the browser's log


def write_model(run, folder):
    """Write index.html, still without the card, into a folder; return facts for export.json."""
    data = files("tlkit.export") / "data"
    threshold = run.rejection.find_threshold() if run.rejection else -np.inf
    facts = {"classes": list(run.classes), "card": "", "threshold": threshold if np.isfinite(threshold) else None}
    graph = gzip.compress(halve_weights(make_graph(run)).SerializeToString(), mtime=0)
    slots = {
        "STYLE": (data / "page.css").read_text(encoding="utf-8"),
        "LICENCE": (data / "onnxruntime-LICENSE.txt").read_text(encoding="utf-8"),
        "FACTS": _embed(facts),
        "RUNTIME": base64.b64encode((data / "ort.wasm.bundle.min.mjs.gz").read_bytes()).decode(),
        "WASM": base64.b64encode((data / "ort-wasm-simd-threaded.wasm.gz").read_bytes()).decode(),
        "MODEL": base64.b64encode(graph).decode(),
        "SCRIPT": (data / "page.js").read_text(encoding="utf-8"),
    }
    template = (data / "page.html").read_text(encoding="utf-8")
    (folder / MODEL).write_text(_SLOT.sub(lambda found: slots[found[1]], template), encoding="utf-8")
    return {"model": MODEL}


def _embed(facts):
    """Return facts as JSON that can't end the element around it."""
    return json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")


def add_card(folder, facts, text):
    """Put the text of the card into index.html."""
    path = folder / facts["model"]
    head, embedded, rest = re.split(r'(?<=id="facts">)(.*?)(?=</script>)', path.read_text(encoding="utf-8"), maxsplit=1)
    path.write_text(head + _embed(json.loads(embedded) | {"card": text}) + rest, encoding="utf-8")


def predict(folder, facts, images):
    """Return what the page computes in a browser (n, n_outputs), or its graph in onnxruntime, and the runtime."""
    page = (folder / facts["model"]).read_text(encoding="utf-8")
    if (browser := find_browser()) and (answers := _ask(browser, page, images)):
        return np.array([answer["values"] for answer in answers[1:]]), f"{answers[0]['browser']}, the page itself"
    (packed,) = re.findall(r'id="model">(.*?)</script>', page)
    values, runtime = run_graph(gzip.decompress(base64.b64decode(packed)), images)
    return values, f"{runtime}, the graph of the page; no browser was found"


def find_browser():
    """Return the path of Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, _BROWSERS)), None)


def _ask(browser, page, images):
    """Return the browser's answers, its name first, about pictures in a copy of the page; [] if it doesn't start."""
    texts = [base64.b64encode(_read_file(images, index)).decode() for index in range(len(images))]
    check = f'<script type="application/json" id="check">{json.dumps(texts)}</script>\n<script type="module">'
    flags = [*_FLAGS, *(["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else [])]  # root has no sandbox
    answers = []
    with tempfile.TemporaryDirectory(prefix="tlkit-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, MODEL)
        path.write_text(page.replace('<script type="module">', check), encoding="utf-8")
        command = [browser, *flags, f"--user-data-dir={folder}", path.as_uri()]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            timers = [threading.Timer(limit_s, process.kill) for limit_s in (_START_S, _PATIENCE_S)]
            for timer in timers:
                timer.start()
            try:
                while len(answers) <= len(images) and (line := process.stderr.readline()):
                    if found := _ANSWER.findall(line.decode(errors="replace")):
                        timers[0].cancel()
                        answers += map(json.loads, found)
            finally:
                for timer in timers:
                    timer.cancel()
                process.kill()
    if answers and (len(answers) <= len(images) or "failed" in answers[-1]):
        raise ValueError(f"kind: the page fails in {browser} ({answers[-1].get('failed', 'no answer')}): report it")
    return answers


def _read_file(images, index):
    """Return the bytes of a picture of an `ImageSet`: its file if browsers read the format, else the pixels as PNG."""
    content = images.pictures[index].read_bytes()
    kind = find_format(content)
    if kind in _READ_BY_BROWSERS and not (kind == "PNG" and content[24] == 16):
        return content
    made = io.BytesIO()
    images.read(index).save(made, "PNG")
    return made.getvalue()
