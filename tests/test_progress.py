"""progress.json: written beside an open notebook and nowhere else, whole, and never over a file of others."""

import json
import re
import threading

import pytest

import tlkit as tl
from tlkit.lessons import progress
from tlkit.lessons.progress import find_entry, keep_entry


@pytest.fixture
def open_lesson(tmp_path, monkeypatch):
    """Return a function that opens a notebook in a folder of its own; it returns the path of its progress."""

    def open_notebook(name="05_fine_tune.ipynb"):
        monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / name))
        monkeypatch.chdir(tmp_path)
        progress.find_file.cache_clear()
        return tmp_path / "progress.json"

    yield open_notebook
    progress.find_file.cache_clear()


@pytest.mark.parametrize(
    ("name", "lesson"),
    [("05_fine_tune.ipynb", "05"), ("05-mine.ipynb", "05"), ("my cats.ipynb", "my cats"), ("console-1", None)],
)
def test_a_lesson_is_named_by_its_notebook(open_lesson, name, lesson):
    path = open_lesson(name)
    kept = keep_entry("predictions", "gain", chips={"grows": 10})
    if lesson is None:
        assert kept is None
        assert not path.exists()
    else:
        assert kept == ""
        assert json.loads(path.read_text())["lessons"] == {lesson: {"predictions": {"gain": {"chips": {"grows": 10}}}}}


def test_a_notebook_of_vs_code_is_a_lesson_too(open_lesson, tmp_path, monkeypatch):
    path = open_lesson("")
    monkeypatch.delenv("JPY_SESSION_NAME")
    monkeypatch.setattr("__main__.__vsc_ipynb_file__", str(tmp_path / "07_another_domain.ipynb"), raising=False)
    assert keep_entry("predictions", "gain", late=True) == ""
    assert list(json.loads(path.read_text())["lessons"]) == ["07"]


def test_nothing_is_written_without_a_notebook(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    progress.find_file.cache_clear()
    assert keep_entry("predictions", "gain", late=True) is None
    assert find_entry("predictions", "gain") == {}
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_that_of_the_first_use(open_lesson, tmp_path, monkeypatch):
    path = open_lesson()
    assert find_entry("exercises", "05_rates") == {}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert keep_entry("exercises", "05_rates", passed=True) == ""
    assert path.exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_entries_are_changed_and_what_others_wrote_stays(open_lesson, tmp_path):
    path = open_lesson()
    path.write_text('{"lessons": {"01": {"exercises": {"01_pictures": {"passed": true}}}}, "course": "ML"}')
    keep_entry("predictions", "gain", chips={"größer": 10})
    keep_entry("predictions", "gain", measured="kleiner")
    content = json.loads(path.read_text("utf-8"))
    assert content["course"] == "ML"
    assert content["lessons"]["01"] == {"exercises": {"01_pictures": {"passed": True}}}
    assert find_entry("predictions", "gain") == {"chips": {"größer": 10}, "measured": "kleiner"}
    assert [each.name for each in tmp_path.iterdir()] == ["progress.json"]


@pytest.mark.parametrize(
    "content",
    [
        "{half",
        "[]",
        "{}",
        '{"lessons": []}',
        '{"lessons": {"05": 3}}',
        '{"lessons": {"05": {"exercises": [1]}}}',
        "\x00",
    ],
)
def test_a_file_of_others_is_reported_and_left_alone(open_lesson, content):
    path = open_lesson()
    path.write_text(content)
    assert find_entry("exercises", "05_rates") == {}
    problem = keep_entry("exercises", "05_rates", passed=True)
    assert problem.startswith(f"{path} isn't a list of progress that tlkit wrote.")
    with pytest.raises(ValueError, match=re.escape(problem)):
        tl.lessons.status()
    assert path.read_text() == content


def test_a_mark_that_an_editor_puts_first_is_no_fault(open_lesson):
    path = open_lesson()
    keep_entry("exercises", "05_rates", passed=True)
    path.write_text(path.read_text("utf-8"), "utf-8-sig")
    assert find_entry("exercises", "05_rates") == {"passed": True}
    assert keep_entry("exercises", "05_rates", tries=2) == "" and "tries" in path.read_text("utf-8")


def test_a_folder_in_the_way_is_reported(open_lesson):
    path = open_lesson()
    path.mkdir()
    assert find_entry("exercises", "05_rates") == {}
    assert keep_entry("exercises", "05_rates", passed=True) == f"{path} can't be written: Is a directory."


def test_two_threads_lose_nothing(open_lesson):
    open_lesson()
    threads = [
        threading.Thread(
            target=lambda start=start: [keep_entry("exercises", str(n), tries=n) for n in range(start, 40, 2)]
        )
        for start in (0, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [find_entry("exercises", str(n)) for n in range(40)] == [{"tries": n} for n in range(40)]


def test_tries_of_an_exercise_are_counted_until_it_is_passed(open_lesson, monkeypatch):
    path = open_lesson()

    def check(answer):
        images = tl.Features([[0.0]] * 5, [0, 0, 0, 1, 1], ["a", "b"], list("vwxyz"), list("vwxyz"), {})
        return tl.lessons.check("01_pictures", answer, train=images, shots=2).passed

    assert check(...) is False
    assert not path.exists()
    for answer, expected in ((7, False), (5, False), (4, True), (9, False)):
        assert check(answer) is expected
    assert find_entry("exercises", "01_pictures") == {"passed": True, "tries": 3}
    path.write_text("mine")
    with pytest.warns(UserWarning, match=r"progress\.json isn't a list of progress"):
        assert check(4) is True
