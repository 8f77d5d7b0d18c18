"""Datasets of torch, torchvision and Hugging Face as pictures."""

import hashlib
import io
import pickle
import types

import numpy as np
import pytest
from made_pictures import encode, make_picture, write_classes
from PIL import Image

from tlkit.images import load_images
from tlkit.images.decode import PictureError

PICTURES = [make_picture(number) for number in range(9)]


class Pairs:
    """A dataset of (picture, label)."""

    def __init__(self, n=9, **attributes):
        self.n = n
        vars(self).update(attributes)

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return PICTURES[index], index % 3


class Rows:
    """Rows as Hugging Face gives them; its classes are not in alphabetical order."""

    features = types.MappingProxyType({"image": None, "label": types.SimpleNamespace(names=["zebra", "ant", "cow"])})

    def __len__(self):
        return 9

    def __getitem__(self, index):
        return {"image": PICTURES[index], "label": index % 3, "patient": f"p{index % 4}"}


class Columns(Rows):
    column_names = ("image", "label", "patient")

    def __getitem__(self, index):
        if isinstance(index, str):
            assert index != "image"  # would decode all pictures
            return [super(Columns, self).__getitem__(row)[index] for row in range(9)]
        return super().__getitem__(index)


class Picture:
    """A column of pictures as Hugging Face describes it."""

    def __init__(self, decode=True, mode=None):
        self.decode, self.mode = decode, mode


class Formatted:
    """Rows as the library of Hugging Face returns them in its formats; pictures are files of several modes."""

    files = tuple(encode(PICTURES[row].convert("P" if row % 2 else "RGB"), "PNG") for row in range(9))

    def __init__(self, kind=None, picture=None, columns=None, labels=None):
        self.column_names = columns or ["image", "label"]
        names = types.SimpleNamespace(names=["zebra", "ant", "cow"])
        self.labels = labels or [row % 3 for row in range(9)]
        names = names if isinstance(self.labels[0], int) else types.SimpleNamespace(feature=names)
        self.features = {"image": picture or Picture(), "label": names}
        self.format = {"type": kind, "columns": self.column_names}

    def with_format(self, kind, columns):
        return Formatted(kind, self.features["image"], columns, self.labels)

    def cast_column(self, name, feature):
        return Formatted(self.format["type"], feature, self.column_names, self.labels)

    def __len__(self):
        return 9

    def __getitem__(self, index):
        kind = self.format["type"]
        if isinstance(index, str):
            return [self[row][index] for row in range(9)] if kind != "custom" else pytest.fail("has no such column")
        feature = self.features["image"]
        picture = {"bytes": self.files[index], "path": None}
        if feature.decode:
            picture = Image.open(io.BytesIO(self.files[index]))
            picture = picture.convert(feature.mode) if feature.mode else picture
        if kind in ("numpy", "torch"):
            picture = np.asarray(picture)  # of a palette the numbers of its colours
        row = {"image": picture, "label": self.labels[index]}
        if kind == "custom":
            return {"pixels": picture.rotate(180), "label": self.labels[index]}
        row = {name: value for name, value in row.items() if name in self.column_names}
        return tuple(row) if kind in ("pandas", "arrow") else row


@pytest.mark.parametrize("kind", [None, "numpy", "torch", "pandas", "arrow"])
def test_formats_of_hugging_face_leave_the_files_of_pictures(kind):
    images = load_images(Formatted(kind))
    assert images.classes == ["zebra", "ant", "cow"] and images.labels.tolist() == [0, 1, 2] * 3
    expected = [hashlib.sha256(data).hexdigest() for data in Formatted.files]
    assert [images.digest(row) for row in range(9)] == expected
    with pytest.raises(ValueError, match="has no column of pictures or paths; its columns are 'label'"):
        load_images(Formatted(kind, columns=["label"]))


def test_wishes_of_the_user_of_hugging_face_are_kept():
    gray = load_images(Formatted("numpy", Picture(mode="L"))).read(3)
    assert np.array_equal(
        np.asarray(gray.convert("L")), np.asarray(Image.open(io.BytesIO(Formatted.files[3])).convert("L"))
    )
    turned = load_images(Formatted("custom"))
    assert [picture.tobytes() for picture, _ in turned][::2] == [
        picture.rotate(180).tobytes() for picture in PICTURES[::2]
    ]


def test_lists_of_classes_are_several_labels():
    labels = [[0], [1, 2], []] * 3
    images = load_images(Formatted(labels=labels))
    assert images.classes == ["zebra", "ant", "cow"]
    assert images.labels.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]] * 3
    with pytest.raises(ValueError, match="label: row 3: 3, expected a whole number from 0 to 2"):
        load_images(Formatted(labels=[*labels[:3], [3], *labels[4:]]))


def test_lists_of_undeclared_meaning_are_refused():
    """A list may hold numbers of classes, or 0 and 1 for each."""

    class Listed(Pairs):
        def __getitem__(self, index):
            return PICTURES[index], [index % 2, 1]

    with pytest.raises(TypeError, match=r"label: row 0 is \[0, 1\] .*expected one class per picture"):
        load_images(Listed(classes=["ant", "cow"]))


def test_a_subset_of_rows_has_their_pictures():
    torch = pytest.importorskip("torch")
    images = load_images(torch.utils.data.Subset(Rows(), [4, 2, 0]))
    assert [images.classes[label] for label in images.labels] == ["ant", "cow", "zebra"]
    assert [picture.tobytes() for picture, _ in images] == [PICTURES[row].tobytes() for row in (4, 2, 0)]


def test_arrays_as_lists_are_pictures():
    images = load_images([(np.asarray(picture).tolist(), f"{row % 2}") for row, picture in enumerate(PICTURES)])
    assert images.read(3).tobytes() == PICTURES[3].tobytes()
    with pytest.raises(TypeError, match="is an array of int64, expected uint8"):
        load_images([([[[0, 0, 256]]], "a"), ([[[0, 0, 0]]], "b")])


@pytest.mark.parametrize("dataset", [Pairs(classes=["zebra", "ant", "cow"]), Rows(), Columns()])
def test_numbers_are_named_by_the_classes_of_the_dataset(dataset):
    images = load_images(dataset)
    assert images.classes == ["zebra", "ant", "cow"] and images.labels.tolist() == [0, 1, 2] * 3
    assert np.array_equal(np.asarray(images.read(5)), np.asarray(PICTURES[5]))
    assert pickle.loads(pickle.dumps(images)).content_hash == images.content_hash


def test_columns_of_a_dataset_are_taken_by_name():
    assert load_images(Columns(), group="patient").groups.tolist() == [f"p{index % 4}" for index in range(9)]
    with pytest.raises(ValueError, match="has no column 'patients'; its columns are 'image', 'label', 'patient'"):
        load_images(Rows(), group="patients")
    with pytest.raises(ValueError, match="without columns of names"):
        load_images(Pairs(), group="patient")


def test_targets_spare_decoding_only_if_they_are_the_labels():
    assert load_images(Pairs(targets=[0, 1, 2] * 3)).labels.tolist() == [0, 1, 2] * 3
    assert load_images(Pairs(targets=["mask.png"] * 9)).labels.tolist() == [0, 1, 2] * 3
    turned = load_images(Pairs(targets=[0, 1, 2] * 3, target_transform=lambda label: -label, classes=list("abc")))
    assert turned.classes == ["0", "1", "2"]  # the names would be those of other numbers


def test_label_outside_the_classes_is_refused():
    with pytest.raises(ValueError, match="row 2 of the Pairs is 2, expected 0 to 1"):
        load_images(Pairs(classes=["a", "b"]))


def test_random_pictures_are_found_out():
    class Random(Pairs):
        def __getitem__(self, index):
            return make_picture(np.random.randint(10**6)), index % 3

    images = load_images(Random())
    with pytest.raises(PictureError, match="leave out random transforms"):
        images.read(0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (types.SimpleNamespace(dataset=Pairs()), "give its .dataset"),
        (Pairs(0), "an empty Pairs"),
        ({1, 2}, r"give list\(source\)"),
        (7, "'int' is no bundled set's name"),
        (np.zeros((3, 8, 8, 3), np.uint8), "item 0 of the ndarray"),
    ],
)
def test_other_objects_are_refused(source, message):
    with pytest.raises((TypeError, ValueError), match=message):
        load_images(source)


def test_image_folder_is_the_folder(tmp_path):
    torchvision, torch = pytest.importorskip("torchvision"), pytest.importorskip("torch")
    folder = write_classes(tmp_path / "pets", {"cat": 2, "dog": 3})
    dataset = torchvision.datasets.ImageFolder(folder)
    images, expected = load_images(dataset), load_images(folder)
    assert images.content_hash == expected.content_hash and images.groups.tolist() == expected.groups.tolist()
    part = load_images(torch.utils.data.Subset(dataset, [4, 0, 1]))
    assert part.origins.tolist() == expected.origins[[4, 0, 1]].tolist() and part.classes == ["cat", "dog"]
    assert load_images(dataset.samples).classes == ["0", "1"]
    transformed = torchvision.datasets.ImageFolder(folder, transform=torchvision.transforms.ToTensor())
    with pytest.warns(UserWarning, match="transform isn't applied"):
        assert load_images(transformed).content_hash == expected.content_hash
    swapped = torchvision.datasets.ImageFolder(folder, target_transform=lambda label: 1 - label)
    assert load_images(swapped).labels.tolist() == [1, 1, 0, 0, 0]
    both = torch.utils.data.ConcatDataset([dataset, dataset])
    assert load_images(both).classes == ["cat", "dog"] and len(load_images(both)) == 10
    other = torchvision.datasets.ImageFolder(write_classes(tmp_path / "more", {"dog": 2, "eel": 1}))
    with pytest.raises(ValueError, match="different classes"):
        load_images(torch.utils.data.ConcatDataset([dataset, other]))


def test_labels_are_those_of_the_items_whatever_other_attributes_hold(tmp_path):
    """A dataset may shuffle, merge or correct what its `targets` and `samples` list."""
    assert load_images(Pairs(targets=[0, 2, 1, 0, 2, 1, 0, 1, 2])).labels.tolist() == [0, 1, 2] * 3
    torchvision = pytest.importorskip("torchvision")

    class Backwards(torchvision.datasets.ImageFolder):
        def __getitem__(self, index):
            picture, label = super().__getitem__(len(self) - 1 - index)
            return picture.crop((0, 0, 5, 6)), label

    dataset = Backwards(write_classes(tmp_path / "pets", {"cat": 2, "dog": 3}))
    images = load_images(dataset)
    assert images.classes == ["cat", "dog"] and images.labels.tolist() == [1, 1, 1, 0, 0]
    assert [picture.size for picture, _ in images] == [(5, 6)] * 5


@pytest.mark.parametrize(
    "named",
    [
        {"classes": {2: "cow", 0: "zebra", 1: "ant"}},
        {"classes": {"ant": 1, "cow": 2, "zebra": 0}},
        {"class_to_idx": {"ant": 1, "cow": 2, "zebra": 0}},
        {"classes": np.array(["zebra", "ant", "cow"])},
    ],
)
def test_classes_may_be_named_by_a_dict(named):
    assert load_images(Pairs(**named)).classes == ["zebra", "ant", "cow"]


def test_a_dict_of_anything_else_names_no_classes():
    assert load_images(Pairs(classes={"ant": 1, "cow": 3, "zebra": 0})).classes == ["0", "1", "2"]


def test_a_subset_by_a_mask_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"an index of a Subset: np\.False_ is a bool, expected a whole number"):
        load_images(torch.utils.data.Subset(Pairs(), np.arange(9) > 3))
    with pytest.raises(ValueError, match="an index of a Subset: True, expected a whole number"):
        load_images(torch.utils.data.Subset(Pairs(), [True, False, True]))
    with pytest.raises(ValueError, match="an index of a Subset: 9, expected a whole number"):
        load_images(torch.utils.data.Subset(Pairs(), [0, 1, 9]))
    assert load_images(torch.utils.data.Subset(Pairs(), [-1, -9, -8])).labels.tolist() == [2, 0, 1]


def test_a_file_object_is_no_tensor():
    with pytest.raises(TypeError, match="row 0 is a BytesIO, expected a path"):
        load_images([(io.BytesIO(b"x"), "a"), (io.BytesIO(b"y"), "b")])
