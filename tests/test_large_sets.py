"""Sets of more pictures than are decoded when they are loaded."""

import pytest
from made_pictures import encode, make_picture, write_classes

from tlkit.images import load_images, scan
from tlkit.images.decode import PictureError


@pytest.fixture
def pets(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "N_DECODED", 5)
    return write_classes(tmp_path / "pets", {"cat": 3, "dog": 4})


def test_large_set_equals_a_small_one(pets, monkeypatch):
    with pytest.warns(UserWarning, match="only the first and last bytes"):
        large = load_images(pets)
    monkeypatch.setattr(scan, "N_DECODED", 7)
    small = load_images(pets)
    assert large.content_hash == small.content_hash and large.groups.tolist() == small.groups.tolist()
    assert large.titles.tolist() == ["0.png", "1.png", "2.png", "0.png", "1.png", "2.png", "3.png"]
    assert large.origins.tolist() == small.origins.tolist() == [str(pets / name[5:]) for name in large.names]


@pytest.mark.filterwarnings("ignore:.*only the first and last bytes")
@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_files_that_are_cut_or_no_pictures_are_found_at_once(pets, name):
    content = encode(make_picture(70, (60, 50)), name)
    path = pets / "cat" / f"9.{name.lower()}"
    path.write_bytes(content)
    assert len(load_images(pets)) == 8
    for damaged, reason in ((content[: len(content) // 2], "broken"), (b"my shopping list", "text"), (b"", "empty")):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"1 of 8 pictures can't be read(.|\n)*{reason}"):
            load_images(pets)


@pytest.mark.filterwarnings("ignore:.*only the first and last bytes")
def test_picture_damaged_inside_is_named_when_it_is_used(pets):
    path = pets / "dog" / "2.png"
    content = bytearray(path.read_bytes())
    content[45:60] = bytes(15)
    path.write_bytes(content)
    images = load_images(pets)
    with pytest.raises(PictureError, match=r"2\.png: broken PNG"):
        images.read(5)
    with pytest.warns(UserWarning, match="left out"):
        assert len(load_images(pets, bad="skip")) == 6


@pytest.mark.filterwarnings("ignore:.*only the first and last bytes")
def test_animated_pictures_of_a_large_set_are_counted(pets):
    frames = [make_picture(90), make_picture(91)]
    for name in ("GIF", "WEBP", "PNG"):
        (pets / "cat" / f"moving.{name.lower()}").write_bytes(
            encode(frames[0], name, save_all=True, append_images=frames[1:])
        )
    with pytest.warns(UserWarning, match="3 animated pictures"):
        load_images(pets)


def test_equal_entries_take_the_memory_of_one(pets, monkeypatch):
    monkeypatch.setattr(scan, "N_DECODED", 7)
    images = load_images(pets)
    for name in ("domains", "authors", "licences", "roles", "folds"):
        assert getattr(images, name).strides == (0,) and not getattr(images, name).flags.writeable
    assert images[2:4].domains.tolist() == ["pets", "pets"] and "origins" not in vars(images[2:4])
