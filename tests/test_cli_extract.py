"""The command `tlkit extract`: what it writes, and that nothing is lost or done for nothing."""

import json
import sys

import numpy as np
import pytest
from made_networks import make_tiny_backbone
from made_pictures import encode, make_picture, write_classes, write_zip

import tlkit as tl
from tlkit import cli
from tlkit.backbones import loader
from tlkit.features import extract as extract_module
from tlkit.features import frozen_network
from tlkit.images import load as load_module


@pytest.fixture
def backbone(monkeypatch):
    """A tiny network that the command finds by any name that is known."""
    tiny = make_tiny_backbone()

    def load(name, weights, image_size_px):
        return tiny if image_size_px is None else make_tiny_backbone(recipe=tiny.recipe.at(image_size_px))

    monkeypatch.setattr(loader, "load_backbone", load)
    monkeypatch.setattr(frozen_network, "_find_record", lambda *arguments: None)
    return tiny


@pytest.fixture
def extract(monkeypatch, capsys, tmp_path):
    """Call `tlkit extract` with arguments in a folder of its own; returns (exit status, output, errors)."""
    monkeypatch.setattr(cli.warnings, "showwarning", cli.warnings.showwarning)
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["tlkit", "extract", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def folder(tmp_path):
    return write_classes(tmp_path / "pets", {"cat": 4, "dog": 5})


def read(path):
    with np.load(path, allow_pickle=False) as content:
        return dict(content)


def test_the_file_holds_what_extract_features_gives(extract, backbone, folder, tmp_path):
    status, output, _ = extract(folder, "--engine", "torch")
    assert status == 0
    content = read(tmp_path / "here" / "features.npz")
    images = tl.load_images(folder)
    expected = tl.extract_features(backbone, images, "torch", cache=False, progress=False)
    assert content["values"].dtype == np.float32
    assert np.array_equal(content["values"], expected.values)
    assert content["labels"].tolist() == [0] * 4 + [1] * 5
    assert content["classes"].tolist() == ["cat", "dog"]
    assert np.array_equal(content["names"], images.names)
    assert np.array_equal(content["groups"], images.groups)
    assert json.loads(content["provenance"].item()) == expected.provenance
    assert expected.provenance["engine"].startswith("torch")
    assert output.startswith("9 pictures × 6 features in ")
    assert "per second, torch" in output
    assert output.endswith("written to features.npz\n")
    assert output.count("\n") == 1


def test_options_reach_the_network(extract, backbone, folder):
    options = ["--backbone", "resnet18", "--image-size", 24, "--stage", -2, "--maps", "--engine", "torch", "--output"]
    status, output, errors = extract(folder, *options, "deep/maps.npz")
    assert status == 0, errors
    content = read("deep/maps.npz")
    assert content["values"].shape == (9, 4, 11, 11)
    provenance = json.loads(content["provenance"].item())
    assert (provenance["stage"], provenance["image_size_px"]) == ("stem", "24")
    assert "9 pictures × 4 × 11 × 11 features" in output


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_in_no_class_folder_are_of_one_class(packed, extract, backbone, tmp_path):
    pictures = [(f"{number}.png", encode(make_picture(number))) for number in range(3)]
    if packed:
        source = write_zip(tmp_path / "loose.zip", pictures)
    else:
        source = tmp_path / "loose"
        source.mkdir()
        for name, content in pictures:
            (source / name).write_bytes(content)
    status, _, errors = extract(source, "--engine", "torch")
    assert status == 0, errors
    content = read("features.npz")
    assert content["values"].shape == (3, 6)
    assert content["labels"].tolist() == [0, 0, 0]
    assert content["classes"].tolist() == ["unlabelled"]
    assert content["names"].tolist() == ["loose/0.png", "loose/1.png", "loose/2.png"]


def test_the_bundled_set_and_a_second_call(extract, backbone, monkeypatch):
    few = tl.load_images("styles", domain="clipart")[:5]
    monkeypatch.setattr(load_module, "load_styles", lambda domain: few)
    for _ in range(2):
        assert extract("styles", "--engine", "torch")[0] == 0
        monkeypatch.setattr(
            extract_module, "read_crops", lambda *arguments: pytest.fail("a picture was computed again")
        )
    assert np.array_equal(read("features.npz")["labels"], few.labels)


@pytest.mark.filterwarnings("default")  # the command shows them as notes
@pytest.mark.parametrize("loose", [False, True])
def test_bad_pictures_are_named_or_left_out(loose, extract, backbone, folder):
    source = folder / "cat" if loose else folder
    (folder / "cat" / "0.png").write_bytes(b"no picture")
    status, _, errors = extract(source, "--engine", "torch")
    assert status == 1
    assert "0.png" in errors
    assert not list(folder.parent.joinpath("here").iterdir())
    status, _, errors = extract(source, "--engine", "torch", "--skip-bad")
    assert status == 0
    assert "can't be read and are left out" in errors
    assert len(read("features.npz")["values"]) == (3 if loose else 8)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--output", "features.csv"], "--output: 'features.csv', expected a file, not a folder, that ends in .npz"),
        (["--output", "taken.npz"], "--output: 'taken.npz', expected a file"),
        (["--output", "file/features.npz"], "file is not a folder"),
        (["--backbone", "resnet81"], "nearest: 'resnet18'"),
        (["--engine", "abacus"], "engine: 'abacus' is unknown; known: 'auto'"),
        (["--precision", "some"], "precision: 'some' is unknown; known: 'exact', 'fast'"),
        (["--stage", "stage9"], "stage9"),
    ],
)
def test_bad_arguments_are_said_before_a_picture_is_read(arguments, words, extract, folder, tmp_path, monkeypatch):
    (tmp_path / "here" / "taken.npz").mkdir()
    (tmp_path / "here" / "file").write_text("a file")
    before = sorted((tmp_path / "here").rglob("*"))
    monkeypatch.setattr(load_module, "scan_pictures", lambda *arguments, **options: pytest.fail("pictures were read"))
    if arguments[0] == "--stage":
        monkeypatch.setattr(loader, "load_backbone", lambda *arguments: make_tiny_backbone())
        monkeypatch.setattr(frozen_network, "_find_record", lambda *arguments: None)
    status, output, errors = extract(folder, *arguments)
    assert (status, output) == (1, "")
    assert words in errors
    assert "Traceback" not in errors
    assert sorted((tmp_path / "here").rglob("*")) == before


def test_an_interrupted_call_says_that_the_next_goes_on_and_it_does(extract, backbone, folder, monkeypatch):
    counted, real = [], extract_module.read_crops

    def read_crops(images, indices, *rest):
        counted.append(len(indices))
        squares = real(images, indices, *rest)
        for number, square in enumerate(squares):
            if len(counted) == 1 and number == 8:
                raise KeyboardInterrupt
            yield square

    monkeypatch.setattr(extract_module, "read_crops", read_crops)
    status, output, errors = extract(folder, "--engine", "torch")
    assert status != 0
    assert output == ""
    assert "the computed features are kept, and the same command continues from there" in errors
    assert extract(folder, "--engine", "torch")[0] == 0
    assert counted == [9, 1]


def test_a_file_that_can_not_be_finished_leaves_the_earlier_one(extract, backbone, folder, monkeypatch, tmp_path):
    assert extract(folder, "--engine", "torch")[0] == 0
    before = (tmp_path / "here" / "features.npz").read_bytes()

    def savez(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", savez)  # the cache needs none any more: it holds all features
    status, _, errors = extract(folder, "--engine", "torch")
    assert status == 1
    assert "No space left" in errors
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["features.npz"]
    assert (tmp_path / "here" / "features.npz").read_bytes() == before


def test_help_says_how_to_read_the_file(extract):
    status, output, _ = extract("--help")
    assert status == 0
    assert "allow_pickle=False" in " ".join(output.split())
