"""Where a picture's bytes lie: in a file, in a member of a zip archive that is never extracted, or in memory."""

import functools
import hashlib
import os
import zipfile
from pathlib import Path

from PIL import Image

from tlkit.images.decode import convert_to_rgb


@functools.lru_cache(maxsize=8)
def _open_archive(path, process_id):
    # A forked worker shares its parent's file offset, so an open archive must never cross a fork:
    # hence the process id among the arguments.
    return zipfile.ZipFile(path)


class PictureFile:
    """One picture in a file of its own.

    Arguments
    ---------
    path: str or path
        The file. Nothing is read before it is asked for.
    """

    __slots__ = ("_digest", "_stamp", "path")

    def __init__(self, path):
        self.path = Path(path)
        self._stamp = self._digest = None

    @property
    def location(self):
        """The file's path, for messages (str)."""
        return str(self.path)

    def read_bytes(self):
        """Return the file's content (bytes)."""
        return self.path.read_bytes()

    def digest(self):
        """Return the SHA-256 of the content (64 hexadecimal digits); anew once the file has changed."""
        status = os.stat(self.path)
        # The change time too: a copy that keeps size and modification time is another picture all the same.
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        if stamp != self._stamp:
            self._digest = hashlib.sha256(self.read_bytes()).hexdigest()
            self._stamp = stamp
        return self._digest


class PictureMember:
    """One picture in a zip archive.

    Arguments
    ---------
    archive: path
        The zip.
    member: str
        The picture's name in it.
    """

    __slots__ = ("_digest", "archive", "member")

    def __init__(self, archive, member):
        self.archive = archive
        self.member = member
        self._digest = None

    @property
    def location(self):
        """Archive and member, for messages (str)."""
        return f"{self.archive}: {self.member}"

    def read_bytes(self):
        """Return the member's content (bytes); zipfile.BadZipFile when its checksum is wrong."""
        return _open_archive(self.archive, os.getpid()).read(self.member)

    def digest(self):
        """Return the SHA-256 of the content (64 hexadecimal digits)."""
        if self._digest is None:
            self._digest = hashlib.sha256(self.read_bytes()).hexdigest()
        return self._digest


class PicturePixels:
    """One picture that is already decoded.

    Arguments
    ---------
    pixels: PIL picture, or (height, width) or (height, width, 3 or 4) uint8
        Isn't copied.
    location: str
        What to call it in messages.
    """

    __slots__ = ("location", "pixels")

    def __init__(self, pixels, location):
        self.pixels = pixels
        self.location = location

    def read_bytes(self):
        """Return the pixels as a file (bytes) of a format without compression, PPM; PictureError for odd modes."""
        picture = self.pixels if isinstance(self.pixels, Image.Image) else Image.fromarray(self.pixels)
        rgb = convert_to_rgb(picture, self.location)
        return b"P6 %d %d 255\n" % rgb.size + rgb.tobytes()

    def digest(self):
        """Return the SHA-256 of size and pixels (64 hexadecimal digits); always anew, since pixels can be changed."""
        return hashlib.sha256(self.read_bytes()).hexdigest()
