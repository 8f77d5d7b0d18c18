"""Writes into the pages of the teacher's guide which results and wrong answers to expect; run it without arguments.

Ranges come from the tables of claims, wrong answers from the hints in the checks of the exercises.
"""

import ast
import re
import textwrap
from pathlib import Path

import tlkit as tl

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- written by tools/teaching_guide_script.py -->", "<!-- end -->"


def list_ranges(lesson):
    """Return lines on the results of a lesson's claims: effects over all replications, and the processors."""
    lines, processors = [], set()
    table = tl.claims.table()
    for name in table["name"][table["lesson"] == lesson]:
        claim = tl.claims.get(name)
        rows = claim.replications
        processors |= set(rows["processor"])
        low, middle, high = rows["effect"].quantile([0, 0.5, 1])
        holds = f"{claim.n_holding} of {len(rows)}"
        lines.append(f"| {claim.sentence} | {claim.effect} | {low:.2f} to {high:.2f} | {middle:.2f} | {holds} |")
    if not lines:
        return []
    head = ["**Expected results**", "", "| claim | measured | from … to | median | holds in |", "|---|---|---|---|---|"]
    note = f"Over seeds, folds and the other choices of each claim; measured on {', '.join(sorted(processors))}. "
    note += "The lesson itself makes choices of its own, so its numbers can lie outside."
    return [*head, *lines, "", *textwrap.wrap(note, 120), ""]


def list_hints(path):
    """Return the hints to wrong answers in a module of exercises, as {name of the exercise: [hint]}."""
    hints = {}
    for function in ast.parse(path.read_text("utf-8")).body:
        names = [
            decorator.args[0].value
            for decorator in getattr(function, "decorator_list", [])
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "exercise"
        ]
        if names:
            found = [_write(node) for node in _find_hints(function)]
            hints[names[0]] = list(dict.fromkeys(hint for hint in found if len(hint.split()) > 3))
    return hints


def _find_hints(function):
    """Yield the nodes of texts that a check says to a wrong answer: keys of its slips, and what it raises."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            if any(getattr(target, "id", "") == "slips" for target in node.targets):
                yield from node.value.keys
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "NotYet":
            yield from node.args


def _write(node):
    """Return a text of the code as its readers see it, with … for what depends on their data."""
    if isinstance(node, ast.JoinedStr):
        return "".join(_write(part) for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "…"


def write_section(lesson):
    """Return the lines between the two marks of a lesson's page."""
    lines = ["", *list_ranges(lesson)]
    hints = list_hints(ROOT / "tlkit" / "lessons" / f"lesson_{lesson}.py")
    if any(hints.values()):
        lines += ["**Usual wrong answers**, as the checks answer them (… stands for the student's own numbers)", ""]
        for name, texts in hints.items():
            for text in texts:
                lines += textwrap.wrap(f"- `{name}`: {text}", 120, subsequent_indent="  ")
        lines.append("")
    return "\n".join(lines)


def renew(text, lesson):
    """Return the text of a page with a new section."""
    pattern = f"({re.escape(BEGIN)}\n).*?({re.escape(END)})"
    return re.sub(pattern, lambda found: found[1] + write_section(lesson) + found[2], text, flags=re.DOTALL)


def list_pages():
    """Return {number of a lesson: its page}."""
    return {path.stem[-2:]: path for path in sorted((ROOT / "docs/teaching").glob("lesson_*.md"))}


if __name__ == "__main__":
    for lesson, path in list_pages().items():
        path.write_text(renew(path.read_text("utf-8"), lesson), "utf-8")
