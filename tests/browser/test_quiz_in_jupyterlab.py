"""A quiz in a real JupyterLab: answered by keyboard, replied to by the kernel."""

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'")
from playwright.sync_api import expect

from tlkit.lessons.quiz import read_quiz

CELLS = ['import tlkit as tl\n\nquiz = tl.widgets.Quiz("03")\nquiz', "quiz"]
N_RUN = 2
FIRST = read_quiz("03")[0]


def test_a_quiz_is_answered_by_keyboard(lab):
    box, other = (lab.output(number).locator(".tlkit-quiz") for number in range(2))
    group = box.get_by_role("group").first
    expect(group.locator("legend code")).to_have_text("requires_grad = False")
    expect(box.get_by_role("group")).to_have_count(5)
    radios = group.get_by_role("radio")
    wrong = (FIRST.right + 1) % 4
    radios.nth(wrong).focus()
    lab.page.keyboard.press("Space")
    expect(group.locator(".tlkit-reply")).to_have_text(f"Not yet: {FIRST.replies[wrong]}".replace("`", ""))
    expect(box.locator(".tlkit-status")).to_have_text("0 of 5 right.")
    # Arrows go round the group, and no key is a command of JupyterLab.
    for _ in range((FIRST.right - wrong) % 4):
        lab.page.keyboard.press("ArrowDown")
    expect(group.locator(".tlkit-reply")).to_have_text(f"Right: {FIRST.replies[FIRST.right]}".replace("`", ""))
    lab.page.keyboard.press("d")
    lab.page.keyboard.press("d")
    expect(lab.output(0).locator(".tlkit-quiz")).to_be_visible()
    # The second view of the quiz shows the same, and its buttons are a group of their own.
    expect(other.get_by_role("group").first.get_by_role("radio").nth(FIRST.right)).to_be_checked()
    expect(other.locator(".tlkit-status")).to_have_text("1 of 5 right.")
