"""Media: pictures, or what else a table or folder holds one of per row or file, with the words of its messages."""

import typing
from collections.abc import Callable

from tlkit.images.formats import EXTENSIONS


class Medium(typing.NamedTuple):
    """How examples are found in tables and folders; the defaults are those of pictures."""

    noun: str = "picture"
    loader: str = "load_images"
    bundled: tuple = ("styles",)  # names of sets
    extensions: frozenset = EXTENSIONS
    formats: str = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and PPM"
    # Names of their column in lower case.
    columns: frozenset = frozenset(
        {"image", "img", "picture", "path", "file", "file_name", "filename", "file_path", "filepath", "image_path"}
    )
    advice: str = "call the column “image”, and give other columns other names"
    entries: str = "pictures or paths"  # of that column
    pair: str = "(file, label)"  # an entry of a list
    make_item: Callable | None = None  # from (row, entry, location); None for files and pixels


PICTURES = Medium()
