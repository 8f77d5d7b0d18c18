"""The glossary: terms in order, with their Chinese names and sources; each link of a lesson leads to one of them."""

import re

import nbformat
import pytest
from guards import REPOSITORY, find_dead_terms, list_terms

LESSONS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
TEXT = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8")
TERMS = list_terms(TEXT)
BODY, SOURCES = TEXT.split("\n## Sources\n")


def test_there_are_at_least_sixty_terms_in_alphabetical_order():
    assert len(TERMS) >= 60
    assert sorted(set(TERMS)) == TERMS


@pytest.mark.parametrize("term", TERMS)
def test_a_term_has_a_plain_heading_a_chinese_name_and_a_short_text(term):
    # GitHub lowers the letters of an anchor and JupyterLab doesn't, so that only lower-case headings work in both.
    assert re.fullmatch(r"[a-z]+([ -][a-z]+)*", term)
    text = re.search(rf"^## {term}\n\n(.*?)(?=\n## |\Z)", BODY, re.DOTALL | re.MULTILINE).group(1)
    assert re.match(r"\([\u4e00-\u9fff]+\) ", text)
    assert all(len(sentence.split()) <= 32 for sentence in re.split(r"(?<=[.!?])\s", text))
    assert len(text.split()) <= 70


def test_each_source_is_cited_and_each_citation_has_its_source():
    flat = " ".join(BODY.split())
    cited = set(re.findall(r"([A-Z][\w-]+)(?: et al\.| and [A-Z]\w+)? (\d{4})\)", flat))
    listed = set(re.findall(r"^- ([\w-]+),.*?(\d{4})\. ", SOURCES, re.MULTILINE))
    assert cited == listed


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_each_link_of_a_lesson_leads_to_a_term(path):
    assert find_dead_terms(nbformat.read(path, as_version=4), TERMS) == []


def test_a_link_to_no_term_or_to_another_place_is_found():
    notebook = nbformat.v4.new_notebook()
    sound = "[shift](../docs/glossary.md#covariate-shift)"
    wrong = ["[shift](../docs/glossary.md#covariate-drift)", "[shift](docs/glossary.md#covariate-shift)"]
    notebook.cells = [nbformat.v4.new_markdown_cell(" ".join([sound, *wrong]))]
    assert find_dead_terms(notebook, ["covariate shift"]) == [
        "../docs/glossary.md#covariate-drift",
        "docs/glossary.md#covariate-shift",
    ]
    assert (LESSONS[0].parent / "../docs/glossary.md").is_file()
