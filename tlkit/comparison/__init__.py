"""Compare strategies: one runner, its workers, and the results."""
