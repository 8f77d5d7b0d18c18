"""Sources of a picture's bytes: a file, a member of a zip archive that is never extracted, or pixels in memory."""

import functools
import hashlib
import os
import zipfile
from pathlib import Path

from PIL import Image

from tlkit.images.decode import convert_to_rgb


# A forked process shares its parent's file offset, so an open archive must never cross a fork. The process id among
# the arguments makes the cache open the archive again there.
@functools.lru_cache(maxsize=8)
def _open_archive(path, process_id):
    """Return an open zip, which each process keeps for the next picture."""
    return zipfile.ZipFile(path)


class PictureFile:
    """One picture in a file of its own (str or path); it is read only when it is needed."""

    __slots__ = ("_digest", "_stamp", "path")

    def __init__(self, path):
        self.path = Path(path)
        self._stamp = self._digest = None

    @property
    def location(self):
        """The file's path, for messages."""
        return str(self.path)

    def read_bytes(self):
        """Return the file's content."""
        return self.path.read_bytes()

    def digest(self):
        """Return the SHA-256 of the content, 64 hexadecimal digits; computed again if the file has changed."""
        status = os.stat(self.path)
        # The change time too: a copy over the file may keep size and modification time.
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        if stamp != self._stamp:
            self._digest = hashlib.sha256(self.read_bytes()).hexdigest()
            self._stamp = stamp
        return self._digest


class PictureMember:
    """One picture in a zip archive (path), by the name of its member (str)."""

    __slots__ = ("_digest", "archive", "member")

    def __init__(self, archive, member):
        self.archive = archive
        self.member = member
        self._digest = None

    @property
    def location(self):
        """Archive and member, for messages."""
        return f"{self.archive}: {self.member}"

    def read_bytes(self):
        """Return the member's content; zipfile.BadZipFile if its checksum is wrong."""
        return _open_archive(self.archive, os.getpid()).read(self.member)

    def digest(self):
        """Return the SHA-256 of the content, 64 hexadecimal digits."""
        if self._digest is None:
            self._digest = hashlib.sha256(self.read_bytes()).hexdigest()
        return self._digest


class PicturePixels:
    """One decoded picture, not copied: a PIL picture or uint8 (height, width) or (height, width, 3 or 4)."""

    __slots__ = ("location", "pixels")

    def __init__(self, pixels, location):
        self.pixels = pixels
        self.location = location  # its name in messages

    def read_bytes(self):
        """Return the pixels as a file in PPM, a format without compression; PictureError for unusual modes."""
        picture = self.pixels if isinstance(self.pixels, Image.Image) else Image.fromarray(self.pixels)
        rgb = convert_to_rgb(picture, self.location)
        return b"P6 %d %d 255\n" % rgb.size + rgb.tobytes()

    def digest(self):
        """Return the SHA-256 of size and pixels, 64 hexadecimal digits; never remembered, since pixels can change."""
        return hashlib.sha256(self.read_bytes()).hexdigest()
