"""Weights files: read only when whole, of this network, and without running what is in them."""

import argparse
import dataclasses
import math
import pickle

import numpy as np
import pytest
import torch
from made_networks import copy_state, same_bits
from made_weights import pull_the_plug, save
from safetensors.torch import save_file
from torchvision.models import mobilenet_v3_small

import tlkit as tl
from tlkit.backbones.networks import CATALOGUE
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.read import read_weights
from tlkit.backbones.weights.weight_files import weights_folders

NAME = "mobilenet_v3_small"


class Planted:
    """Pickles to an instruction that makes a file when it is read."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    pull_the_plug(monkeypatch, tmp_path)


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
    size_mb, whole_mb = path.stat().st_size / 1e6, len(content) / 1e6
    assert "incomplete" in message
    assert "fetch" in message and "again" in message
    # The format says how long the file should be, once its beginning is there; the other doesn't.
    says_both = kind == "safetensors" and share > 0
    assert (f"{size_mb:.1f} of {whole_mb:.1f} MB" if says_both else f"({size_mb:.1f} MB)") in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n<!DOCTYPE html><html>Not found</html>", "is a web page, not weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10\n", "is a Git LFS pointer"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "is an HDF5 file, as Keras writes it"),
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
    assert "holds io.open, which is no tensor" in message
    assert "save `model.state_dict()`" in message
    assert "weights_only" not in message, "no reader should be told how to run it"


@pytest.mark.parametrize(("stored", "named"), [("_io open", "io.open"), ("__main__ Net", "__main__.Net")])
def test_an_object_goes_by_its_public_name(stored, named, tmp_path):
    path = tmp_path / "planted.pth"
    path.write_bytes(b"\x80\x02c" + stored.replace(" ", "\n").encode() + b"\n.")
    assert f" holds {named}, which is no tensor" in refuse(path)


def test_whole_models_and_objects_beside_tensors_are_answered_with_how_to_save_a_state(network, state, tmp_path):
    for content, kind in (
        (network, "MobileNetV3"),
        ({**state, "arguments": argparse.Namespace(rate=1)}, "argparse.Namespace"),
        ({"state_dict": state, "accuracy": np.float64(0.5)}, "scalar"),
    ):
        message = refuse(save(content, tmp_path / "objects.pth"))
        assert kind in message
        assert "save `model.state_dict()`" in message


@pytest.mark.filterwarnings("ignore::FutureWarning")  # these programs are deprecated, but still around
def test_a_program_is_no_weights(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "program.pth")
    assert "is a TorchScript program, not weights: save `model.state_dict()`" in refuse(tmp_path / "program.pth")


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


def test_a_file_is_read_by_what_it_is_not_by_what_it_is_called(files, tmp_path):
    (tmp_path / "own.pth").write_bytes(files["safetensors"].read_bytes())
    assert same_bits(read_weights(tmp_path / "own.pth")[0], read_weights(files["safetensors"])[0])
    torch.save(read_weights(files["safetensors"])[0], tmp_path / "own.safetensors")
    assert same_bits(read_weights(tmp_path / "own.safetensors")[0], read_weights(files["safetensors"])[0])


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "state_dict_ema", "weights"])
def test_the_state_in_a_checkpoint_is_found(key, tmp_path):
    state = {"fc.weight": torch.ones(2)}
    optimizer = {"state": {0: {"step": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}
    path = save({"epoch": 3, "best": torch.ones(1), "optimizer": optimizer, key: state}, tmp_path / "checkpoint.pth")
    assert same_bits(read_weights(path)[0], {f"{key}.fc.weight": torch.ones(2)})


def test_all_states_of_a_checkpoint_are_read_however_deep_and_no_optimizer(tmp_path):
    state = {"fc.weight": torch.ones(2), "n_classes": 7}
    optimizer = {"state": {0: {"step": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}
    held = {"state_dict": state | {"fc.bias": torch.ones(2)}, "more": {"ema": state, "loss": 0.1}, "opt": optimizer}
    read = read_weights(save(held, tmp_path / "several.pth"))[0]
    assert list(read) == ["state_dict.fc.weight", "state_dict.fc.bias"]
    held["more"]["ema"] = {"fc.weight": torch.ones(2)}
    assert list(read_weights(save(held, tmp_path / "deep.pth"))[0])[2:] == ["more.ema.fc.weight"]


def test_a_classifier_of_other_size_or_none_is_dropped(state, files, tmp_path):
    state["classifier.3.weight"] = torch.zeros(7, 1024)
    state["classifier.3.bias"] = torch.full((7,), torch.nan)
    kept = load(files["pth"]).state_dict()
    assert same_bits(load(save(state, tmp_path / "seven.pth")).state_dict(), kept)
    del state["classifier.3.weight"], state["classifier.3.bias"]
    assert same_bits(load(save(state, tmp_path / "none.pth")).state_dict(), kept)


def test_a_published_file_must_have_its_publishers_hash(files):
    _, sha256 = read_weights(files["pth"])
    right = dataclasses.replace(CATALOGUE[NAME], weights_file=f"own-{sha256[:8]}.pth")
    assert read_weights(files["pth"], right)[1] == sha256
    wrong = dataclasses.replace(CATALOGUE[NAME], weights_file="own-01234567.pth")
    with pytest.raises(WeightsError, match=rf"damaged: its SHA-256 begins {sha256[:8]}, its publisher states 01234567"):
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
    for part in (str(path), "its publisher states 047dcff4", "Delete it and load again"):
        assert part in str(caught.value)
    assert path.is_file()


def test_an_incomplete_published_file_is_called_that(files, tmp_path):
    entry = CATALOGUE["resnet18"]
    with pytest.raises(WeightsError, match=r"own.pth is incomplete: 10 of 47 MB\. Delete it and load again"):
        read_weights(files["pth"], entry)


@pytest.mark.parametrize("key", ["license", "licence"])
def test_the_licence_in_a_file_is_kept(key, state, files, tmp_path):
    save_file(state, tmp_path / "own.safetensors", metadata={key: "CC-BY-4.0"})
    assert load(tmp_path / "own.safetensors").provenance["licence"] == "CC-BY-4.0"
    assert [load(path).provenance["licence"] for path in files.values()] == ["unknown"] * 2
