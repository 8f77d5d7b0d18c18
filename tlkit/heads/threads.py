"""How many threads fit a head."""

# On matrices up to this size several BLAS threads wait for each other longer than they compute, and change the last
# bits.
SMALL = 4_000_000


def limit_threads(values):
    """Return a context in which small (n, n_features) values are computed on by one thread.

    It limits the libraries that are loaded when it is entered: import what computes before.

    >>> import numpy as np
    >>> from threadpoolctl import threadpool_info
    >>> with limit_threads(np.zeros((3, 3))):
    ...     {pool["num_threads"] for pool in threadpool_info()}
    {1}
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1 if values.size <= SMALL else None)
