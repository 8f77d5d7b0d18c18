"""Names that examples in docstrings use without importing them, as numpydoc has it."""

import numpy as np
import pandas as pd
import pytest

import tlkit as tl


@pytest.fixture(autouse=True, scope="session")
def example_names(doctest_namespace):
    doctest_namespace.update(np=np, pd=pd, tl=tl)
