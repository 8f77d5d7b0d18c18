"""The built wheel, away from the checkout: pictures, licences and the command are in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
COURSE = ("notebooks", "claims", "cases", "docs", "binder")
DOMAINS = {"photo", "clipart", "emoji", "twemoji", "sketch"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a source distribution, so that neither an old build folder nor the checkout lends it files.

    The source distribution is built from a copy, for the same reason. A release has built both: TLKIT_DIST names them.
    """
    if "TLKIT_DIST" in os.environ:
        (built,) = Path(os.environ["TLKIT_DIST"]).resolve().glob("*.whl")
        return built
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("tlkit", *COURSE):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(source / "dist")]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (source / "dist").glob("*.whl")
    return built


def list_course():
    """Return the files of the course that belong into a wheel."""
    ledger = [path for path in (ROOT / "claims").iterdir() if path.suffix in (".csv", ".py")]
    ledger += (ROOT / "cases").glob("*.py")
    files = [*(ROOT / "notebooks").glob("*.ipynb"), *ledger, ROOT / "docs/glossary.md", ROOT / "binder/overrides.json"]
    return {path.relative_to(ROOT).as_posix() for path in files}


@pytest.fixture(scope="module")
def run_installed(wheel, tmp_path_factory):
    """A function that runs Python code in an empty folder, with only the installed wheel's tlkit in reach."""
    target = tmp_path_factory.mktemp("installed")
    empty = tmp_path_factory.mktemp("empty")
    install = ["-m", "pip", "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run([sys.executable, *install], check=True, capture_output=True)

    def run(code):
        variables = os.environ | {"PYTHONPATH": str(target), "PYTHONWARNINGS": "error"}
        found = f"import json, tlkit; assert tlkit.__file__.startswith({str(target)!r}), tlkit.__file__\n"
        done = subprocess.run(
            [sys.executable, "-c", found + code], cwd=empty, env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert list(empty.iterdir()) == []
        return json.loads(done.stdout)

    return run


def test_the_wheel_holds_the_kit_and_nothing_beside_it(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"tlkit", "tlkit-0.1.0.dist-info"}
    inside = "tlkit/course_files/"
    assert {name.removeprefix(inside) for name in names if name.startswith(inside)} == list_course()
    packaged = {name for name in names if name.startswith("tlkit/") and not name.startswith(inside)}
    checkout = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tlkit").rglob("*") if path.is_file()}
    assert packaged == {name for name in checkout if "__pycache__" not in name}


def test_the_source_distribution_holds_the_course(wheel):
    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert list_course() | {"setup.py", "pyproject.toml", "README.md", "LICENSE", "tlkit/__init__.py"} <= names
    assert not any(name.startswith("tests") for name in names)  # setuptools would add a part of them


def test_the_wheel_states_its_licence_and_its_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        information = {name.split("/", 1)[1]: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(information["METADATA"]).decode())
        commands = archive.read(information["entry_points.txt"]).decode()
        licence = archive.read(information["licenses/LICENSE"]).decode()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"test", "browser", "bench"} <= set(metadata.get_all("Provides-Extra"))
    assert "tlkit = tlkit.cli:main" in commands
    assert "Apache License" in licence and "END OF TERMS AND CONDITIONS" in licence


def test_a_translated_lesson_comes_out_of_the_wheel(run_installed):
    code = """
import tempfile
with tempfile.TemporaryDirectory() as folder:
    path = tlkit.lessons.copy(folder, language="zh")["01"]
    print(json.dumps([path.name, path.read_text("utf-8")]))
"""
    name, text = run_installed(code)
    assert name == "01_why_transfer.zh.ipynb" and "迁移增益" in text


def test_the_bundled_pictures_load_outside_the_checkout(run_installed):
    code = """
images = tlkit.load_images("styles")
photo = tlkit.load_images("styles", domain="photo")
picture, label = photo[0]
print(json.dumps([sorted(set(images.domains)), len(images), picture.mode, picture.size, int(label)]))
"""
    domains, n_pictures, mode, size, label = run_installed(code)
    assert set(domains) == DOMAINS
    assert (n_pictures, mode, size) == (1845, "RGB", [128, 128])
    assert 0 <= label < 14


def test_every_picture_names_its_author_and_its_licence_text_is_there(run_installed):
    code = """
from importlib.resources import files
images = tlkit.load_images("styles")
attribution = images.attribution()
data = files("tlkit") / "images" / "data" / "styles"
texts = {file.name: file.read_text("utf-8") for file in (data / "licences").iterdir()}
print(json.dumps({
    "n_pictures": len(images),
    "columns": list(attribution.columns),
    "n_rows": len(attribution),
    "n_empty": int((attribution[["source", "licence"]].map(str).map(str.strip) == "").sum().sum()),
    "archives": sorted(file.name for file in data.iterdir() if file.name.endswith(".zip")),
    "n_attribution_characters": len((data / "ATTRIBUTION.md").read_text("utf-8")),
    "shortest_text": min(map(len, texts.values())),
    "texts": sorted(texts),
}))
"""
    found = run_installed(code)
    assert {"name", "source", "author", "licence"} <= set(found["columns"])
    assert found["n_rows"] == found["n_pictures"]
    assert found["n_empty"] == 0
    assert found["archives"] == [f"pict4-{domain}.zip" for domain in sorted(DOMAINS)]
    assert found["n_attribution_characters"] > 200
    assert found["shortest_text"] > 50
    for licence in ("GPL-2.0", "GFDL-1.2", "CC-BY-SA-4.0", "CC-BY-4.0", "OFL-1.1", "Apache-2.0"):
        assert f"{licence}.txt" in found["texts"]


def test_an_editable_install_is_found_beside_an_empty_folder_of_its_name(tmp_path):
    """A clone is often called tlkit, and Python is then started in the folder around it."""
    source, site, around = tmp_path / "source", tmp_path / "site", tmp_path / "around"
    (around / "tlkit").mkdir(parents=True)
    (source / "tlkit").mkdir(parents=True)
    (source / "tlkit" / "inner").mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "tlkit" / "__init__.py").write_text("load_images = None\n")
    (source / "tlkit" / "inner" / "__init__.py").touch()
    build = "from setuptools.build_meta import build_editable; print(build_editable('.'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=True)
    zipfile.ZipFile(source / done.stdout.split()[-1]).extractall(site)
    code = f"import site; site.addsitedir({str(site)!r}); import tlkit; tlkit.load_images; print(tlkit.__file__)"
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=around, env=variables, capture_output=True, text=True)
    assert done.stdout.strip() == str(source / "tlkit" / "__init__.py"), done.stderr


def test_the_ledger_of_claims_is_found(run_installed):
    code = "import tlkit as tl; print(json.dumps(tl.claims.table()['n_replications'].min().item()))"
    assert run_installed(code) >= 10


# Without the repository: list the lessons, copy them, open one, and run it as a student would.
STUDENT = """
import nbformat, sys
from nbclient import NotebookClient
from tlkit.cli import main

folder, lesson = sys.argv.pop(), sys.argv.pop()
def call(*words):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, words

import jupyterlab.labapp
jupyterlab.labapp.LabApp.launch_instance = lambda options: print(*options)
call("lessons")
call("lessons", "open", lesson, "--folder", folder, "--no-browser")
call("lessons", "open", lesson, "--folder", folder, "--no-browser", "--language", "zh")
path = tlkit.lessons.copy(folder)[lesson]
notebook = nbformat.read(path, 4)
solutions = {number: code for number, code in enumerate(sys.stdin.read().split("#---")) if code.strip()}
notebook.cells += [nbformat.v4.new_code_cell(code) for code in solutions.values()]
NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
for cell in notebook.cells[-len(solutions):]:
    print("checked:", cell.outputs[-1]["data"]["text/plain"])
call("lessons", "status", "--folder", folder)
"""


@pytest.mark.exhaustive  # the lesson takes a minute or two, and tests/notebooks runs it anyway
def test_a_student_needs_no_repository(wheel, tmp_path):
    target, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    install = ["-m", "pip", "install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run([sys.executable, *install], check=True, capture_output=True)
    lesson = nbformat.read(ROOT / "notebooks" / "01_why_transfer.ipynb", 4)
    folded = [cell.source for cell in lesson.cells if "<summary>Solution" in cell.source]
    solutions = "#---".join(re.findall(r"```python\n(.*?)```", "\n".join(folded), re.DOTALL))
    code = f"import tlkit; assert tlkit.__file__.startswith({str(target)!r})\n{STUDENT}"
    variables = os.environ | {"PYTHONPATH": str(target), "JPY_SESSION_NAME": "01_why_transfer.ipynb"}
    command = [sys.executable, "-c", code, "01", "mine"]
    done = subprocess.run(command, cwd=empty, env=variables, input=solutions, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "How far do five pictures per class get you?" in done.stdout
    assert f"root_dir={empty / 'mine'} --LabApp.default_url=/lab/tree/01_why_transfer.ipynb" in done.stdout
    assert "default_url=/lab/tree/01_why_transfer.zh.ipynb" in done.stdout
    assert done.stdout.count("checked: Passed:") == 2
    assert re.search(r"01 .* 2 of 2", done.stdout)
    assert [path.name for path in empty.iterdir()] == ["mine"]
