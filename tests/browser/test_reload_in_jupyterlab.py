"""A page that is loaded again during a training: its buttons go on working, with and without kernel subshells."""

import re

import pytest

expect = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'").expect

CELLS = [
    """
import tempfile
import time
from pathlib import Path

import tlkit as tl
from made_networks import make_tiny_backbone
from made_pictures import write_classes
from tlkit.training import loop

real_step = loop.take_step


def take_step(*arguments):
    time.sleep(0.3)
    real_step(*arguments)


loop.take_step = take_step
images = tl.load_images(write_classes(Path(tempfile.mkdtemp()) / "pets", {"cat": 12, "dog": 12}))
train, test = images.split(test_fold=0)
""",
    """
start = tl.Strategy([tl.Phase(["all"], 12, 1e-4)])
known = ["linear_probe"]
explorer = tl.widgets.FreezeScoreExplorer(make_tiny_backbone(), train, test, strategy=start, compare_with=known)
explorer
""",
]
N_RUN = 2


def test_buttons_work_after_the_page_was_loaded_again_during_a_run(lab):
    output = lab.output(1)
    status = output.get_by_role("status")
    run, cancel, compare = (
        output.get_by_role("button", name=name)
        for name in ("Run the painted score", "Cancel", "Compare with the catalogue")
    )
    run.click()
    expect(status).to_contain_text("painted: epoch 2 of 12")
    lab.reload()
    expect(status).to_contain_text(re.compile(r"painted: epoch \d+ of 12"))
    expect(status).to_contain_text("test pictures right")
    expect(run).to_be_enabled()
    run.click()
    expect(status).to_contain_text("painted: epoch 2 of 12")
    lab.reload()
    expect(status).to_contain_text(re.compile(r"painted: epoch \d+ of 12"))
    cancel.click()
    expect(status).to_contain_text("s after the click")
    compare.click()
    expect(status).to_contain_text("Compared: linear probe.")
    assert lab.errors == []
