"""A zip of class folders, well meant or not."""

import os
import stat
import tracemalloc
import warnings
import zipfile

import pytest
from made_pictures import encode, list_files, make_picture, write_zip

from tlkit.images import load_images, trees
from tlkit.images.decode import PictureError


def make_entries(prefix=""):
    """Return two pictures of each of two classes as zip entries."""
    return [
        (f"{prefix}{label}/{place}.png", encode(make_picture(number)))
        for number, (label, place) in enumerate([("cat", 0), ("cat", 1), ("dog", 0), ("dog", 1)])
    ]


def refuse(path, message):
    """Check that a zip is refused with a message, and that nothing is written."""
    before = list_files(path.parent)
    with pytest.raises(ValueError, match=message) as caught:
        load_images(path)
    assert str(path) in str(caught.value)
    assert list_files(path.parent) == before


def test_zip_becomes_a_set_and_is_never_extracted(tmp_path):
    path = write_zip(tmp_path / "pets.zip", make_entries())
    before = list_files(tmp_path)
    images = load_images(path)
    assert images.classes == ["cat", "dog"] and images.names[0] == "pets/cat/0.png"
    assert images.read(2).tobytes() == make_picture(2).tobytes()
    assert list_files(tmp_path) == before


def test_zip_equals_the_folder_it_was_made_from(tmp_path):
    path = write_zip(tmp_path / "pets.zip", make_entries())
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "pets")
    from_zip, from_folder = load_images(path), load_images(tmp_path / "pets")
    assert from_zip.content_hash == from_folder.content_hash
    assert from_zip.groups.tolist() == from_folder.groups.tolist()
    assert from_zip.names.tolist() == from_folder.names.tolist()


def test_wrapping_folder_and_litter_in_a_zip_are_passed_over(tmp_path):
    litter = [("__MACOSX/pets/cat/._0.png", b"x"), ("pets/.DS_Store", b"x"), ("pets/cat/Thumbs.db", b"x")]
    images = load_images(write_zip(tmp_path / "a.zip", make_entries("pets/") + litter))
    assert images.classes == ["cat", "dog"] and len(images) == 4


def test_splits_in_a_zip_are_detected_and_one_can_be_taken(tmp_path):
    entries = make_entries("data/train/") + make_entries("data/val/")
    path = write_zip(tmp_path / "a.zip", entries)
    with pytest.raises(ValueError, match=r'load_images\(".*/a.zip", inside="data/train"\)'):
        load_images(path)
    assert len(load_images(path, inside="data/train")) == 4
    with pytest.raises(FileNotFoundError, match="no folder 'data/trian'; nearest: 'data/train'"):
        load_images(path, inside="data/trian")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.png", "leads out of the archive"),
        ("cat/../../evil.png", "leads out of the archive"),
        ("/etc/evil.png", "has an absolute path"),
        ("C:/evil.png", "has an absolute path"),
        ("C:\\evil.png", "has an absolute path"),
        ("\\\\server\\evil.png", "has an absolute path"),
        ("cat\\evil.png", "has a backslash"),
        ("cat/evil\n.png", "has a control character"),
    ],
)
def test_names_that_lead_out_of_the_zip_are_refused(tmp_path, name, message):
    refuse(write_zip(tmp_path / "a.zip", [*make_entries(), (name, b"x")]), message)


def test_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refuse(write_zip(tmp_path / "a.zip", [*make_entries(), (link, b"/etc/passwd")]), "is a link, not a file")


def test_bomb_of_one_large_entry_is_refused(tmp_path):
    entries = [*make_entries(), ("cat/bomb.png", bytes(3 * 2**20))]
    path = write_zip(tmp_path / "a.zip", entries, compression=zipfile.ZIP_DEFLATED)
    refuse(path, "'cat/bomb.png' grows from")


def test_bomb_of_many_small_entries_is_refused(tmp_path):
    entries = [(f"cat/{place}.png", bytes(2**19)) for place in range(20)]
    path = write_zip(tmp_path / "a.zip", entries, compression=zipfile.ZIP_DEFLATED)
    refuse(path, "'the whole' grows from")


def test_too_many_bytes_or_entries_are_refused(tmp_path, monkeypatch):
    path = write_zip(tmp_path / "a.zip", make_entries())
    monkeypatch.setattr(trees, "MAX_TOTAL_BYTES", 500)
    refuse(path, "bytes when unpacked, more than the limit of 500")
    monkeypatch.setattr(trees, "MAX_ENTRIES", 3)
    refuse(path, "4 entries, more than the limit of 3")


def test_entry_that_is_larger_than_it_says_is_not_unpacked(tmp_path):
    path = write_zip(tmp_path / "a.zip", [*make_entries(), ("dog/9.png", bytes(2**20))], compression=8)
    content = path.read_bytes()
    claimed = (2**20).to_bytes(4, "little")
    assert content.count(claimed) == 2
    path.write_bytes(content.replace(claimed, (999).to_bytes(4, "little")))
    refuse(path, "1 of 5 pictures can't be read")


def test_encrypted_zip_is_refused_plainly(tmp_path):
    path = write_zip(tmp_path / "a.zip", make_entries())
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1
    path.write_bytes(content)
    refuse(path, "is encrypted .*without a password")


@pytest.mark.parametrize("share", [0, 0.3, 0.999])
def test_truncated_zip_is_refused_plainly(tmp_path, share):
    path = write_zip(tmp_path / "a.zip", make_entries())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refuse(path, r"bytes\) is no whole zip archive .*download it again")


def test_wrong_checksum_is_that_pictures_fault(tmp_path):
    path = write_zip(tmp_path / "a.zip", make_entries())
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 1
    path.write_bytes(content)
    refuse(path, "1 of 4 pictures can't be read.*\n.*cat/0.png: can't be read .*CRC")
    with pytest.warns(UserWarning, match="1 of 4"):
        assert len(load_images(path, bad="skip")) == 3


def test_duplicate_names_are_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Duplicate name")
        path = write_zip(tmp_path / "a.zip", [*make_entries(), ("cat/0.png", b"other")])
    refuse(path, "'cat/0.png' is there twice")


def test_names_that_differ_only_in_case_are_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", [*make_entries(), ("Cat/0.PNG", b"other")])
    refuse(path, "'Cat/0.PNG' is there beside 'cat/0.png', which differs only in case")


def test_zip_is_read_by_threads_and_after_a_pickle(tmp_path):
    import pickle
    from concurrent.futures import ThreadPoolExecutor

    images = load_images(write_zip(tmp_path / "a.zip", make_entries()))
    copy = pickle.loads(pickle.dumps(images))
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(copy.read, list(range(4)) * 20))
    assert all(picture.tobytes() == make_picture(n % 4).tobytes() for n, picture in enumerate(pictures))


def test_a_zip_that_was_replaced_gives_the_new_pictures(tmp_path):
    path = write_zip(tmp_path / "a.zip", make_entries())
    old = load_images(path)
    digest, pixels = old.content_hash, old.read(0).tobytes()
    status = path.stat()
    write_zip(tmp_path / "new.zip", make_entries()[::-1])
    entries = [(name, encode(make_picture(50 + place))) for place, (name, _) in enumerate(make_entries())]
    write_zip(tmp_path / "new.zip", entries)
    os.utime(tmp_path / "new.zip", ns=(status.st_atime_ns, status.st_mtime_ns))
    (tmp_path / "new.zip").replace(path)
    new = load_images(path)
    assert new.read(0).tobytes() == make_picture(50).tobytes() != pixels
    assert new.content_hash != digest and old.content_hash == new.content_hash
    write_zip(path, [("cat/new.png", encode(make_picture(1))), ("dog/new.png", encode(make_picture(2)))])
    with pytest.raises(PictureError, match=r"cat/0.png: not in the zip, which was replaced: load the pictures again"):
        old.read(0)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_entries_are_unpacked_no_further_than_they_state(tmp_path, method):
    bomb, stated = bytes(60_000_000), 3_000
    entries = [*make_entries(), ("dog/bomb.png", bomb)]
    path = write_zip(tmp_path / "a.zip", entries, compression=method)
    content = path.read_bytes()
    path.write_bytes(content.replace(len(bomb).to_bytes(4, "little"), stated.to_bytes(4, "little")))
    tracemalloc.start()
    try:
        with pytest.warns(UserWarning, match="1 of 5"):
            images = load_images(path, bad="skip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [images.read(index).tobytes() for index in range(4)] == [make_picture(n).tobytes() for n in range(4)]
    assert peak < 30_000_000 or method == zipfile.ZIP_BZIP2  # its shortest blocks unpack to 46 MB


def test_members_that_state_too_much_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tlkit.images.decode.MAX_FILE_BYTES", 200)
    path = write_zip(tmp_path / "a.zip", [*make_entries(), ("cat/big.png", bytes(range(250)))])
    refuse(path, r"cat/big.png: 250 bytes, more than the limit of 200")


def test_folders_in_a_zip_may_not_be_endlessly_deep(tmp_path):
    deep = "cat/" + "a/" * 1_500 + "0.png"
    refuse(write_zip(tmp_path / "a.zip", [*make_entries(), (deep, encode(make_picture()))]), "more than 100 deep")


@pytest.mark.filterwarnings("ignore:.*other files left out")
@pytest.mark.parametrize("names", [["run.json", "figures/confusion.png"], ["comparison.csv", "comparison.png"]])
def test_what_commands_wrote_among_the_pictures_is_no_class(tmp_path, names):
    numbers = {"cat": (0, 1), "dog": (2, 3)}
    files = [
        (f"{name}/{place}.png", encode(make_picture(place))) for name, places in numbers.items() for place in places
    ]
    picture = encode(make_picture(9))
    written = [(f"out/{name}", picture) for name in names]
    packed = write_zip(tmp_path / "pets.zip", [*files, ("out/", b""), *written])
    assert load_images(packed).classes == ["cat", "dog"]
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "pets")
    assert load_images(tmp_path / "pets").classes == ["cat", "dog"]
    # One of the names alone may be a picture's or its notes'.
    for number, name in enumerate(names):
        inside = [("out/a.png", encode(make_picture(8))), (f"out/{name}", picture)]
        alone = write_zip(tmp_path / f"{number}.zip", [*files, *inside])
        with zipfile.ZipFile(alone) as archive:
            archive.extractall(tmp_path / str(number))
        for source in (alone, tmp_path / str(number)):
            assert load_images(source).classes == ["cat", "dog", "out"]
