"""Writes a set of texts from Debian's package index: `python tools/package_text_script.py LISTS packages.csv`.

The texts are descriptions of programs and their translations; their classes are topics, made from the sections of the
archive. tlkit doesn't bundle them, since they have no licence of their own: each belongs to its package, and follows
`/usr/share/doc/PACKAGE/copyright`. The columns `package` and `source` are the attribution. LISTS is a folder of apt:

    apt-get -o Dir::State::lists=$PWD/LISTS -o Acquire::GzipIndexes=false -o Acquire::Languages=en,de,fr,ja,zh_CN update

Then `tl.load_texts("packages.csv", group="group", domain="language")` reads the texts.
"""

import csv
import re
import sys
from pathlib import Path

from tlkit.storage import written_whole

TOPICS = {
    "games": ["games"],
    "graphics": ["graphics"],
    "media": ["sound", "video"],
    "network": ["net", "web", "mail"],
    "science": ["science", "math"],
    "admin": ["admin"],
    "text": ["text", "editors", "tex"],
    "devel": ["devel", "vcs"],
}
LANGUAGES = {"en": "en", "de": "de", "fr": "fr", "ja": "ja", "zh%5fCN": "zh"}
N_CHARACTERS = {"ja": 200, "zh": 200}  # of other languages 400
# Libraries, parts of programs and packages made by a rule have descriptions that repeat each other.
_PARTS = re.compile(r"-(doc|docs|dev|dbg|data|common|examples|tests?|l10n|locales?|udeb|source|dkms)$")
_FAMILIES = re.compile(
    r"(lib|task-|golang-|node-|ruby-|python3?-|r-cran-|r-bioc-|fonts-|hunspell-|aspell-|gcc-|texlive-)"
)


def list_rows(folder):
    """Return one row (dict) per package and language of the index files in a folder."""
    packages = {entry["Package"]: entry for entry in _read(folder, "Packages")}
    topics = {section: topic for topic, sections in TOPICS.items() for section in sections}
    rows, seen = [], set()
    for tag, language in LANGUAGES.items():
        for entry in sorted(_read(folder, f"Translation-{tag}"), key=lambda entry: entry["Package"]):
            name = entry["Package"]
            package = packages.get(name, {})
            topic = topics.get(package.get("Section", "").rpartition("/")[2])
            is_current = package.get("Description-md5") == entry["Description-md5"]
            if topic is None or not is_current or _PARTS.search(name) or _FAMILIES.match(name):
                continue
            text = _join(
                next(text for key, text in entry.items() if key.startswith("Description-") and key[12:] != "md5")
            )
            text = text[: N_CHARACTERS.get(language, 400)]
            if (language, text) in seen:
                continue
            seen.add((language, text))
            source = package.get("Source", name).split()[0]
            # Plug-ins of one program are one group, as are the translations of a text.
            row = {"text": text, "label": topic, "language": language, "group": source.partition("-")[0]}
            rows.append(row | {"package": name, "source": source})
    return rows


def _read(folder, kind):
    """Yield the entries (dict) of all index files of a kind."""
    for path in sorted(Path(folder).glob(f"*_{kind}")):
        for stanza in path.read_text(encoding="utf-8").split("\n\n"):
            lines = re.sub(r"\n[ \t]", "\0", stanza.strip()).split("\n")  # continued lines begin with a space
            entry = dict(line.split(":", 1) for line in lines if ":" in line)
            if entry:
                yield {key: text.strip().replace("\0", "\n") for key, text in entry.items()}


def _join(description):
    """Return the first line of a description and its first paragraph as one text."""
    title, _, rest = description.partition("\n")
    paragraph = re.split(r"\n\.(?:\n|$)", rest)[0]
    return ". ".join(filter(None, [title.strip(), " ".join(paragraph.split())]))


if __name__ == "__main__":
    rows = list_rows(sys.argv[1])
    with written_whole(Path(sys.argv[2])) as path, open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
