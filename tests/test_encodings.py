"""Names in other encodings than UTF-8, in zips and on the disk."""

import itertools
import os
import pickle
import struct
import zipfile
import zlib

import pytest
from made_pictures import encode, make_picture

from tlkit.images import load_images
from tlkit.images.encodings import guess_encoding

NAMES = {
    "gbk": ["苹果", "香蕉", "橘子", "西瓜", "正常", "异常", "猫", "乙型肝炎", "恶性", "向日葵", "蒲公英"],
    "big5": ["貓", "狗", "蘋果", "香蕉", "向日葵", "玫瑰", "良性", "惡性"],
    "cp932": ["りんご", "みかん", "犬", "ひまわり", "良性", "悪性", "トンボ"],
    "cp949": ["고양이", "강아지", "사과", "바나나", "해바라기", "정상", "비정상", "말"],
    "cp866": ["кошка", "собака", "Яблоко"],
    "cp437": ["Käfer", "Château", "Löwe", "Äpfel", "Élan"],
    "cp1252": ["café", "Käfer", "Straße", "Löwe"],
    "mac_roman": ["café", "Straße", "hérisson", "Löwe", "niño", "città", "São"],
    "cp850": ["ørn", "fløde", "Ærø", "maçã"],
}


@pytest.mark.parametrize("encoding", NAMES)
def test_two_names_show_their_encoding(encoding):
    for pair in itertools.combinations(NAMES[encoding], 2):
        assert guess_encoding([name.encode(encoding) for name in pair]) == encoding


class Entry(zipfile.ZipInfo):
    """An entry whose name is written in an encoding without the flag of UTF-8."""

    encoding = "gbk"

    def _encodeFilenameFlags(self):
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


def write_zip(path, names, encoding, extra=b""):
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            entry = Entry(f"{name}/0.png")
            entry.encoding = encoding
            entry.extra = extra(entry) if extra else b""
            archive.writestr(entry, encode(make_picture(number)))
    return path


@pytest.mark.parametrize("encoding", ["gbk", "big5", "cp932", "cp949", "cp866", "mac_roman", "cp850"])
def test_zip_shows_the_names_of_its_classes(tmp_path, encoding):
    names = NAMES[encoding][:3]
    with pytest.warns(UserWarning, match=f"3 names are not UTF-8 and read as {encoding}, the first"):
        images = load_images(write_zip(tmp_path / "a.zip", names, encoding))
    assert images.classes == sorted(names)
    assert pickle.loads(pickle.dumps(images)).read(0).size == (12, 10)


@pytest.mark.parametrize("encoding", ["utf-8", "cp437"])
def test_zip_in_a_sure_encoding_needs_no_word(tmp_path, encoding):
    assert load_images(write_zip(tmp_path / "a.zip", ["Käfer", "Löwe"], encoding)).classes == ["Käfer", "Löwe"]


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["Käfer", "dog"], "mac_roman"),
        (["Äpfel", "dog"], "mac_roman"),
        (["naïf", "dog"], "mac_roman"),
        (["Åben", "dog"], "mac_roman"),
        (["pão", "avião"], "cp860"),
        (["miś", "dog"], "cp852"),
        (["šnek", "dog"], "cp1250"),
        (["águila", "dog"], "cp1252"),
    ],
)
def test_names_that_would_be_as_likely_in_another_encoding_are_told(tmp_path, names, encoding):
    with pytest.warns(UserWarning, match="1 names are not UTF-8|2 names are not UTF-8"):
        assert len(load_images(write_zip(tmp_path / "a.zip", names, encoding)).classes) == 2


def test_letters_with_a_backslash_among_their_bytes_are_letters(tmp_path):
    with pytest.warns(UserWarning, match="read as cp932"):
        images = load_images(write_zip(tmp_path / "a.zip", ["ソース", "りんご", "表示"], "cp932"))
    assert images.classes == sorted(["ソース", "りんご", "表示"])


def test_unicode_path_of_info_zip_goes_first(tmp_path):
    def add_path(entry, name=None):
        raw = entry.filename.encode("gbk")
        content = b"\1" + struct.pack("<I", zlib.crc32(name or raw)) + entry.filename.replace("猫", "貓").encode()
        return struct.pack("<HH", 0x7075, len(content)) + content

    assert load_images(write_zip(tmp_path / "a.zip", ["猫", "狗"], "gbk", add_path)).classes == ["狗", "貓"]
    with pytest.warns(UserWarning, match="gbk"):  # made for another name
        stale = write_zip(tmp_path / "b.zip", ["猫", "狗"], "gbk", lambda entry: add_path(entry, b"x"))
        assert load_images(stale).classes == ["狗", "猫"]


def test_inside_takes_the_decoded_name(tmp_path):
    path = write_zip(tmp_path / "a.zip", ["动物/猫", "动物/狗", "其他/x"], "gbk")
    with pytest.warns(UserWarning, match="gbk"):
        assert load_images(path, inside="动物").classes == ["狗", "猫"]


@pytest.fixture
def odd_folder(tmp_path):
    """Return a folder of which two classes have names that are no UTF-8, or act on terminals."""
    number = 0
    for name in (b"caf\xe9", b"esc\x1b[8m", b"plain"):
        folder = os.path.join(os.fsencode(tmp_path), b"data", name)
        os.makedirs(folder)
        for _ in range(3):
            with open(os.path.join(folder, b"%d\xe9.png" % number), "wb") as file:
                file.write(encode(make_picture(number)))
            number += 1
    return tmp_path / "data"


def test_names_that_are_no_utf8_can_be_used_everywhere(odd_folder, tmp_path):
    with pytest.warns(UserWarning, match="names are not UTF-8 and read as cp1252"):
        images = load_images(odd_folder)
    assert images.classes == ["café", r"esc\x1b[8m", "plain"]
    texts = [*images.names, *images.titles, *images.origins, *images.classes, images.describe()._repr_html_()]
    assert "".join(texts).encode().isascii() is False and "\x1b" not in "".join(texts)
    assert len(images.few(2)) == 6 and len(images.content_hash) == 64
    images.attribution().to_csv(tmp_path / "a.csv")
    assert images.read(0).size == (12, 10) and repr(images.describe()).encode()


def test_odd_names_in_a_list_can_be_used_everywhere(odd_folder):
    pairs = [(path, path.parent.name) for path in odd_folder.rglob("*.png")]
    images = load_images(pairs)
    assert images.classes == [r"caf\udce9", r"esc\x1b[8m", "plain"]
    assert "\n".join([*images.names, *images.titles, *images.origins]).encode() and len(images.few(1)) == 3


def test_errors_show_no_control_characters(odd_folder):
    (odd_folder / "plain" / "bad\x1b[8m.png").write_bytes(b"")
    with pytest.raises(ValueError, match="can't be read") as caught, pytest.warns(UserWarning):
        load_images(odd_folder)
    assert "\x1b" not in str(caught.value) and r"bad\x1b[8m.png" in str(caught.value)


@pytest.mark.parametrize("name", ["苹果".encode("gbk").decode("cp437"), "é".encode().decode("latin-1"), "caf\ufffd"])
def test_names_that_look_garbled_are_told(tmp_path, name):
    for number, folder in enumerate([name, "plain", "Äpfel"]):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0.png").write_bytes(encode(make_picture(number)))
    archive = write_zip(tmp_path / ".again.zip", [name, "plain"], "utf-8")
    for source in (tmp_path, archive):
        with pytest.warns(UserWarning, match=r"1 garbled name, the first .*load the archive itself, or rename"):
            assert name in load_images(source).classes
