"""Sources of a picture's bytes: a file, a member of a zip archive that is never extracted, or pixels in memory."""

import contextlib
import functools
import hashlib
import os
import stat
import sys
import zipfile

import numpy as np
from PIL import Image, ImageFile

from tlkit.images.decode import check_size, open_picture, read_orientation, turn_upright, write_array
from tlkit.images.formats import PictureError
from tlkit.images.rgb import convert_to_rgb
from tlkit.names import make_printable

_SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx", "__pycache__", "@eadir", "#recycle", "$recycle.bin"}
_SYSTEM_FILES |= {"system volume information", "lost+found", "lost.dir", "recycler", "icon\r", "@tmp", "@recycle"}
_SYSTEM_FILES |= {"@recently-snapshot", "#snapshot", "~snapshot", "network trash folder", "temporary items"}
RUN_FILES = {"run.json", "figures"}, {"comparison.csv", "comparison.png"}


def is_ignored(name):
    """Return whether a file or folder is hidden, or made by an operating system."""
    return name.startswith(".") or name.casefold() in _SYSTEM_FILES


def is_run(folder):
    """Return whether `train` or `compare` wrote a folder (path), whose figures are no pictures to learn from."""
    return any(all(os.path.exists(f"{folder}/{name}") for name in names) for names in RUN_FILES)


# A forked process shares its parent's file offset, so an open archive must never cross a fork. The process id among
# the arguments makes the cache open the archive again there, and the stamp makes it do so if the file was replaced.
@functools.lru_cache(maxsize=8)
def _open_archive(path, process_id, stamp):
    """Return an open zip, which each process keeps for the next picture."""
    return zipfile.ZipFile(path)


def _find_stamp(path):
    """Return what changes with the content of a file."""
    status = os.stat(path)
    # The change time too: a copy over the file may keep size and modification time.
    stamp = hash((status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    return stamp.to_bytes(8, "little", signed=True)


class _Stored:
    """A picture in a file or archive (`path`), read only when it is needed; messages show its `location`."""

    __slots__ = ("_known",)

    def __init__(self):
        self._known = b""  # stamp and digest; together, as bytes, they take less memory

    def digest(self):
        """Return the SHA-256 of the content, 64 hexadecimal digits; computed again if the file has changed."""
        if not self._known or _find_stamp(self.path) != self._known[:8]:
            self.read_and_hash()
        return self._known[8:].hex()

    def read_and_hash(self):
        """Return the content, whose SHA-256 is remembered."""
        stamp, content = _find_stamp(self.path), self.read_bytes()
        self._known = stamp + hashlib.sha256(content).digest()
        return content


class PictureFile(_Stored):
    """One picture in a file of its own (str or path)."""

    __slots__ = ("_folder", "_name")

    def __init__(self, path):
        super().__init__()
        path = os.fspath(path)
        self._name = os.path.basename(path)
        self._folder = sys.intern(path[: len(path) - len(self._name)])  # once for all files in it

    @property
    def path(self):
        """The file, as a str."""
        return self._folder + self._name

    @property
    def location(self):
        """The file, for messages."""
        return make_printable(self.path)

    def read_bytes(self):
        """Return the file's content; PictureError if it is too large or no file, whose reading may never end."""
        status = os.stat(self.path)
        if not stat.S_ISREG(status.st_mode):
            raise PictureError(self.location, "a folder, pipe or device, not a file: correct its path")
        check_size(status.st_size, self.location)
        with open(self.path, "rb", buffering=0) as file:
            return file.read()


class PictureMember(_Stored):
    """One picture in a zip archive (path), by the name of its member (str), which messages may show decoded."""

    __slots__ = ("location", "member", "path")

    def __init__(self, archive, member, shown=None):
        super().__init__()
        self.path, self.member, self.location = archive, member, make_printable(f"{archive}: {shown or member}")

    def read_bytes(self):
        """Return the member's content; zipfile.BadZipFile if its checksum is wrong."""
        archive = _open_archive(self.path, os.getpid(), _find_stamp(self.path))
        if self.member not in archive.NameToInfo:
            raise PictureError(self.location, "not in the zip, which was replaced: load the pictures again")
        entry = archive.getinfo(self.member)
        check_size(entry.file_size, self.location)
        # A member may be larger than the zip's directory states, so it is unpacked in steps and no further. Packed
        # bytes come in small steps too, except for "deflate", which can stop in between.
        n_step = entry.file_size if entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else 64
        with archive.open(entry) as file:
            file.MIN_READ_SIZE = n_step
            return b"".join(iter(lambda: file.read(n_step), b""))


class PicturePixels:
    """One decoded picture, not copied: a PIL picture or uint8 (height, width) or (height, width, n_channels)."""

    __slots__ = ("location", "pixels")

    def __init__(self, pixels, location):
        self.pixels = pixels
        self.location = location  # its name in messages

    def read_bytes(self):
        """Return a picture's file, or else its pixels as PPM, a format without compression; PictureError if unusual."""
        if isinstance(self.pixels, np.ndarray) and self.pixels.ndim == 3 and self.pixels.shape[2] != 3:
            return write_array(self.pixels)
        picture = self.pixels if isinstance(self.pixels, Image.Image) else Image.fromarray(self.pixels)
        if content := _read_unloaded(picture):
            return content
        rgb = turn_upright(convert_to_rgb(picture, self.location), read_orientation(picture))
        return b"P6 %d %d 255\n" % rgb.size + rgb.tobytes()

    def digest(self):
        """Return the SHA-256 of size and pixels, 64 hexadecimal digits; never remembered, since pixels can change."""
        return hashlib.sha256(self.read_bytes()).hexdigest()


def _read_unloaded(picture):
    """Return the bytes of the file that a PIL picture was opened from, if nothing was read or changed yet, or None."""
    # Read in this way the picture is the same as by its path, to the bit and in all engines.
    if not isinstance(picture, ImageFile.ImageFile):
        return None
    with contextlib.suppress(Exception):  # then the pixels are taken
        if not picture.tile:  # loaded: Pillow keeps the high byte of deep colours only
            with Image.open(picture.filename if picture.format in ("PNG", "TIFF") else "") as again:
                again.load()
                return PictureFile(again.filename).read_bytes() if again == picture else None
        if hasattr(picture.fp, "getvalue"):
            content = picture.fp.getvalue()
        else:
            path = picture.filename or picture.fp.name
            is_same = os.path.samestat(os.fstat(picture.fp.fileno()), os.stat(path))
            content = PictureFile(path).read_bytes() if is_same else b""
        if open_picture(content, "").tile == picture.tile:
            return content
    return None
