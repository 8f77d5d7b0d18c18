"""Threads that call a widget from two sides, as JupyterLab's do."""

import threading


def count_inside(monkeypatch, owner, name, moves):
    """Run callables, each in a thread of its own, and watch a method of an object meanwhile.

    Returns a list of int, one a call of the method: how many calls, with this one, were going on as it began.
    """
    real, inside, counts = getattr(owner, name), [], []

    def watched(*arguments):
        inside.append(None)
        counts.append(len(inside))
        try:
            return real(*arguments)
        finally:
            inside.pop()

    monkeypatch.setattr(owner, name, watched)
    threads = [threading.Thread(target=move) for move in moves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return counts
