"""Folders at the top that are no classes: splits, domains, and archives unpacked twice."""

import re

import numpy as np
import pytest
from made_pictures import make_picture
from PIL import Image

from tlkit.images import load_images


def write(root, folders, n_each=1):
    """Write pictures into each of some folders, all different."""
    number = 0
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for place in range(n_each):
            make_picture(number).save(root / folder / f"{place}.png")
            number += 1
    return root


def cross(tops, names, wrapper=""):
    return [f"{top}/{wrapper}{name}" for top in tops for name in names]


SPLITS = {
    "with a suffix": [f"{side}/{side}/{name}" for side in ("training_set", "test_set") for name in ("cats", "dogs")],
    "with a prefix": [*cross(["seg_train", "seg_test"], ["forest", "sea"]), "seg_pred"],
    "without labels": [*cross(["train", "val"], ["n01", "n02"]), "unsup"],
    "of two kinds": [*cross(["Training", "Test"], ["apple", "pear"]), "test-multiple_fruits"],
    "with years": cross(["train2017", "val2017"], ["cat", "dog"]),
    "in capitals": cross(["TRAIN", "TEST"], ["cat", "dog"]),
    "beside a copy": [*cross(["train", "test"], ["ill", "well"]), *cross(["xray/train", "xray/test"], ["ill", "well"])],
    "in Chinese": cross(["训练集", "测试集"], ["猫", "狗"]),
    "in Japanese": cross(["訓練データ", "テスト"], ["猫", "犬"]),
    "by folds": cross(["fold_1", "fold_2", "fold_3"], ["cat", "dog"]),
    "of one class each way": ["train/good", *cross(["test"], ["good", "broken"]), "ground_truth/broken"],
    "in one word": cross(["trainset", "testset"], ["cat", "dog"]),
    "of data": cross(["traindata", "valdata"], ["cat", "dog"]),
    "in short": cross(["tr", "va", "te"], ["cat", "dog"]),
    "to search in": cross(["gallery", "query"], ["cat", "dog"]),
    "in Spanish": cross(["entrenamiento", "prueba"], ["cat", "dog"]),
    "in German": cross(["Training", "Prüfung"], ["cat", "dog"]),
    "of which one lacks a class": [*cross(["train"], ["a", "b", "c", "d"]), *cross(["test"], ["a", "b", "c"])],
}


@pytest.mark.parametrize("folders", SPLITS.values(), ids=SPLITS)
def test_splits_are_no_classes(tmp_path, folders):
    root = write(tmp_path / "data", folders)
    with pytest.raises(ValueError, match="expected classes; they look like splits: take load_images") as caught:
        load_images(root)
    calls = re.findall(r'load_images\("([^"]+)"\)', str(caught.value))
    assert len(calls) >= 2 or "train/good" in folders  # where only one part holds several classes
    for folder in calls:
        assert len(load_images(folder).classes) >= 2


def test_splits_in_a_zip_offer_the_folders_inside(tmp_path):
    from made_pictures import encode, write_zip

    names = cross(["data/training_set", "data/test_set"], ["cat/0.png", "dog/0.png"])
    path = write_zip(tmp_path / "a.zip", [(name, encode(make_picture(i))) for i, name in enumerate(names)])
    with pytest.raises(ValueError, match=r'load_images.*inside="data/test_set".*inside="data/training_set"'):
        load_images(path)
    assert load_images(path, inside="data/test_set").classes == ["cat", "dog"]
    assert load_images(path, inside=".").classes == ["test_set", "training_set"]


@pytest.mark.parametrize("folders", [["images", "labels"], ["img", "ground_truth"], ["Images", "SegmentationMasks"]])
def test_pictures_and_their_masks_are_no_classes(tmp_path, folders):
    root = write(tmp_path / "data", folders)
    with pytest.raises(ValueError, match="they look like pictures and their masks: give a list of"):
        load_images(root)
    assert load_images(root, inside=".").classes == sorted(folders)


MASKS = {
    "voc": ["JPEGImages", "SegmentationClass", "SegmentationObject"],
    "depth": ["rgb", "depth"],
    "cub": cross(["images", "segmentations"], ["001.Albatross", "002.Auk"]),
    "cityscapes": cross(["leftImg8bit", "gtFine"], ["train/aachen", "val/ulm"]),
}


@pytest.mark.parametrize("folders", MASKS.values(), ids=MASKS)
def test_pictures_and_masks_of_the_same_names_are_no_classes(tmp_path, folders):
    root = write(tmp_path / "data", folders)
    with pytest.raises(ValueError, match="they look like pictures and their masks: give a list of"):
        load_images(root)


def test_parts_of_one_set_are_no_classes(tmp_path):
    with pytest.raises(ValueError, match="they look like parts of one set: give a list of"):
        load_images(write(tmp_path / "data", cross(["images_001", "images_002"], ["images"])))


def test_folders_sorted_by_their_first_letter_are_told(tmp_path):
    root = write(tmp_path / "sun", ["a/abbey", "a/airport", "b/bar", "c/cafe"])
    with pytest.warns(UserWarning, match="classes a, b, c are first letters of their folders, read together; if these"):
        assert load_images(root).classes == ["a", "b", "c"]


@pytest.mark.parametrize(
    "folders",
    [
        ["@Recycle", "@tmp", "#snapshot"],
        ["LOST.DIR", "Temporary Items"],
        ["$RECYCLE.BIN"],
        ["System Volume Information", "lost+found"],
        ["__pycache__"],
    ],
)
def test_folders_of_systems_are_no_classes(tmp_path, folders):
    assert load_images(write(tmp_path / "stick", ["cat", "dog", *folders])).classes == ["cat", "dog"]


def test_classes_below_several_wrapping_folders_are_offered(tmp_path):
    root = write(tmp_path / "data", cross(["a/b"], ["cat", "dog"]))
    with pytest.raises(ValueError, match=r'a/b holds cat, dog: did you mean load_images\(".*/data/a/b"\)\?'):
        load_images(root)


def test_a_folder_inside_is_never_outside(tmp_path):
    root = write(tmp_path / "data", cross(["a"], ["cat", "dog"]))
    for inside in ("/", str(root / "a"), "../data/a"):
        with pytest.raises(FileNotFoundError, match=r"data has no folder '(/|\.\.)'; .*known: 'a'"):
            load_images(root, inside=inside)


def test_splits_without_classes_need_a_list(tmp_path):
    with pytest.raises(ValueError, match="look like splits and hold no class folders: give a list"):
        load_images(write(tmp_path / "data", ["training_set", "test_set"]))


DOMAINS = {
    "office": cross(["amazon", "dslr", "webcam"], ["bike", "mug"], "images/"),
    "home": cross(["Art", "Clipart", "Product", "Real World"], ["Bed", "Fan", "Pen"]),
    "of unknown names": cross(["hospital1", "hospital2"], ["ill", "well", "unsure"]),
}


@pytest.mark.parametrize("folders", DOMAINS.values(), ids=DOMAINS)
def test_domains_are_no_classes(tmp_path, folders):
    root = write(tmp_path / "data", folders)
    with pytest.raises(ValueError, match=r"hold the same folders .*so they look like domains") as caught:
        load_images(root)
    parts = re.findall(r'load_images\("([^"]+)", domain="([^"]+)"\)', str(caught.value))
    images = load_images(parts[0][0], domain=parts[0][1]) + load_images(parts[1][0], domain=parts[1][1])
    assert images.classes == sorted({folder.split("/")[-1] for folder in folders})
    assert np.unique(images.domains).tolist() == [parts[0][1], parts[1][1]]
    assert len(load_images(root, inside=".").classes) == len({folder.split("/")[0] for folder in folders})


def test_classes_with_the_same_folders_are_classes_and_told(tmp_path):
    root = write(tmp_path / "pets", cross(["cat", "dog"], ["day", "night"]))
    with pytest.warns(UserWarning, match=r"cat, dog hold the same folders \(day, night\), .*read together"):
        assert load_images(root).classes == ["cat", "dog"]
    assert load_images(root, inside=".").classes == ["cat", "dog"]


@pytest.mark.parametrize("splits", [["test", "train", "val"], ["train", "test"]])
def test_splits_within_classes_are_told(tmp_path, splits):
    root = write(tmp_path / "faces", cross(["female", "male"], splits))
    with pytest.warns(
        UserWarning, match=r"female, male hold the same splits \(test, train.*\), which are read together"
    ):
        assert load_images(root).classes == ["female", "male"]


@pytest.mark.parametrize("folders", [["train/cat", "train/dog", "photos"], ["pets/cat", "pets/dog", "cars"]])
def test_the_only_class_that_holds_folders_is_told(tmp_path, folders):
    root = write(tmp_path / "data", folders)
    top = folders[0].split("/")[0]
    with pytest.warns(UserWarning, match=rf"only the class '{top}' holds folders \(cat, dog\), .*data/{top}\"\)"):
        assert load_images(root).classes == sorted({top, folders[2]})
    assert load_images(root, inside=".").classes == sorted({top, folders[2]})


def test_masks_beside_their_pictures_are_told(tmp_path):
    root = write(tmp_path / "scans", ["ill", "well"])
    for number, name in enumerate(["ill/0_mask.png", "ill/0_mask_1.png", "well/0-GT.bmp", "well/gas_mask.png"]):
        make_picture(9 + number).save(root / name)
    with pytest.warns(UserWarning, match=r"3 pictures are named like masks of others, the first ill/0_mask\.png; move"):
        assert len(load_images(root)) == 6


def test_an_archive_unpacked_twice_is_noticed(tmp_path):
    root = write(tmp_path / "pets", ["cat", "dog", *cross(["PetImages"], ["cat", "dog"])])
    with pytest.raises(ValueError, match="PetImages holds cat, dog once more, as if an archive was unpacked twice"):
        load_images(root)


@pytest.mark.parametrize(
    "folders",
    [
        ["bus", "train"],
        ["steam/train", "images", "sign"],
        ["mask", "no mask"],
        ["masked", "image"],
        ["a/x", "b/y"],
        ["test_tube", "beaker"],
        ["cat/2023", "cat/2024", "dog/2024"],
        ["animals/cat", "animals/dog", "plants/oak", "plants/rose"],
        ["cat/cat", "dog/dog"],
        ["cat/a", "dog/a", "fox/a"],
        ["photo", "sketch"],
        ["train", "test", "bus"],
        ["train_station/east", "train_station/west", "test_tube/glass", "beaker"],
        ["cat/old", "cat/young", "dog/large", "dog/small", "cow"],
    ],
)
def test_classes_stay_classes(tmp_path, folders):
    root = write(tmp_path / "data", folders)
    assert load_images(root).classes == sorted({folder.split("/")[0] for folder in folders})


def test_flat_and_dark_sets_are_told(tmp_path):
    for name, value in (("cat", 30), ("dog", 9)):
        (tmp_path / name).mkdir()
        Image.new("L", (9, 9), value).save(tmp_path / name / "flat.png")
        dark = Image.new("L", (99, 99), 3)
        dark.putpixel((5, 6), value)
        dark.save(tmp_path / name / "dark.png")
    with pytest.warns(UserWarning) as caught:
        load_images(tmp_path)
    texts = sorted(str(warning.message).partition(": ")[2] for warning in caught)
    assert texts[0].startswith("2 pictures all but black, with no value above 31 of 255, the first ")
    assert texts[1].startswith("2 pictures of one colour throughout")
