"""Pictures without labels, in any form."""

import numpy as np
import pandas as pd
import pytest
from made_networks import make_tiny_backbone
from made_pictures import make_picture, write_classes

import tlkit as tl
from tlkit.images.inputs import gather_pictures


@pytest.fixture
def folder(tmp_path):
    folder = write_classes(tmp_path / "all", {"a": 2, "b": 1})
    (folder / ".hidden").mkdir()
    make_picture(9).save(folder / ".hidden" / "x.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_folder_file_and_column_are_gathered(folder):
    images = gather_pictures(folder)
    assert images.origins.tolist() == [str(folder / name) for name in ("a/0.png", "a/1.png", "b/0.png")]
    assert images.classes == ["unlabelled"] and len(set(images.groups)) == 3
    assert gather_pictures(str(folder / "b" / "0.png")).origins.tolist() == [str(folder / "b" / "0.png")]
    table = pd.DataFrame({"path": images.origins})
    for column in (table, table.path, table.path.to_numpy()):
        assert gather_pictures(column).content_hash == images.content_hash


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda folder: folder / "gone", FileNotFoundError, "images: item 0 is .*gone', which is no file"),
        (lambda folder: (folder / "empty").mkdir() or folder / "empty", ValueError, "images: the folder .* no picture"),
        (lambda folder: pd.DataFrame({"path": [], "label": []}), TypeError, "images: a whole table"),
        (lambda folder: 7, TypeError, "images: a int"),
        (lambda folder: [np.zeros((4, 4))], TypeError, "images: item 0 is an array of float64"),
    ],
)
def test_other_inputs_are_refused_by_the_name_of_the_argument(folder, make, error, message):
    with pytest.raises(error, match=message):
        gather_pictures(make(folder), "images")


def test_features_need_no_labels(folder):
    (folder / "notes.txt").unlink()
    settings = {"engine": "torch", "cache": False, "progress": False}
    features = tl.extract_features(make_tiny_backbone(), folder, **settings)
    expected = tl.extract_features(make_tiny_backbone(), tl.load_images(folder), **settings)
    assert np.array_equal(features.values, expected.values) and features.classes == ["unlabelled"]


class Endless:
    """A dataset whose items don't end with an IndexError."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return make_picture(index % 3), 0


def test_dataset_ends_with_its_length():
    assert len(gather_pictures(Endless())) == 3
