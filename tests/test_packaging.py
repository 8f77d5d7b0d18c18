"""The built wheel, away from the checkout: pictures, licences and the command are in it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOMAINS = {"photo", "clipart", "emoji", "twemoji", "sketch"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy, so that an old build folder can't lend it what is missing."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("tlkit", "claims"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(source / "dist")]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (source / "dist").iterdir()
    return built


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
    assert {name.split("/")[0] for name in names} == {"tlkit", "tlkit-0.1.0.data", "tlkit-0.1.0.dist-info"}
    ledger = {Path(name).name for name in names if "share/tlkit/claims" in name}
    assert ledger == {path.name for path in (ROOT / "claims").iterdir() if path.is_file()}
    packaged = {name for name in names if name.startswith("tlkit/")}
    checkout = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tlkit").rglob("*") if path.is_file()}
    assert packaged == {name for name in checkout if "__pycache__" not in name}


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
    for name in ("pyproject.toml", "README.md", "LICENSE"):
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
