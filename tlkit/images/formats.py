"""Formats of pictures, recognised by their first bytes and never by the file's name."""

import codecs
import re

EXTENSIONS = frozenset(
    f".{name}"
    for names in ("jpg jpeg jpe jfif png apng webp gif", "bmp dib tif tiff avif ppm pgm pbm pnm")
    for name in names.split()
)

_SIGNATURES = (
    ("JPEG", re.compile(rb"\xff\xd8\xff")),
    ("PNG", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("WEBP", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("GIF", re.compile(rb"GIF8[79]a")),
    ("BMP", re.compile(rb"BM.{4}\0{4}", re.DOTALL)),
    ("TIFF", re.compile(rb"II[*+]\0|MM\0[*+]")),
    ("AVIF", re.compile(rb"....ftypavi[fs]", re.DOTALL)),
    ("PPM", re.compile(rb"P[1-6]\s")),
)

_OTHERS = (
    (
        re.compile(rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL),
        "HEIC, a phone's format, which is not read: export it as JPEG (on a phone: “most compatible”)",
    ),
    (
        re.compile(rb"(\xef\xbb\xbf)?\s*<(svg\b|\?xml.{,900}<svg\b)", re.DOTALL),
        "SVG, a drawing without pixels, which is not read: export it as PNG",
    ),
    (
        re.compile(rb"\s*<(!doctype\s+html|html)", re.IGNORECASE),
        "a web page, perhaps an error page saved in the picture's stead: download it again",
    ),
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer, not the picture: fetch it with `git lfs pull`"),
    (re.compile(rb"%PDF"), "PDF, which is not read: export its pages as PNG"),
    (re.compile(rb"8BPS"), "a Photoshop document, which is not read: export it as PNG"),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "), "JPEG XL, which is not read: export it as PNG"),
    (re.compile(rb"\0\0\0\x0cjP  "), "JPEG 2000, which is not read: export it as PNG"),
    (re.compile(rb"PK\x03\x04"), "a zip archive, not a picture: unpack it, or give it to load_images itself"),
)


class PictureError(ValueError):
    """A picture that can't be read; `location` names it and `reason` explains why."""

    def __init__(self, location, reason):
        super().__init__(location, reason)
        self.location, self.reason = location, reason

    def __str__(self):
        return f"{self.location}: {self.reason}"


def find_format(data):
    """Return Pillow's name for the format of a picture (bytes, at least the first 1,024), or None if it isn't read.

    >>> find_format(b"GIF89a")
    'GIF'
    """
    return next((name for name, signature in _SIGNATURES if signature.match(data)), None)


def describe_unreadable(data):
    """Return a text on the content of a file that `find_format` doesn't know, with the next step for the user.

    >>> describe_unreadable(b"")
    'empty (0 bytes): copy or download it again'
    >>> describe_unreadable(b"my shopping list")
    'text, not a picture, whatever its name says: remove it'
    """
    head = data[:1024]
    if not head:
        return "empty (0 bytes): copy or download it again"
    for signature, description in _OTHERS:
        if signature.match(head):
            return description
    if not any(head):
        return "only zero bytes: copy or download it again"
    # Incremental, since the cut at 1,024 bytes may have split a letter.
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    if all(letter.isprintable() or letter.isspace() for letter in text):
        return "text, not a picture, whatever its name says: remove it"
    return "in no picture format known here: open it in a picture program and save it as PNG or JPEG"
