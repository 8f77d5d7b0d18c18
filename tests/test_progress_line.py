"""Progress: tqdm's bars in a terminal, one line that leaves nothing behind in a notebook."""

import sys
import time
import types

import ipywidgets
import pytest

from tlkit import notices
from tlkit.widgets import progress_line
from tlkit.widgets.progress_line import TorchNotice, describe

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def shown(monkeypatch):
    """Let this process pass for a kernel; return what it displays, and the functions that run after a cell."""
    displayed, events = [], []
    shell = types.SimpleNamespace(
        kernel=None, events=types.SimpleNamespace(register=lambda name, call: events.append((name, call)))
    )
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr("IPython.display.display", lambda data, **_: displayed.append(data))
    monkeypatch.setattr(notices, "bar_kinds", list(notices.bar_kinds))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(progress_line, "_lines", [])
    progress_line.use_in_notebook()
    return types.SimpleNamespace(displayed=displayed, events=events, lines=progress_line._lines)


def test_a_terminal_has_a_bar_of_tqdm(capsys):
    with notices.show_progress(3, "compare", "run", leave=True) as bar:
        bar.update(3)
    assert "compare: 100%" in capsys.readouterr().err
    with notices.show_progress(3, "compare", "run", False) as bar:
        bar.update()
    assert capsys.readouterr().err == ""


def test_outside_of_a_kernel_nothing_changes(monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    before = list(notices.bar_kinds), list(sys.meta_path)
    progress_line.use_in_notebook()
    assert (notices.bar_kinds, sys.meta_path) == before


def test_bars_share_a_line_that_is_gone_when_the_cell_ends(shown, capsys):
    with notices.show_progress(2, "compare", "run") as bar:
        (line,) = shown.lines
        assert isinstance(line, ipywidgets.HTML) and "compare: 0 of 2 runs" in line.value
        with notices.show_progress(5, "features", "picture") as inner:
            assert "features: 0 of 5 pictures" in line.value
            inner.update(5)
        time.sleep(0.11)  # tqdm's shortest time between two states
        bar.update(1)
        assert "compare: 1 of 2 runs, about 0 s left" in line.value
    assert [list(data) for data in shown.displayed] == [[VIEW]]
    ((event, remove),) = shown.events
    assert event == "post_execute"
    remove()
    assert shown.displayed[1:] == [{}]  # in place of the view, which a saved notebook would keep
    assert shown.lines == [] and line.comm is None and line.layout.comm is None
    remove()
    assert capsys.readouterr() == ("", "")


def test_a_hidden_bar_shows_no_line(shown):
    with notices.show_progress(2, "compare", "run", False) as bar:
        bar.update(2)
    assert shown.displayed == []


def test_the_import_of_torch_is_announced(shown):
    (notice,) = [finder for finder in sys.meta_path if isinstance(finder, TorchNotice)]
    assert notice.find_spec("torchvision") is None and shown.displayed == []
    assert notice.find_spec("torch") is None
    assert "importing PyTorch" in shown.lines[0].value


NAME = "a &lt; b"
STATE = {"n": 10, "total": 40, "elapsed": 5, "prefix": "a < b", "unit": "run", "initial": 0, "postfix": ""}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, f'<progress aria-label="{NAME}" value="10" max="40"></progress> {NAME}: 10 of 40 runs, about 15 s left'),
        ({"n": 0}, f'<progress aria-label="{NAME}"></progress> {NAME}: 0 of 40 runs'),
        ({"total": None}, f'<progress aria-label="{NAME}"></progress> {NAME} …'),
        ({"elapsed": 100}, ": 10 of 40 runs, about 5 min left"),
        ({"initial": 10}, ": 10 of 40 runs"),
        ({"postfix": "<i>"}, ", about 15 s left · &lt;i&gt;"),
        ({"n": 2e6, "total": 4e6, "elapsed": 1, "unit": "B", "unit_scale": True}, ": 2.00M of 4.00MB, about 1 s left"),
    ],
)
def test_a_state_is_described_with_the_time_left(changed, expected):
    assert describe(STATE | {"unit_scale": False} | changed).endswith(expected)


def test_a_process_without_streams_shows_no_bar(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    monkeypatch.setattr(notices, "bar_kinds", notices.bar_kinds[:1])
    with notices.show_progress(3, "features", "picture") as bar:
        bar.update()
    assert bar.disable
