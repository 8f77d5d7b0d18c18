"""Writes the bundled texts from emojibase-data: `python tools/emoji_text_script.py FOLDER`.

FOLDER holds the package: `npm pack emojibase-data@17.0.0 && tar xzf emojibase-data-17.0.0.tgz` makes `package`.
"""

import csv
import gzip
import io
import json
import sys
from pathlib import Path

from tlkit.images.splits import assign_folds
from tlkit.storage import written_whole
from tlkit.texts.sources import EMOJI

# People and flags are left out, since their names repeat a few words.
CLASSES = {0: "faces", 3: "nature", 4: "food", 5: "travel", 6: "activities", 7: "objects", 8: "symbols"}
SEPARATORS = {"en": ", ", "de": ", ", "fr": ", ", "ja": "、", "zh": "、"}


def list_rows(folder):
    """Return the rows of all languages; the same emoji in the same order in each."""
    rows = []
    for language, separator in SEPARATORS.items():
        emoji = json.loads((folder / language / "data.json").read_text(encoding="utf-8"))
        rows.append([_describe(entry, language, separator) for entry in emoji if entry.get("group") in CLASSES])
    classes = sorted(CLASSES.values())
    labels, groups = [classes.index(row["cls"]) for row in rows[0]], [row["group"] for row in rows[0]]
    by_group = dict(zip(groups, assign_folds(labels, groups, 5, 0).tolist(), strict=True))
    return [row | {"fold": by_group[row["group"]]} for part in rows for row in part]


def _describe(entry, language, separator):
    """Return a row: name and keywords of an emoji; its variants, such as a black cat and a cat, are one group."""
    keywords = [tag.strip() for tag in entry.get("tags", []) if tag != entry["label"]]
    return {
        "domain": language,
        "path": entry["hexcode"],
        "cls": CLASSES[entry["group"]],
        "group": entry["hexcode"].split("-")[0],
        "role": "core",
        "name": f"{entry['emoji']} {entry['label']}",
        "source": "emojibase-data 17.0.0, from Unicode CLDR",
        "key": entry["hexcode"],
        "author": "Miles Johnson; contributors to Unicode CLDR",
        "licence": "MIT AND Unicode-3.0",
        "text": ": ".join(filter(None, [entry["label"], separator.join(keywords)])),
    }


if __name__ == "__main__":
    rows = list_rows(Path(sys.argv[1]))
    content = io.StringIO(newline="")
    writer = csv.DictWriter(content, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with written_whole(EMOJI / "manifest.csv.gz") as path:
        path.write_bytes(gzip.compress(content.getvalue().encode(), 9, mtime=0))
