"""The folder of weights is filled with whole and right files only, from a server or from a stick."""

import dataclasses
import hashlib
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import timm
from made_server import serving
from made_weights import pull_the_plug

import tlkit as tl
from tlkit.backbones import networks
from tlkit.backbones.networks import find_entry
from tlkit.backbones.weights import stock
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import expected_sha256, list_published, record_published
from tlkit.backbones.weights.stock import add, fetch, identify
from tlkit.backbones.weights.weight_files import is_offline, weights_folders

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WHOLE = safetensors.numpy.save({"fc.weight": np.arange(3, dtype=np.float32)})
FILE = f"resnet18-{SHA256[:8]}.pth"


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    pull_the_plug(monkeypatch, tmp_path)


@pytest.fixture
def entry(monkeypatch):
    """ResNet-18 as if CONTENT were its published weights."""
    entry = dataclasses.replace(find_entry("resnet18"), weights_file=FILE, weights_size_mb=None)
    monkeypatch.setitem(networks._ENTRIES, "resnet18", {entry.weights: entry})
    monkeypatch.setitem(networks.CATALOGUE, "resnet18", entry)
    return entry


@pytest.fixture
def server(monkeypatch):
    with serving(CONTENT) as server:
        monkeypatch.setenv("TLKIT_WEIGHTS_URL", server.url("mirror"))
        yield server


def list_stock():
    folder = weights_folders()[0]
    return sorted(path.name for path in folder.glob("*") if path.suffix != ".lock") if folder.exists() else []


def test_what_is_fetched_is_whole_and_found_offline(entry, server):
    assert not is_offline(entry)
    stocked = fetch("resnet18", progress=False)
    assert (stocked.entry, stocked.sha256, stocked.is_new) == (entry, SHA256, True)
    assert stocked.path == weights_folders()[0] / FILE
    assert stocked.path.read_bytes() == CONTENT
    assert is_offline(entry)
    again = fetch("resnet18", progress=False)
    assert (again.path, again.is_new, server.n_requests) == (stocked.path, False, 1)


@pytest.mark.parametrize("folder", [0, 1])
def test_a_damaged_file_is_replaced_by_a_whole_one(folder, entry, server):
    damaged = weights_folders()[folder] / FILE
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(CONTENT[::-1])
    stocked = fetch("resnet18", progress=False)
    assert stocked.is_new
    assert stocked.path == weights_folders()[0] / FILE
    assert stocked.path.read_bytes() == CONTENT


def test_a_damaged_file_stays_where_no_whole_one_can_be_had(entry):
    damaged = weights_folders()[0] / FILE
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(CONTENT[::-1])
    with pytest.raises(WeightsError, match="can't be downloaded"):
        fetch("resnet18", progress=False)
    assert damaged.read_bytes() == CONTENT[::-1]


def test_a_file_from_a_stick_finds_its_name(entry, tmp_path):
    path = tmp_path / "download (1).bin"
    path.write_bytes(CONTENT)
    assert identify(path) == entry
    stocked = add(path, entry)
    assert (stocked.sha256, stocked.is_new) == (SHA256, True)
    assert list_stock() == [FILE]
    assert stocked.path.read_bytes() == CONTENT
    assert path.exists()
    assert not add(path, entry).is_new
    stocked.path.write_bytes(b"damaged")
    assert add(path, entry).is_new
    assert stocked.path.read_bytes() == CONTENT


def test_a_damaged_copy_of_a_published_file_is_recognised_by_its_name(entry, tmp_path):
    path = tmp_path / FILE
    path.write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(WeightsError, match=f"is damaged: its SHA-256 begins .*, its publisher states {SHA256[:8]}"):
        identify(path)


def test_a_copy_that_goes_wrong_leaves_nothing(entry, tmp_path, monkeypatch):
    path = tmp_path / "stick.pth"
    path.write_bytes(CONTENT)
    monkeypatch.setattr(stock.shutil, "copyfile", lambda source, target: target.write_bytes(CONTENT[:-1]))
    with pytest.raises(WeightsError, match="is damaged"):
        add(path, entry)
    assert list_stock() == []


def test_what_is_no_published_file_is_said_with_how_to_load_it(tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(CONTENT)
    with pytest.raises(
        WeightsError, match=r"none of the published files.*load_backbone\(NAME, weights=\".*mine\.pth\"\)"
    ):
        identify(path)
    path.write_bytes(b"<html>")
    with pytest.raises(WeightsError, match="is a web page"):
        identify(path)
    with pytest.raises(WeightsError, match="is a folder; expected a weights file"):
        identify(tmp_path)
    with pytest.raises(WeightsError, match="is not there"):
        identify(tmp_path / "nothing.pth")


@pytest.mark.slow
def test_a_file_of_timm_is_known_by_its_name_and_its_hash_recorded(tmp_path):
    entry = find_entry("timm:resnet18.a1_in1k")
    path = tmp_path / entry.weights_file
    path.write_bytes(WHOLE)
    assert identify(path) == entry
    stocked = add(path, entry)
    assert stocked.is_new and entry.weights_file not in list_published()
    assert expected_sha256(entry) == "", "recorded before it was loaded"
    record_published(entry, stocked.sha256)
    path.write_bytes(safetensors.numpy.save({"fc.weight": np.zeros(3, np.float32)}))
    with pytest.raises(WeightsError, match="is not the file that was first used for timm:resnet18"):
        identify(path)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04 broken", WHOLE[:-1], WHOLE + b"x", b"\x10" + bytes(7) + b'{"a":', bytes(range(256))]
)
def test_what_is_no_weights_file_is_replaced_by_the_next_fetch(content, server):
    """Files of timm bear no hash; the first one must not become what all later ones are compared with."""
    server.content = content
    with pytest.raises(WeightsError, match=r"resnet18\.a1_in1k\.safetensors is no weights file, or is incomplete"):
        fetch("timm:resnet18.a1_in1k", progress=False)
    server.content = WHOLE
    stocked = fetch("timm:resnet18.a1_in1k", progress=False)
    assert (stocked.is_new, stocked.path.read_bytes()) == (True, WHOLE)
    assert not fetch("timm:resnet18.a1_in1k", progress=False).is_new


def test_a_file_of_another_network_is_not_taken_for_the_published_one_for_good(server):
    server.content = safetensors.numpy.save({"fc.weight": np.zeros(3, np.float32)})
    path = fetch("timm:resnet18.a1_in1k", progress=False).path
    with pytest.raises(WeightsError, match=r"holds other weights .* Delete it and load again"):
        tl.load_backbone("timm:resnet18.a1_in1k", image_size_px=32)
    assert expected_sha256(find_entry("timm:resnet18.a1_in1k")) == ""
    path.unlink()
    server.content = safetensors.torch.save(timm.create_model("resnet18").state_dict())
    backbone = tl.load_backbone("timm:resnet18.a1_in1k", image_size_px=32)
    assert expected_sha256(find_entry("timm:resnet18.a1_in1k")) == backbone.provenance["sha256"]
    assert backbone.provenance["check"] == "no SHA-256 is published; the one of the first load counts"


def test_no_torch_is_needed():
    code = "import sys, tlkit.backbones.weights.stock; print('torch' in sys.modules or 'timm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
