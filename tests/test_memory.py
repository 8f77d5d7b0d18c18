"""What is kept for the next step: asked of glibc alone, given back at the end, and never against the user's word."""

import os
import types

import pytest
from made_networks import make_tiny_backbone

import tlkit as tl
from tlkit.cpu import memory
from tlkit.cpu.memory import freed_memory_kept

TRIM, MMAP = -1, -3


@pytest.fixture
def library(monkeypatch):
    """A C library that takes blocks up to a limit, with its settings and the number of times that it was trimmed."""
    made = types.SimpleNamespace(settings={}, largest=2**40, n_trimmed=0)

    def mallopt(name, value):
        if name == MMAP and value > made.largest:
            return 0
        made.settings[name] = value
        return 1

    def malloc_trim(left):
        made.n_trimmed += 1

    made.mallopt, made.malloc_trim = mallopt, malloc_trim
    monkeypatch.setattr(memory, "_find_glibc", lambda: made)
    for name in list(os.environ):
        if name.startswith("MALLOC_") or name == "GLIBC_TUNABLES":
            monkeypatch.delenv(name)
    return made


def test_memory_is_kept_meanwhile_and_given_back_in_the_end(library):
    with freed_memory_kept():
        assert library.settings == {TRIM: 2**30, MMAP: 2**30}
        assert library.n_trimmed == 0
    assert library.settings == {TRIM: 2**26, MMAP: 2**25}
    assert library.n_trimmed == 1


def test_it_is_given_back_after_an_error(library):
    with pytest.raises(KeyError), freed_memory_kept():
        raise KeyError
    assert library.settings == {TRIM: 2**26, MMAP: 2**25}


def test_an_older_library_takes_the_largest_block_that_it_can(library):
    library.largest = 2**25
    with freed_memory_kept():
        assert library.settings == {TRIM: 2**30, MMAP: 2**25}


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_the_user_has_set_stays(library, monkeypatch, name):
    monkeypatch.setenv(name, "1000")
    with freed_memory_kept():
        assert not library.settings
    assert library.n_trimmed == 0


@pytest.mark.parametrize(("kind", "is_taken"), [("glibc", True), ("", False), ("musl", False)])
def test_only_glibc_is_asked(monkeypatch, kind, is_taken):
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: (kind, ""))
    found = memory._find_glibc.__wrapped__()
    assert (found is not None) == is_taken
    monkeypatch.setattr(memory, "_find_glibc", lambda: found)
    with freed_memory_kept():
        pass


def test_a_training_keeps_it_until_its_last_step(library):
    seen = []
    images = tl.load_images("styles", domain="clipart").few(2)

    def note(training):
        seen.append((dict(library.settings), library.n_trimmed))

    tl.transfer(make_tiny_backbone(), images, "fine_tune", callbacks=[note], progress=False)
    assert seen
    assert all(settings == {TRIM: 2**30, MMAP: 2**30} and n_trimmed == 0 for settings, n_trimmed in seen)
    assert library.n_trimmed == 1


def test_a_head_that_is_solved_takes_no_steps_and_asks_for_nothing(library):
    images = tl.load_images("styles", domain="clipart").few(2)
    tl.transfer(make_tiny_backbone(), images, "linear_probe", progress=False)
    assert not library.settings
    assert library.n_trimmed == 0
