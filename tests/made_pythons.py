"""Other Pythons that tests start."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import torch

_TESTS = Path(__file__).parent


@contextlib.contextmanager
def other_python(code, *arguments):
    """Run code in another Python that has the tests' helpers; where the test fails, it is ended."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_TESTS), str(_TESTS.parent)])}
    environment["OMP_NUM_THREADS"] = str(torch.get_num_threads())  # with more or fewer the same call has other bits
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
