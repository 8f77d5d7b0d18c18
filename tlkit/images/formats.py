"""Formats of pictures, recognised by their first bytes and never by the file's name."""

import re

_NAMES = "jpg jpeg jpe jfif png apng webp gif bmp dib tif tiff avif ppm pgm pbm pnm"
EXTENSIONS = frozenset(f".{name}" for name in _NAMES.split())
NAMED = EXTENSIONS | {".heic", ".heif"}  # photographs of iPhones aren't read, and the error says how to save them

_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM.{4}\0{4}",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "AVIF": rb"....ftyp(avi[fs]|(mif1|msf1).{4,28}avi[fs])",
    "PPM": rb"P[1-6]\s",
}

_OTHERS = {
    rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)": "HEIC, which is not read: export it as JPEG (“most compatible”)",
    rb"(\xef\xbb\xbf)?\s*<(svg\b|\?xml.{,900}<svg\b)": "SVG, a drawing, which is not read: export it as PNG",
    rb"\s*<(?i:!doctype\s+html|html)": "a web page, perhaps an error page in the picture's stead: download it again",
    rb"version https://git-lfs": "a Git LFS pointer, not the picture: fetch it with `git lfs pull`",
    rb"%PDF": "PDF, which is not read: export its pages as PNG",
    rb"8BPS": "a Photoshop document, which is not read: export it as PNG",
    rb"\xff\x0a|\0\0\0\x0cJXL ": "JPEG XL, which is not read: export it as PNG",
    rb"\0\0\0\x0cjP  ": "JPEG 2000, which is not read: export it as PNG",
    rb"PK\x03\x04": "a zip archive, not a picture: unpack it, or give it to load_images itself",
}


class PictureError(ValueError):
    """A picture that can't be read; `location` names it and `reason` explains why."""

    def __init__(self, location, reason):
        super().__init__(location, reason)
        self.location, self.reason = location, reason

    def __str__(self):
        return f"{self.location}: {self.reason}"


def find_format(data):
    """Return Pillow's name for the format of a picture (bytes, at least the first 1,024), or None if it isn't read."""
    return next((name for name, start in _SIGNATURES.items() if re.match(start, data, re.DOTALL)), None)


def describe_unreadable(data):
    """Return a text on the content of a file that `find_format` doesn't know, with the next step for the user."""
    head = data[:1024]
    if not head:
        return "empty (0 bytes): copy or download it again"
    for signature, description in _OTHERS.items():
        if re.match(signature, head, re.DOTALL):
            return description
    if not any(head):
        return "only zero bytes: copy or download it again"
    text = head.decode(errors="replace").rstrip("\ufffd")  # the cut may have split the last letter
    if "\ufffd" not in text and all(letter.isprintable() or letter.isspace() for letter in text):
        return "text, not a picture, whatever its name says: remove it"
    return "in no picture format known here: open it in a picture program and save it as PNG or JPEG"
