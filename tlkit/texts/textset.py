"""Labelled texts: the `TextSet`."""

import dataclasses
import hashlib
import unicodedata

from tlkit.images.imageset import ImageSet


@dataclasses.dataclass(frozen=True, slots=True)
class StoredText:
    """One text, and its name in messages (`location`)."""

    text: str
    location: str

    def digest(self):
        """Return the SHA-256 of the text in UTF-8, 64 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def make_text(value, location, argument="source"):
    """Return the `StoredText` of a str in Unicode's normal form C; errors for other types, and for half characters."""
    if not isinstance(value, str):
        raise TypeError(
            f"{argument}: {location} is a {type(value).__name__} ({str(value)[:40]!r}), expected a text (str)"
        )
    text = unicodedata.normalize("NFC", str(value))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{argument}: {location} holds {text[error.start]!r} at character {error.start}, half of a character as "
            "damaged files have it: repair the text, or leave it out"
        ) from error
    if not text.strip():
        raise ValueError(f"{argument}: {location} is an empty text: leave it out")
    return StoredText(text, location)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TextSet(ImageSet):
    """Labelled texts of one or more domains, such as languages, as `load_texts` makes them.

    It has all columns and methods of `ImageSet`. `texts[3]` is a text and its label, `texts[rows]` a smaller set, and
    `a + b` the texts of both sets. Texts are in Unicode's normal form C, and otherwise as they were given.

    Parameters
    ----------
    pictures : (n,) ndarray of object
        The texts. Read them with `read`.
    labels, classes, domains, groups, names, roles, titles : object
        As in `ImageSet`.
    origins, authors, licences, folds, quarantine, attribution_text : object
        As in `ImageSet`.

    Examples
    --------
    >>> texts = tl.load_texts("emoji", domain="de")
    >>> texts.select(classes=["food", "travel"])
    TextSet(350 texts, 2 of 7 classes, 349 groups: de)
    >>> texts.read(0)
    'grinsendes Gesicht: froh, fröhlich, gesicht, grinsen, haha, lachen, lol, lustig, smiley'
    """

    noun, description = "text", "tlkit.texts.text_description"

    def read(self, index: int) -> str:
        """Return one text.

        Parameters
        ----------
        index : int
            Index of the text.

        Returns
        -------
        str
            The text.
        """
        return self.pictures[index].text
