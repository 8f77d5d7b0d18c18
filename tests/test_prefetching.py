"""Threads that work ahead: order, bounds, errors, and ends."""

import concurrent.futures
import itertools
import threading

import pytest

from tlkit.features.crops import run_ahead


def count_threads():
    return sum(thread.name.startswith("tlkit-ahead") for thread in threading.enumerate())


def test_results_come_in_order_though_the_first_is_ready_last():
    second_done = threading.Event()

    def double(number):
        if number == 0:
            assert second_done.wait(60)
        elif number == 1:
            second_done.set()
        return 2 * number

    assert list(run_ahead(double, range(9), n_threads=2, n_ahead=4)) == list(range(0, 18, 2))


def test_no_more_than_n_ahead_is_begun():
    begun = []
    results = run_ahead(begun.append, itertools.count(), n_threads=3, n_ahead=5)
    for n_read in range(1, 40):
        next(results)
        assert len(begun) <= n_read + 4
    results.close()


def test_nothing_is_begun_before_the_first_is_asked_for():
    before = count_threads()
    run_ahead(lambda item: pytest.fail("begun"), [1], n_threads=1, n_ahead=1)
    assert count_threads() == before


def test_an_exception_is_raised_at_its_turn():
    def divide(number):
        return 12 // number

    results = run_ahead(divide, [3, 2, 0, 1], n_threads=2, n_ahead=4)
    assert [next(results), next(results)] == [4, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == [] and count_threads() == 0


@pytest.mark.parametrize("end", ["close", "throw away", "interrupt"])
def test_threads_end_with_the_generator(end):
    begun = []
    results = run_ahead(begun.append, range(10_000), n_threads=2, n_ahead=500)
    next(results)
    assert count_threads() > 0
    if end == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            results.throw(KeyboardInterrupt)
    elif end == "close":
        results.close()
    else:
        del results
    assert count_threads() == 0 and len(begun) <= 500


def test_what_waits_is_not_begun_once_the_generator_is_closed(monkeypatch):
    told = threading.Event()

    class Pool(concurrent.futures.ThreadPoolExecutor):
        def shutdown(self, wait=True, **options):
            super().shutdown(wait=False, **options)
            told.set()
            super().shutdown(wait=wait)

    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", Pool)
    begun, at_work, may_go_on = [], threading.Event(), threading.Event()

    def work(number):
        begun.append(number)
        if number == 1:
            at_work.set()
            assert may_go_on.wait(60)

    results = run_ahead(work, range(100), n_threads=1, n_ahead=50)
    next(results)
    assert at_work.wait(60)
    closing = threading.Thread(target=results.close)
    closing.start()
    assert told.wait(60)
    may_go_on.set()
    closing.join(60)
    assert not closing.is_alive() and begun == [0, 1]


def test_no_items_give_nothing():
    assert list(run_ahead(str, [], n_threads=2, n_ahead=3)) == []
