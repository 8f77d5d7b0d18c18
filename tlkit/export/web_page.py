"""A run as one HTML file: the graph, the runtime of the browser, and the card; it needs no server."""

import base64
import contextlib
import gzip
import io
import json
import re
from importlib.resources import files

import numpy as np

from tlkit.export.browser import open_page
from tlkit.export.onnx_graph import halve_weights, make_graph, run_graph
from tlkit.images.formats import find_format

MODEL = "index.html"
_READ_BY_BROWSERS = {"JPEG", "PNG", "WEBP", "GIF", "BMP"}
_SLOT = re.compile("@([A-Z]+)@")


def write_model(run, folder):
    """Write index.html, still without the card, into a folder; return facts for export.json."""
    data = files("tlkit.export") / "data"
    threshold = run.rejection.find_threshold() if run.rejection else -np.inf
    facts = {"classes": list(run.classes), "card": "", "threshold": threshold if np.isfinite(threshold) else None}
    slots = {
        "STYLE": (data / "page.css").read_text(encoding="utf-8"),
        "LICENCE": (data / "onnxruntime-LICENSE.txt").read_text(encoding="utf-8"),
        "FACTS": _embed(facts),
        "RUNTIME": base64.b64encode((data / "ort.wasm.bundle.min.mjs.gz").read_bytes()).decode(),
        "WASM": base64.b64encode((data / "ort-wasm-simd-threaded.wasm.gz").read_bytes()).decode(),
        "MODEL": base64.b64encode(gzip.compress(halve_weights(make_graph(run)).SerializeToString(), mtime=0)).decode(),
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
    page = path.read_text(encoding="utf-8")
    (head, embedded, rest) = re.split(r'(?<=id="facts">)(.*?)(?=</script>)', page, maxsplit=1)
    path.write_text(head + _embed(json.loads(embedded) | {"card": text}) + rest, encoding="utf-8")


def open_model(folder, facts):
    """Return (predict, runtime): the page in a browser, or its graph in onnxruntime if no browser can be started."""
    path, stack = folder / facts["model"], contextlib.ExitStack()
    try:
        evaluate, browser = stack.enter_context(open_page(path))
    except OSError:
        (packed,) = re.findall(r'id="model">(.*?)</script>', path.read_text(encoding="utf-8"))
        predict, runtime = run_graph(gzip.decompress(base64.b64decode(packed)))
        return predict, f"{runtime}, the graph of the page; no browser was found"

    def predict(images):
        with stack:
            return np.array([_ask(evaluate, _read_file(images, index)) for index in range(len(images))])

    return predict, f"{browser}, the page itself"


def _ask(evaluate, content):
    """Return the probabilities (n_classes,), perhaps with familiarity, that a page gives for the bytes of a picture."""
    text = base64.b64encode(content).decode()
    blob = f'new Blob([Uint8Array.from(atob("{text}"), (letter) => letter.charCodeAt(0))])'
    return evaluate(f"tlkit.predict({blob}).then((found) => [...found.probabilities, found.familiarity ?? []].flat())")


def _read_file(images, index):
    """Return the bytes of a picture of an `ImageSet`: its file if browsers read the format, else the pixels as PNG."""
    content = images.pictures[index].read_bytes()
    kind = find_format(content)
    if kind in _READ_BY_BROWSERS and not (kind == "PNG" and content[24] == 16):
        return content
    made = io.BytesIO()
    images.read(index).save(made, "PNG")
    return made.getvalue()
