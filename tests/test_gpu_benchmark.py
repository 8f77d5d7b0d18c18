"""The benchmark for GPU machines: its code runs on a CPU, and without a GPU it says so in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "gpu.py"


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, so the script would measure for minutes")
def test_without_a_gpu_it_ends_after_one_line():
    done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("There is no NVIDIA GPU") and done.stdout.count("\n") == 1


@pytest.mark.slow
def test_its_code_runs_on_a_few_pictures(tmp_path):
    command = [sys.executable, "-W", "ignore", SCRIPT, "--tiny-cpu", "--out", tmp_path / "rows.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert {(row["task"], row["library"]) for row in rows} >= {
        (task, library)
        for task in ("training", "extraction, exact", "extraction, fast")
        for library in ("tlkit", "timm")
    }
    assert all(row["pictures_per_s"] > 0 for row in rows)
