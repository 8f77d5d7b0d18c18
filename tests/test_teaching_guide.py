"""The teacher's guide: a page per lesson, with the ranges and wrong answers of the present lessons."""

import re
import types

import numpy as np
import pytest
import teaching_guide_script as script

import tlkit as tl

LESSONS = sorted(path.name[:2] for path in (script.ROOT / "notebooks").glob("[0-9]*.ipynb"))
PAGES = script.list_pages()
PARTS = ("**Aim.**", "| 30 minutes |", "| 60 minutes |", "| 90 minutes |", "**To skip first.**", "**On the board.**")
PARTS += ("**To discuss**", script.BEGIN, script.END, "**Further reading**")


def test_each_lesson_has_a_page():
    assert set(LESSONS) <= set(PAGES)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_page_has_all_parts_and_what_the_program_writes(lesson):
    text = PAGES[lesson].read_text("utf-8")
    places = [text.find(part) for part in PARTS]
    assert -1 not in places and places == sorted(places)
    assert text == script.renew(text, lesson), "run tools/teaching_guide_script.py"


def test_ranges_are_those_of_the_tables():
    name = "adabn_harms"
    claim = tl.claims.get(name)
    head, *rows = (script.ROOT / f"claims/{name}.csv").read_text().splitlines()
    effects = [float(row.split(",")[head.split(",").index("effect")]) for row in rows]
    (line,) = [line for line in script.list_ranges(claim.lesson) if claim.sentence in line]
    low, high, middle = map(
        float, re.findall(r"-?\d+\.\d\d", line.removeprefix(f"| {claim.sentence} | {claim.effect}"))
    )
    assert (low, high) == pytest.approx((min(effects), max(effects)), abs=0.005)
    assert min(effects) <= middle <= max(effects)


def test_hints_are_read_out_of_the_checks(tmp_path):
    module = tmp_path / "lesson_99.py"
    module.write_text(
        '@exercise("99_sum", "a number")\n'
        "def check_sum(answer, *, numbers):\n"
        '    slips = {f"that is the mean of {len(numbers)} numbers.": 2.0, "that is the largest of them.": 3}\n'
        "    if answer < 0:\n"
        '        raise NotYet("a sum of these numbers is above zero.")\n'
        '    return "right, that is the sum."\n'
    )
    assert script.list_hints(module).keys() == {"99_sum"}
    assert sorted(script.list_hints(module)["99_sum"]) == [
        "a sum of these numbers is above zero.",
        "that is the largest of them.",
        "that is the mean of … numbers.",
    ]


def test_a_hint_that_a_student_gets_is_listed():
    evaluation = types.SimpleNamespace(labels=np.array([0, 1, 1]), predicted=np.array([0, 1, 0]))
    said = str(tl.lessons.check("00_right", 1, evaluation=evaluation))
    assert said.removeprefix("Not yet: ") in script.list_hints(script.ROOT / "tlkit/lessons/lesson_00.py")["00_right"]
