"""Threads that OpenMP keeps between parallel loops, ended where they would be in the way. Without torch."""

import ctypes

_PAUSE_SOFT = 1  # of omp_pause_resource_t, in OpenMP's omp.h: threads end, settings stay


def end_idle_threads():
    """End the threads that this one keeps for parallel loops; it starts them anew when it has the next one.

    While all threads that GNU's OpenMP keeps are more than there are processors, idle ones among them too, they don't
    stay awake from one loop to the next: training in a second thread was seen to take twice as long. And a process that
    is forked has none of them, but would wait for them in its first loop. Elsewhere than on Linux, or with another
    OpenMP, nothing happens.

    >>> end_idle_threads()
    """
    from threadpoolctl import threadpool_info

    for pool in threadpool_info():
        if pool["user_api"] == "openmp" and pool["prefix"] == "libgomp":
            pause = getattr(ctypes.CDLL(pool["filepath"]), "omp_pause_resource_all", None)  # from GCC 9 on
            if pause is not None:
                pause(_PAUSE_SOFT)
