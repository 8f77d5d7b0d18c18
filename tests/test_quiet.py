"""tlkit looks up nothing on the network, and writes nothing into the home folder but its cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Python runs a module of this name when it starts, also in each process that the first one starts.
SPY = """
import os, socket
def note(name, function):
    def noted(*arguments, **keywords):
        family = getattr(arguments[0], "family", None)
        if family in (None, socket.AF_INET, socket.AF_INET6):
            with open(os.environ["NOTES"], "a") as file:
                print(name, *arguments[family is not None :], file=file)
            raise OSError("no network")
        return function(*arguments, **keywords)
    return noted
for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
    setattr(socket, name, note(name, getattr(socket, name)))
for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, note(name, getattr(socket.socket, name)))
"""
FIRST_USE = """
import contextlib, pathlib, sys
import tlkit as tl, tlkit.cli
sys.argv = ["tlkit", "doctor"]
with contextlib.suppress(SystemExit):
    tlkit.cli.main()
images = tl.load_images("styles", domain="clipart").few(1)
features = tl.extract_features(tl.load_backbone(image_size_px=32), images, engine="openvino", progress=False)
tl.fit_head(features)
phase = tl.Phase(["head"], 1, 1e-2)
tl.transfer(tl.load_backbone("resnet18", weights=None, image_size_px=32), images, tl.Strategy([phase]), progress=False)
import openvino.tools.ovc
from tlkit.export import onnx_graph
onnx_graph.import_onnx()  # onnxruntime reports from code that the spy doesn't see, but its id lies at home
from tlkit.storage import cache_folder
print(sys.modules["openvino_telemetry"], cache_folder().relative_to(pathlib.Path.home()).as_posix(), sep="\\n")
"""


def use_alone(code, tmp_path):
    """Run code in a fresh Python with an empty home folder; return its notes of the network and its new files."""
    (tmp_path / "spy").mkdir()
    (tmp_path / "spy" / "sitecustomize.py").write_text(SPY)
    home, notes = tmp_path / "home", tmp_path / "notes.txt"
    home.mkdir()
    notes.touch()
    ours = {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home / "cache"), "NOTES": str(notes)}
    ours["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "spy"), str(ROOT)])
    settings = ("CI", "TLKIT_", "XDG_", "MPL", "OMP_NUM", "TORCH_HOME", "HF_", "JUPYTER", "IPYTHON", "ORT_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings)}
    done = subprocess.run([sys.executable, "-c", code], env=kept | ours, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    files = [path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()]
    return notes.read_text().splitlines(), files, done.stdout


@pytest.mark.slow
def test_from_import_to_training_nothing_is_looked_up_and_only_the_cache_is_written(tmp_path):
    notes, files, out = use_alone(FIRST_USE, tmp_path)
    *_, telemetry, cache = out.splitlines()
    assert notes == []
    assert telemetry == "None", "OpenVINO's part that sends reports is out of reach"
    assert files and all(file.startswith(f"{cache}/") for file in files), files


def test_the_spy_sees_a_look_up_in_another_process(tmp_path):
    look_up = (
        "import urllib.request as r, contextlib\nwith contextlib.suppress(OSError): r.urlopen('http://example.org')"
    )
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {look_up!r}], check=True)"
    notes, files, _ = use_alone(code, tmp_path)
    assert "example.org" in " ".join(notes) and files == []
