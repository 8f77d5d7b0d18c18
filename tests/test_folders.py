"""A folder, or a list of files, as people really keep them."""

import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from made_pictures import encode, list_files, make_picture, write_classes
from PIL import Image

from tlkit.images import load_images


@pytest.fixture
def pets(tmp_path):
    return write_classes(tmp_path / "pets", {"cat": 3, "dog": 2})


def test_folder_becomes_a_set(pets):
    before = list_files(pets)
    images = load_images(pets)
    assert images.classes == ["cat", "dog"]
    assert images.labels.tolist() == [0, 0, 0, 1, 1] and images.labels.dtype == np.int64
    assert images.names[0] == "pets/cat/0.png" and set(images.domains) == {"pets"}
    assert len(set(images.groups)) == 5 and set(images.folds) == {-1}
    assert images.read(3).tobytes() == make_picture(3).tobytes()
    assert list_files(pets) == before


def test_domain_names_ones_own_pictures(pets):
    assert set(load_images(str(pets), domain="garden").domains) == {"garden"}
    with pytest.raises(TypeError, match=r"domain: \['a', 'b'\], expected the name"):
        load_images(pets, domain=["a", "b"])


def test_pictures_deeper_down_count_for_their_class(pets):
    (pets / "cat" / "2024" / "may").mkdir(parents=True)
    make_picture(9).save(pets / "cat" / "2024" / "may" / "x.png")
    images = load_images(pets)
    assert "pets/cat/2024/may/x.png" in images.names and (images.labels == 0).sum() == 4


def test_hidden_folders_and_files_are_ignored(pets):
    for hidden in (pets / ".ipynb_checkpoints", pets / "cat" / ".ipynb_checkpoints"):
        hidden.mkdir()
        shutil.copy(pets / "cat" / "0.png", hidden / "0-checkpoint.png")
    for litter in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (pets / "cat" / litter).write_bytes(b"litter")
    (pets / "__MACOSX").mkdir()
    images = load_images(pets)
    assert images.classes == ["cat", "dog"] and len(images) == 5


def test_copies_never_straddle_a_split(pets):
    for place in range(6):
        shutil.copy(pets / "cat" / "0.png", pets / "cat" / f"copy{place}.png")
        make_picture(100 + place).save(pets / "dog" / f"more{place}.png")
    images = load_images(pets)
    assert len(set(images.groups[[name.startswith("pets/cat/copy") for name in images.names]])) == 1
    for fold in range(3):
        train, test = images.split(test_fold=fold, n_folds=3)
        assert not {train.digest(i) for i in range(len(train))} & {test.digest(i) for i in range(len(test))}


def test_copies_in_two_classes_are_warned_of(pets):
    shutil.copy(pets / "cat" / "0.png", pets / "dog" / "same.png")
    with pytest.warns(UserWarning, match=r"1 picture in more than one class, .*cat/0.png = dog/same.png"):
        load_images(pets)


def test_empty_class_is_named(pets):
    (pets / "fox").mkdir()
    with pytest.warns(UserWarning, match="no picture in the class folders fox"):
        images = load_images(pets)
    assert images.classes == ["cat", "dog"]


def test_pictures_beside_the_class_folders_are_told(pets):
    make_picture(50).save(pets / "loose.png")
    with pytest.warns(UserWarning, match="1 picture beside the class folders, the first loose.png"):
        assert len(load_images(pets)) == 5


def test_other_files_are_counted_by_extension(pets):
    for name in ("a.heic", "b.HEIC", "c.svg", "notes"):
        (pets / "cat" / name).write_bytes(b"x")
    with pytest.warns(UserWarning, match="other files left out: 2 .heic, 1 .svg, 1 without extension"):
        assert len(load_images(pets)) == 5


def test_gif_and_avif_are_not_skipped(pets):
    make_picture(60).save(pets / "cat" / "a.gif")
    make_picture(61).save(pets / "cat" / "b.AVIF", format="AVIF")
    assert len(load_images(pets)) == 7


def test_root_instead_of_train_is_detected(tmp_path):
    for side in ("train", "Val"):
        write_classes(tmp_path / "data" / side, {"cat": 1, "dog": 1})
    with pytest.raises(ValueError, match=r'has the folders Val, train .*load_images\(".*/data/train"\)'):
        load_images(tmp_path / "data")
    assert load_images(tmp_path / "data", inside="train").classes == ["cat", "dog"]


def test_class_that_happens_to_be_called_train_is_a_class(tmp_path):
    assert load_images(write_classes(tmp_path / "vehicles", {"bus": 1, "train": 1})).classes == [
        "bus",
        "train",
    ]


def test_one_class_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one class, 'cat', expected two or more"):
        load_images(write_classes(tmp_path / "pets", {"cat": 3}))


def test_wrapped_folder_offers_the_inner_one(tmp_path):
    write_classes(tmp_path / "download" / "pets", {"cat": 1, "dog": 1})
    with pytest.raises(ValueError, match=r'holds cat, dog: did you mean load_images\(".*/download/pets"\)\?'):
        load_images(tmp_path / "download")


def test_folder_without_class_folders_is_refused(tmp_path):
    make_picture().save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="holds 1 picture in no class folder"):
        load_images(tmp_path)


def test_missing_folder_names_the_whole_path_and_the_bundled_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        load_images("style")
    assert str(tmp_path / "style") in str(caught.value) and "nearest: 'styles'" in str(caught.value)
    with pytest.raises(ValueError, match="source: an empty path"):
        load_images("")
    assert list_files(tmp_path) == []


def test_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no picture \(it is empty\)"):
        load_images(tmp_path)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.txt").write_text("x")
    with pytest.raises(ValueError, match=r"holds no picture \(only 1 .txt\)"):
        load_images(tmp_path)


def test_missing_inner_folder_names_the_nearest(pets):
    with pytest.raises(FileNotFoundError, match="has no folder 'catt'; nearest: 'cat'"):
        load_images(pets, inside="catt")
    with pytest.raises(FileNotFoundError, match=r"has no folder '\.\.'"):
        load_images(pets / "cat", inside="../dog")


def test_single_file_is_refused(pets):
    with pytest.raises(ValueError, match="is a single file and no zip"):
        load_images(pets / "cat" / "0.png")


def test_symlink_loop_ends(pets):
    (pets / "cat" / "loop").symlink_to(pets / "cat", target_is_directory=True)
    (pets / "cat" / "up").symlink_to(pets, target_is_directory=True)
    (pets / "cat" / "other").symlink_to(pets / "dog", target_is_directory=True)
    assert len(load_images(pets)) == 5


def test_class_that_is_a_link_to_another_class_is_told(pets):
    (pets / "tom").symlink_to(pets / "cat", target_is_directory=True)
    with pytest.warns(UserWarning, match="no picture in the class folders tom"):
        assert len(load_images(pets)) == 5


def test_class_that_is_a_link_to_elsewhere_is_followed(pets, tmp_path):
    write_classes(tmp_path / "elsewhere", {"fox": 2})
    make_picture(70).save(tmp_path / "elsewhere" / "fox" / "0.png")
    make_picture(71).save(tmp_path / "elsewhere" / "fox" / "1.png")
    (pets / "fox").symlink_to(tmp_path / "elsewhere" / "fox", target_is_directory=True)
    assert load_images(pets).classes == ["cat", "dog", "fox"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_named_like_a_picture_does_not_hang(pets):
    os.mkfifo(pets / "cat" / "pipe.png")
    assert len(load_images(pets)) == 5


@pytest.mark.parametrize(
    "twins",
    [("Elk", "elk"), (unicodedata.normalize("NFC", "Käfer"), unicodedata.normalize("NFD", "Käfer"))],
)
def test_twins_are_warned_of_and_can_be_merged(tmp_path, twins):
    folder = write_classes(tmp_path / "wild", {twins[0]: 2, twins[1]: 1, "fox": 1})
    if len(list(folder.iterdir())) < 3:
        pytest.skip("this file system has no such twins")
    with pytest.warns(UserWarning, match="look alike, since they differ only in case"):
        assert len(load_images(folder).classes) == 3
    merged = load_images(folder, merge_twins=True)
    assert len(merged.classes) == 2 and np.bincount(merged.labels).max() == 3


def spoil(pets):
    """Add five bad pictures to the seven that `pets` then has."""
    whole = encode(make_picture(80, size=(200, 150)), "JPEG")
    (pets / "cat" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (pets / "cat" / "empty.jpg").write_bytes(b"")
    (pets / "dog" / "notes.jpg").write_text("my shopping list")
    (pets / "dog" / "phone.png").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    Image.new("1", (8_000, 8_000)).save(pets / "dog" / "huge.png")


def test_bad_pictures_are_refused_in_one_message(pets):
    spoil(pets)
    before = list_files(pets)
    with pytest.raises(ValueError) as caught:
        load_images(pets)
    message = str(caught.value)
    assert "5 of 10 pictures can't be read" in message and 'bad="skip"' in message
    for name, reason in {
        "cat/cut.jpg": "broken JPEG",
        "cat/empty.jpg": "0 bytes",
        "dog/notes.jpg": "text, not a picture",
        "dog/phone.png": "HEIC",
        "dog/huge.png": "8,000 × 8,000 pixels",
    }.items():
        assert f"{pets / name}: " in message and reason in message
    assert list_files(pets) == before


def test_bad_pictures_are_skipped_by_consent_and_listed(pets):
    spoil(pets)
    with pytest.warns(UserWarning, match="5 of 10 pictures can't be read and are left out") as caught:
        images = load_images(pets, bad="skip")
    assert len(caught) == 1 and len(images) == 5
    assert [path.rpartition(os.sep)[2] for path, _ in images.quarantine] == [
        "cut.jpg",
        "empty.jpg",
        "huge.png",
        "notes.jpg",
        "phone.png",
    ]


def test_class_whose_pictures_are_all_bad_is_named(pets):
    (pets / "fox").mkdir()
    (pets / "fox" / "a.png").write_bytes(b"")
    with pytest.warns(UserWarning) as caught:
        assert load_images(pets, bad="skip").classes == ["cat", "dog"]
    assert any("no readable picture of fox" in str(warning.message) for warning in caught)
    shutil.rmtree(pets / "dog")
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="3 readable pictures in 1 class "):
        load_images(pets, bad="skip")


def test_unknown_way_with_bad_pictures_is_refused(pets):
    with pytest.raises(ValueError, match="bad: 'ignore', expected"):
        load_images(pets, bad="ignore")


def test_animated_pictures_are_counted(pets):
    frames = [make_picture(90), make_picture(91)]
    (pets / "cat" / "moving.gif").write_bytes(encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    make_picture(92).save(pets / "cat" / "still.gif")
    with pytest.warns(UserWarning, match="1 animated pictures, of which the first frame is taken"):
        load_images(pets)


def test_list_of_files_and_labels(pets):
    pairs = [(pets / "cat" / "0.png", "cat"), (str(pets / "dog" / "0.png"), "dog")]
    images = load_images(pairs)
    assert images.names.tolist() == ["own/cat/0.png", "own/dog/0.png"] and images.classes == ["cat", "dog"]
    assert set(load_images(pairs, domain="garden").domains) == {"garden"}


def test_names_in_a_list_stay_unique(pets, tmp_path):
    write_classes(tmp_path / "more", {"cat": 1})
    make_picture(33).save(tmp_path / "more" / "cat" / "0.png")
    pairs = [
        (pets / "cat" / "0.png", "cat"),
        (tmp_path / "more" / "cat" / "0.png", "cat"),
        (pets / "dog" / "0.png", "dog"),
    ]
    assert load_images(pairs).names.tolist() == ["own/cat/0.png", "own/cat/0 (2).png", "own/dog/0.png"]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ([], ValueError, "an empty list"),
        ([("a.png", 3), ("b.png", "dog")], TypeError, "row 0 is 3 and row 1 is 'dog'"),
        (["a.png"], TypeError, "entry 0 is 'a.png', expected"),
        ([(7, "cat")], TypeError, "picture of row 0 is a int"),
        ([("gone.png", "cat"), ("lost.png", "dog")], ValueError, "no such file"),
    ],
)
def test_bad_lists_are_refused(source, error, message):
    with pytest.raises(error, match=message):
        load_images(source)


def test_changed_file_has_another_digest_though_size_and_time_are_the_same(pets):
    images = load_images(pets)
    path = pets / "cat" / "0.png"
    digest, group, status = images.digest(0), images.content_hash, path.stat()
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size and path.stat().st_mtime_ns == status.st_mtime_ns
    assert images.digest(0) != digest and images.content_hash != group


@pytest.mark.parametrize(
    ("twins", "name"),
    [
        (("cat", "cat "), "cat"),
        (("dog", "dog\u200b"), "dog"),
        (("dog", "\ufeffdog"), "dog"),
        (("big cat", "big  cat"), "big cat"),
        (("cat", "\uff43at"), "\uff43at"),
        (("cat", "c\u0430t"), "c\u0430t"),
        (("Straße", "STRASSE"), "Straße"),
    ],
)
def test_labels_that_look_alike_are_named(pets, twins, name):
    paths = sorted(pets.rglob("*.png"))
    pairs = list(zip(paths, [*twins, "fox", "fox", "fox"], strict=True))
    with pytest.warns(UserWarning, match="classes that look alike") as caught:
        assert load_images(pairs).classes == sorted({*twins, "fox"})
    assert " and ".join(map(ascii, sorted(twins))) in str(caught[0].message)
    assert load_images(pairs, merge_twins=True).classes == sorted([name, "fox"])


def test_a_large_file_is_refused_by_its_size_alone(pets, monkeypatch):
    with open(pets / "cat" / "sparse.png", "wb") as file:
        file.truncate(2**32)
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail() if path.name == "sparse.png" else real(path))
    with pytest.raises(ValueError, match=r"sparse.png: 4,294,967,296 bytes, more than the limit of 536,870,912"):
        load_images(pets)


def test_folders_may_not_be_endlessly_deep(pets):
    os.makedirs(pets / "cat" / Path(*["a"] * 120))
    with pytest.raises(ValueError, match="has folders more than 100 deep, from 'cat' on, expected a folder for each"):
        load_images(pets)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_devices_in_a_list_are_refused(pets):
    os.mkfifo(pets / "pipe.png")
    pairs = [(pets / "pipe.png", "cat"), ("/dev/zero", "cat"), (pets / "dog", "dog"), (pets / "dog" / "0.png", "dog")]
    with pytest.raises(ValueError, match="3 of 4 pictures can't be read") as caught:
        load_images(pairs)
    assert str(caught.value).count("a folder, pipe or device, not a file") == 3
