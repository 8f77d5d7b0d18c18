"""The exported web page: its parts, its graph, and the browser that checks it."""

import gzip
import hashlib
import json
import os
import re
from importlib.resources import files

import numpy as np
import pytest
from made_networks import make_tiny_backbone
from made_pictures import encode, make_picture, write_classes
from PIL import Image

import tlkit as tl
from tlkit.export import web_page
from tlkit.images.decode import decode_picture

TUNED = tl.Strategy([tl.Phase(["all"], 1, 1e-3)])
DATA = files("tlkit.export") / "data"
CLASSES = {"a cat </script><b>": 6, "dog & @MODEL@": 6}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return (run, folder of its export, facts), checked without a browser."""
    folder = tmp_path_factory.mktemp("web")
    names = dict(zip(("cat", "dog"), CLASSES, strict=True))
    images = tl.load_images(write_classes(folder / "pets", {"cat": 6, "dog": 6}))
    run = tl.transfer(make_tiny_backbone(), images, TUNED, progress=False)
    run.classes = [names[name] for name in run.classes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web_page, "find_browser", lambda: None)
        facts = run.export(folder / "page", "web", images)
    return run, folder / "page", facts


def read_part(page, name):
    (text,) = re.findall(f'id="{name}">(.*?)</script>', page, re.S)
    return text


def test_without_a_browser_the_graph_of_the_page_is_checked(exported):
    _, folder, facts = exported
    assert facts["checked_in"].startswith("onnxruntime ") and "no browser" in facts["checked_in"]
    assert facts["n_checked"] == 50 and facts["n_disagreements"] == 0 and facts["largest_difference"] < 0.01
    content = (folder / "index.html").read_bytes()
    assert facts["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_page_is_one_file_with_runtime_licence_classes_and_card(exported):
    run, folder, _ = exported
    page = (folder / "index.html").read_text(encoding="utf-8")
    facts = json.loads(read_part(page, "facts"))
    assert facts["classes"] == run.classes == list(CLASSES)
    card, hash_of_it = (folder / "README.md").read_text(encoding="utf-8").split("<!-- SHA-256 of all above")
    assert facts["card"] == card and hash_of_it.count("\n") == 1
    assert (DATA / "onnxruntime-LICENSE.txt").read_text(encoding="utf-8").strip() in page
    assert page.count("<script") == 5 and "@SCRIPT@" not in page
    assert re.findall(r'(?:src|href)="?http', page) == []


def test_the_script_stays_small():
    assert len((DATA / "page.js").read_bytes()) < 30_000


def test_the_vendored_files_are_the_published_ones():
    note = (DATA / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"\| (ort\S+) \| ([0-9a-f]{64}) \|", note))
    assert len(listed) == 2
    for name, digest in listed.items():
        assert hashlib.sha256(gzip.decompress((DATA / f"{name}.gz").read_bytes())).hexdigest() == digest
    assert "1.30.0" in note and "1.30.0" in (DATA / "page.html").read_text(encoding="utf-8")


def test_pictures_go_to_the_browser_as_files_unless_it_reads_them_otherwise():
    jpeg, tiff = encode(make_picture(0), "JPEG"), encode(make_picture(1), "TIFF")
    deep = encode(Image.fromarray(np.full((9, 9), 30_000, np.uint16)), "PNG")
    same, *made = [web_page._read_file(_Set([content]), 0) for content in (jpeg, tiff, deep)]
    assert same == jpeg
    assert [content[:4] for content in made] == [b"\x89PNG"] * 2 and made[1][24] == 8


class _Set:
    """A set of pictures by their bytes."""

    def __init__(self, contents):
        self.pictures = [type("File", (), {"read_bytes": lambda _, content=content: content})() for content in contents]

    def __len__(self):
        return len(self.pictures)

    def read(self, index):
        return decode_picture(self.pictures[index].read_bytes())


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for a browser is a shell script")
def test_a_browser_that_does_not_start_counts_as_none_and_a_page_that_fails_does_not(tmp_path, monkeypatch):
    images, stand_in = _Set([encode(make_picture(0))]), tmp_path / "browser"

    def ask(*lines):
        stand_in.write_text("\n".join(["#!/bin/sh", *(f"echo '{line}' >&2" for line in lines)]))
        stand_in.chmod(0o755)
        return web_page._ask(str(stand_in), '<script type="module">', images)

    name, answer = (
        'INFO:CONSOLE "tlkit:{"browser": "Chrome/1"}:tlkit"',
        '"tlkit:{"values": [0.25, 0.75]}:tlkit", source: x',
    )
    assert ask("no sandbox") == []
    assert ask("noise", name, answer, "noise") == [{"browser": "Chrome/1"}, {"values": [0.25, 0.75]}]
    monkeypatch.setattr(web_page, "_START_S", 0.2)
    stand_in.write_text("#!/bin/sh\nexec sleep 100")
    assert web_page._ask(str(stand_in), "", images) == []
    with pytest.raises(ValueError, match=r"the page fails in .*browser \(no answer\)"):
        ask(name, "Aw, snap")
    with pytest.raises(ValueError, match=r"the page fails in .*browser \(out of memory\)"):
        ask(name, '"tlkit:{"failed": "out of memory"}:tlkit"')
