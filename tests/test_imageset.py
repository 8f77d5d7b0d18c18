"""The bundled set, and what an ImageSet can do."""

import csv
import dataclasses
import hashlib
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from made_pictures import write_classes
from matplotlib.figure import Figure
from PIL import Image

from tlkit.images import ImageSet, load_images
from tlkit.images.load import STYLES
from tlkit.plots import draw_contact_sheet

SIZES = {"photo": 240, "clipart": 637, "emoji": 319, "twemoji": 317, "sketch": 332}


@pytest.fixture(scope="module")
def styles():
    return load_images("styles")


@pytest.fixture(scope="module")
def photos():
    return load_images("styles", domain="photo")


def test_bundled_set_has_its_domains_and_one_list_of_classes(styles, photos):
    assert len(styles) == 1845 and len(styles.classes) == 14 and styles.classes == sorted(styles.classes)
    assert {domain: int((styles.domains == domain).sum()) for domain in SIZES} == SIZES
    assert photos.classes == styles.classes and len(np.unique(photos.labels)) == 12
    both = load_images("styles", domain=["sketch", "photo"])
    assert both.domains[0] == "sketch" and len(both) == 332 + 240
    assert len(set(styles.names)) == 1845 and "clipart/bird/0247.webp" in styles.names
    assert set(styles.roles) == {"core", "novel"}


def test_every_bundled_picture_is_whole(styles):
    assert {picture.mode + str(picture.size) for picture, _ in styles} == {"RGB(128, 128)"}


def test_labels_are_those_of_the_manifest(photos):
    with open(STYLES / "manifest.csv", encoding="utf-8", newline="") as file:
        expected = [row["cls"] for row in csv.DictReader(file) if row["domain"] == "photo"]
    assert [photos.classes[label] for label in photos.labels] == expected


def test_picture_and_label_come_by_index(photos):
    picture, label = photos[-1]
    assert isinstance(picture, Image.Image) and type(label) is int and label == photos.labels[-1]
    with zipfile.ZipFile(STYLES / "pict4-photo.zip") as archive:
        content = archive.read(photos.names[5].removeprefix("photo/"))
    assert photos.digest(5) == hashlib.sha256(content).hexdigest()
    with pytest.raises(IndexError):
        photos[len(photos)]


def test_smaller_sets_come_by_slice_indices_and_mask(photos):
    mask = photos.labels == 3
    for index, expected in [
        (slice(2, 9, 3), [2, 5, 8]),
        ([4, 1, -1], [4, 1, 239]),
        (np.array([7]), [7]),
        (mask, np.flatnonzero(mask)),
        ([], []),
    ]:
        part = photos[index]
        assert isinstance(part, ImageSet) and part.names.tolist() == photos.names[expected].tolist()
        assert part.classes == photos.classes and part.labels.tolist() == photos.labels[expected].tolist()
    for wrong in ([0.5], "bird", None, True):
        with pytest.raises(TypeError, match="index"):
            photos[wrong]
    with pytest.raises(IndexError):
        photos[np.ones(3, dtype=bool)]


def test_set_can_not_be_changed(photos):
    with pytest.raises(AttributeError):
        photos.labels = photos.labels
    for copy in (photos, pickle.loads(pickle.dumps(photos))):
        with pytest.raises(ValueError, match="read-only"):
            copy.labels[0] = 1


def test_pickle_keeps_everything(styles):
    copy = pickle.loads(pickle.dumps(styles))
    assert copy.content_hash == styles.content_hash and copy.names.tolist() == styles.names.tolist()


def test_sum_merges_the_classes_and_keeps_each_label_true(tmp_path):
    left = load_images(write_classes(tmp_path / "left", {"cat": 2, "dog": 1}))
    right = load_images(write_classes(tmp_path / "right", {"ant": 1, "dog": 3}))
    both = left + right
    assert both.classes == ["ant", "cat", "dog"]
    for place, name in enumerate(both.names):
        assert both.classes[both.labels[place]] == name.split("/")[1]
    assert both.domains.tolist() == ["left"] * 3 + ["right"] * 4
    assert len(set((left + left).names)) == 6


def test_sum_keeps_published_folds_and_both_attributions(photos, tmp_path):
    clipart = load_images("styles", domain="clipart")
    both = photos + clipart
    assert both.attribution_text == photos.attribution_text and both.folds.min() >= 0
    own = load_images(write_classes(tmp_path / "own", {"bird": 2, "yak": 1}))
    mixed = photos + own
    assert mixed.folds[-1] == -1 and mixed.classes[mixed.labels[-1]] == "yak" and len(mixed.classes) == 15


def test_sum_with_something_else_is_refused(photos):
    with pytest.raises(TypeError):
        photos + "bird"


def test_labels_can_be_put_into_another_list_of_classes(tmp_path):
    images = load_images(write_classes(tmp_path / "pets", {"cat": 1, "dog": 2}))
    moved = images.with_classes(["dog", "eel", "cat"])
    assert moved.labels.tolist() == [2, 0, 0] and moved.classes == ["dog", "eel", "cat"]
    with pytest.raises(ValueError, match=r"lacks \['dog'\]"):
        images.with_classes(["cat"])
    with pytest.raises(ValueError, match="names a class twice"):
        images.with_classes(["cat", "dog", "cat"])


def test_content_hash_sees_pictures_labels_classes_and_order(photos):
    whole = photos.content_hash
    assert load_images("styles", domain="photo").content_hash == whole
    others = [photos[1:], photos[::-1], photos.with_classes(photos.classes[::-1])]
    others.append(photos.with_classes([*photos.classes, "zebra"]))
    others.append(dataclasses.replace(photos, labels=(photos.labels + 1) % 14))
    assert len({whole, *(other.content_hash for other in others)}) == 6


def test_select_takes_classes_domains_and_roles(styles):
    part = styles.select(classes=["bird", "bug"], domain="sketch", role="core")
    assert set(part.domains) == {"sketch"} and part.classes == styles.classes
    assert {part.classes[label] for label in part.labels} <= {"bird", "bug"}
    assert len(styles.select(role="novel")) == 423 and len(styles.select()) == 1845
    assert len(load_images("styles", domain="photo").select(classes="building")) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": "birds"}, "classes: 'birds' is unknown; nearest: 'bird'"),
        ({"classes": ["bird", "Vehicel"]}, "nearest: 'vehicle'"),
        ({"domain": "clip-art"}, "domain: 'clip-art' is unknown; nearest: 'clipart'"),
        ({"role": "corn"}, "role: 'corn' is unknown; nearest: 'core'"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(styles, arguments, message):
    with pytest.raises(ValueError, match=message):
        styles.select(**arguments)


def test_unknown_domain_of_the_bundled_set_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="domain: 'photos' is unknown; nearest: 'photo'"):
        load_images("styles", domain="photos")
    with pytest.raises(TypeError, match="domain: 3 is a int"):
        load_images("styles", domain=[3])
    with pytest.raises(ValueError, match="names none"):
        load_images("styles", domain=[])
    with pytest.raises(ValueError, match="inside"):
        load_images("styles", inside="photo")


def test_disjoint_from_removes_shared_groups(styles):
    emoji, twemoji = styles.select(domain="emoji"), styles.select(domain="twemoji")
    assert set(emoji.groups) & set(twemoji.groups)
    apart = twemoji.disjoint_from(emoji[:100])
    assert 0 < len(apart) < len(twemoji) and not set(apart.groups) & set(emoji[:100].groups)
    assert len(twemoji.disjoint_from(twemoji)) == 0


def test_description_counts_add_up(styles):
    description = styles.describe()
    table = description.table
    assert table.loc["total", "total"] == 1845 and table.loc["building", "photo"] == 0
    assert {domain: int(table.loc["total", domain]) for domain in SIZES} == SIZES
    assert (table.loc[styles.classes, list(SIZES)].sum(axis=1) == table.loc[styles.classes, "total"]).all()
    assert description.n_groups == len(set(styles.groups)) == table.loc["total", "groups"]
    assert "ImageSet(1845 pictures" in repr(description)


def test_description_shows_table_and_contact_sheet_in_jupyter(photos):
    shown = photos.select(classes=["bird", "tool"]).describe()._repr_html_()
    assert "<table" in shown and "data:image/png;base64,iVBOR" in shown
    assert "<img" not in photos[[]].describe()._repr_html_()


def test_description_of_many_classes_shows_thirty(photos):
    many = dataclasses.replace(photos, classes=[f"class {n:03}" for n in range(240)], labels=np.arange(240))
    description = many.describe()
    shown = description._repr_html_()
    assert shown.count("<img") == 30 and "and 210 more classes, listed in the description's table" in shown
    assert len(description.table) == 241 and len(shown) < 1_000_000
    assert repr(description).count("class ") == 31 and "and 210 more classes" in repr(description)
    assert "class 029" in repr(description) and "total" in repr(description).splitlines()[-2]


def test_contact_sheet_names_each_class_with_its_count(photos):
    axes = Figure().subplots()
    assert draw_contact_sheet(photos, axes, per_class=3) is axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"{name}  {count}"
        for name, count in zip(photos.classes, np.bincount(photos.labels, minlength=14), strict=True)
        if count
    ]
    sheet = axes.images[0].get_array()
    assert sheet.shape == (12 * 68 - 4, 3 * 68 - 4, 3) and sheet.std() > 10
    with pytest.raises(ValueError, match="images: an empty set"):
        draw_contact_sheet(photos[[]], axes)


def test_every_picture_has_its_attribution(styles):
    table = styles.attribution()
    assert list(table.columns) == ["name", "title", "source", "author", "licence"] and len(table) == 1845
    assert (table != "").all().all()
    row = table.set_index("name").loc["photo/bird/0003.webp"]
    assert row["author"] == "Caroline Ford" and row["licence"] == "GFDL or CC-BY-SA or GPL"
    assert "Tux Paint" in styles.attribution_text


def test_text_of_every_licence_travels_with_the_pictures(styles):
    folder = STYLES / "licences"
    index = (folder / "README.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in index.splitlines() if line.startswith("| ")}
    for licence in set(styles.licences):
        linked = re.findall(r"\]\(([^)]+)\)", rows[licence])
        assert linked and all((folder / name).stat().st_size > 200 for name in linked)
    assert set(re.findall(r"\]\(([^)]+)\)", index)) | {"README.md"} == {path.name for path in folder.iterdir()}


def test_repr_says_what_is_there(photos):
    assert repr(photos) == "ImageSet(240 pictures, 12 of 14 classes, 223 groups: photo)"
    assert "no domain" in repr(photos[[]])


def test_pictures_need_neither_torch_nor_pandas():
    code = (
        "import sys; from tlkit.images import load_images; images = load_images('styles', domain='photo');"
        "images[0]; images.few(2); images.split(); images.content_hash;"
        "print(sorted({'torch', 'pandas', 'sklearn', 'matplotlib', 'openvino'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"
