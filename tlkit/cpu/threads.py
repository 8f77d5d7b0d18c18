"""End idle OpenMP threads before they slow down other threads or forked processes. Without torch."""

import ctypes

_PAUSE_SOFT = 1  # omp_pause_resource_t in OpenMP's omp.h: threads end, settings stay


def end_idle_threads():
    """End the OpenMP threads that the calling thread keeps; its next parallel loop starts new ones.

    >>> end_idle_threads()
    """
    # GNU's OpenMP keeps the threads of each loop waiting for the next one. If more of them exist than processors, they
    # no longer wait actively: training in a second thread took twice as long. A forked process inherits none of them
    # but would wait for them in its first loop. Other systems and other OpenMP libraries are left alone.
    from threadpoolctl import threadpool_info

    for pool in threadpool_info():
        if pool["user_api"] == "openmp" and pool["prefix"] == "libgomp":
            pause = getattr(ctypes.CDLL(pool["filepath"]), "omp_pause_resource_all", None)  # since GCC 9
            if pause is not None:
                pause(_PAUSE_SOFT)
