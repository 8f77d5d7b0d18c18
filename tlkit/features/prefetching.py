"""A function over many items in threads: some items ahead of the reader, in order, in bounded memory."""

import collections
import concurrent.futures


def run_ahead(function, items, n_threads, n_ahead):
    """Yield `function(item)` of each item in order, while threads compute the next.

    What the function raises is raised at its item's turn, and ends it. Threads end with the generator, also when it is
    closed or thrown away early: they finish the items that they are at, and begin no other.

    Arguments
    ---------
    function: callable of one item
        Called in threads; worth it where it lets go of Python's lock, as decoding does.
    items: iterable
        Read as they are needed.
    n_threads: int
    n_ahead: int
        How many results may exist or be under way that aren't yet yielded.

    >>> list(run_ahead(str.upper, "abc", n_threads=2, n_ahead=2))
    ['A', 'B', 'C']
    """
    pool = concurrent.futures.ThreadPoolExecutor(n_threads, thread_name_prefix="tlkit-ahead")
    waiting = collections.deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) == n_ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
