"""The page on several labels per picture: its code runs, and the names that it mentions exist."""

import re
from pathlib import Path

import tlkit as tl

PAGE = Path(__file__).parents[1] / "docs" / "several_labels.md"


def test_all_code_of_the_page_runs(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 7 and PAGE.read_text(encoding="utf-8").count("```") == 14
    scope = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), scope)
    assert scope["evaluation"].mean_average_precision > 0.6 and scope["evaluation"].left_out == []
    assert scope["comparison"].verdicts["linear_probe", 10] == "helps"
    assert capsys.readouterr().out.rstrip().endswith("compare with linear probes take several")


def test_names_on_the_page_exist():
    for name in re.findall(r"`tl\.([\w.]+)", PAGE.read_text(encoding="utf-8")):
        value = tl
        for part in name.split("."):
            value = getattr(value, part)
