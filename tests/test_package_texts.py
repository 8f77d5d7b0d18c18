"""The builder of texts from a package index, on a small index made here."""

import csv

import package_text_script as script
import pytest

import tlkit as tl

PACKAGES = """Package: tree
Section: admin
Description-md5: aa

Package: tree-doc
Section: admin
Description-md5: ab

Package: maze
Source: maze-game (1.0)
Section: games
Description-md5: ac

Package: maze-stale
Section: games
Description-md5: new
"""
ENGLISH = """Package: tree
Description-md5: aa
Description-en: lists folders
 It draws them
 as a tree: nested.
 .
 A second paragraph.

Package: tree-doc
Description-md5: ab
Description-en: manual

Package: maze
Description-md5: ac
Description-en: game of mazes

Package: maze-stale
Description-md5: old
Description-en: an old text

Package: unknown
Description-md5: ad
Description-en: of another release
"""
CHINESE = """Package: maze
Description-md5: ac
Description-zh_CN: 迷宫游戏
 寻找出口。
"""


@pytest.fixture
def lists(tmp_path):
    for kind, content in (("Packages", PACKAGES), ("Translation-en", ENGLISH), ("Translation-zh%5fCN", CHINESE)):
        (tmp_path / f"mirror_dists_stable_main_{kind}").write_text(content, encoding="utf-8")
    return tmp_path


def test_rows_are_current_descriptions_of_programs(lists):
    rows = [tuple(row.values()) for row in script.list_rows(lists)]
    assert rows == [
        ("game of mazes", "games", "en", "maze", "maze", "maze-game"),
        ("lists folders. It draws them as a tree: nested.", "admin", "en", "tree", "tree", "tree"),
        ("迷宫游戏. 寻找出口。", "games", "zh", "maze", "maze", "maze-game"),
    ]


def test_written_file_is_a_set_of_texts(lists):
    rows = script.list_rows(lists)
    with open(lists / "packages.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    texts = tl.load_texts(lists / "packages.csv", group="group", domain="language")
    assert repr(texts) == "TextSet(3 texts, 2 classes, 2 groups: en, zh)"
