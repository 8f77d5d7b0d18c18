"""Load texts from all sources with `load_texts`."""

import gzip
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tlkit.images.imageset import ImageSet
from tlkit.images.inputs import UNLABELLED, make_set
from tlkit.images.layout import Medium
from tlkit.images.load import load_own, read_manifest, refuse_columns
from tlkit.images.scan import warn_of_copies
from tlkit.texts.textset import StoredText, TextSet, make_text

if TYPE_CHECKING:
    import pandas as pd

EMOJI = Path(__file__).parent / "data" / "emoji"
_TEXTS = Medium(
    noun="text",
    loader="load_texts",
    bundled=("emoji",),
    extensions=frozenset({".txt"}),
    formats=".txt files in UTF-8",
    columns=frozenset({"text", "texts", "sentence", "content", "document", "review"}),
    advice='use text="…"',
    entries="texts",
    pair="(text, label)",
    make_item=make_text,
)


def load_texts(
    source: "str | os.PathLike | pd.DataFrame | Sequence" = "emoji",
    *,
    text: str | None = None,
    label: str | Sequence | None = None,
    group: str | Sequence | Callable[[str], object] | None = None,
    domain: str | Sequence[str] | None = None,
    fold: str | Sequence[int] | None = None,
    inside: str | None = None,
    merge_twins: bool = False,
) -> TextSet:
    """Load labelled texts.

    Texts are brought to Unicode's normal form C, and changed in no other way. Equal texts share a group, so that they
    are never on both sides of a split.

    Parameters
    ----------
    source : str, path, DataFrame, list or dataset
        One of:

        - "emoji", the bundled set: names and keywords of 1,256 emoji in five languages, in seven classes. Each emoji
          is one group, so a text and its translations are never on both sides of a split;
        - a CSV file in UTF-8, DataFrame or list of dicts with columns of texts and labels;
        - a list of (text, label), or a list of texts with a list of labels as `label`;
        - a folder with one folder of .txt files per class, or a zip of such a folder;
        - a dataset of torch or Hugging Face. Its classes name labels that are numbers.
    text : str, optional
        Column of the texts, by default the only one with a usual name such as "text" or "sentence".
    label : str or list, optional
        Column of the classes, by default the only one with a usual name, or one class per text of a list.
    group : str, list, dict or callable, optional
        What must not be on both sides of a split, such as an author, as in `load_images`.
    domain : str or list of str, optional
        For the bundled set, the languages to load: "en", "de", "fr", "ja", "zh", by default all. For tables, a column.
        For other texts, the name of their domain, by default the name of the folder or zip.
    fold, inside, merge_twins : object
        As in `load_images`.

    Returns
    -------
    TextSet
        The texts.

    Raises
    ------
    FileNotFoundError
        If the source or the folder inside it doesn't exist.
    TypeError, ValueError
        If an argument has a wrong type, if the source has fewer than two classes, or if texts, labels or columns are
        missing, empty, no str, or not in UTF-8.

    Examples
    --------
    >>> tl.load_texts("emoji", domain=["en", "zh"])
    TextSet(2512 texts, 7 classes, 1241 groups: en, zh)

    Two reviews of each author, listed in a table:

    >>> rows = [{"review": f"I saw film {row}", "liked": row > 2, "author": row // 2} for row in range(6)]
    >>> tl.load_texts(rows, label="liked", group="author")
    TextSet(6 texts, 2 classes, 3 groups: own)
    """
    medium = _TEXTS
    if text is not None:
        medium = _TEXTS._replace(columns=frozenset({str(text).casefold()}), entries=f"texts of the name {text!r}")
    if isinstance(source, str) and source in _TEXTS.bundled:
        if inside is not None or text is not None:
            raise ValueError(f"inside, text: {inside!r}, {text!r}, but the bundled set has no folders or columns")
        refuse_columns({"label": label, "group": group, "fold": fold}, "the bundled set")
        texts = _load_emoji(domain)
        return texts if group is None else texts.with_groups(group)
    if label is not None and not isinstance(label, str | int):
        labels, label = list(label), None
        if not hasattr(source, "__len__") or len(source) != len(labels):
            number = len(source) if hasattr(source, "__len__") else "no"
            raise ValueError(f"label: {len(labels)} labels of {number} texts, expected one label per text")
        source = list(zip(source, labels, strict=True))
    wanted = {"label": label, "group": group, "domain": domain, "fold": fold}
    return load_own(source, wanted, medium, _make_texts, inside=inside, merge_twins=merge_twins)


def _make_texts(entries, *, domain, location):
    """Return a `TextSet` of [(path, label, text or file)]; equal texts share a group."""
    entries[:] = [(path, label, _read(file)) for path, label, file in entries]  # columns are matched by these items
    classes = sorted({label for _, label, _ in entries})
    if len(classes) < 2:
        raise ValueError(
            f"source: {location} has {len(entries)} texts in one class ({classes[0]}), expected two classes or more: "
            "add texts of another class"
        )
    digests = [item.digest() for _, _, item in entries]
    warn_of_copies(entries, digests, location, "text")
    return make_set(entries, classes, domain, [f"sha256:{digest[:16]}" for digest in digests], kind=TextSet)


def _read(file, argument="source"):
    """Return the `StoredText` of a file, which is in UTF-8; a `StoredText` is returned as it is."""
    if isinstance(file, StoredText):
        return file
    try:
        return make_text(file.read_bytes().decode("utf-8-sig"), file.location, argument)
    except UnicodeDecodeError as error:
        raise ValueError(f"{argument}: {file.location} is not encoded as UTF-8 ({error}): save it as UTF-8") from error


def gather_texts(texts, argument="texts"):
    """Return a `TextSet` of a text or a list of texts or (text, label); labels are ignored."""
    if isinstance(texts, TextSet):
        return texts
    texts = [texts] if isinstance(texts, str) else texts
    if not hasattr(texts, "__len__") or hasattr(texts, "columns") or isinstance(texts, dict | set | ImageSet):
        raise TypeError(f"{argument}: a {type(texts).__name__}, expected a TextSet, a text or a list of texts")
    items = [item[0] if isinstance(item, tuple) and len(item) == 2 else item for item in texts]
    entries = [(f"{row}", UNLABELLED, make_text(item, f"item {row}", argument)) for row, item in enumerate(items)]
    return make_set(entries, [UNLABELLED], "given", kind=TextSet)


def _load_emoji(domain):
    """Return the bundled `TextSet` of names and keywords of emoji."""
    with gzip.open(EMOJI / "manifest.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows, columns = read_manifest(file, domain)
    texts = [StoredText(row["text"], name) for row, name in zip(rows, columns["names"], strict=True)]
    return TextSet(texts, **columns, attribution_text=(EMOJI / "ATTRIBUTION.md").read_text(encoding="utf-8"))
