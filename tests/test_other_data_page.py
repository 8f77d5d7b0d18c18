"""The page on other data: its code runs, and the names that it mentions exist."""

import re
from pathlib import Path

import pytest

import tlkit as tl

PAGE = Path(__file__).parents[1] / "docs" / "other_data.md"


def list_blocks(text):
    """Return the code blocks of a page in Markdown."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_all_code_of_the_page_runs():
    blocks = list_blocks(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 5 and PAGE.read_text(encoding="utf-8").count("```") == 10
    scope = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), scope)
    assert scope["accuracy"] > 0.8 and len(scope["sounds"]) == 30 and len(scope["features"]) == 178


def test_a_block_that_fails_is_noticed():
    (block,) = list_blocks("# Page\n\n```python\nassert 1 == 2\n```\n")
    with pytest.raises(AssertionError):
        exec(block, {})


def test_names_on_the_page_exist():
    for name in re.findall(r"`tl\.([\w.]+)", PAGE.read_text(encoding="utf-8")):
        value = tl
        for part in name.split("."):
            value = getattr(value, part)
