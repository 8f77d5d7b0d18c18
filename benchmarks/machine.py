"""Helpers of the benchmarks: a description of the machine, the number of cores, and measurements of a new process."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

# Code before and after the measured code; it uses only built-in modules, so that measuring imports nothing.
_BEFORE = """
import json, sys, time
notes = {}
"""
_AFTER = """
status = open("/proc/self/status").read()
notes["peak_mb"] = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
notes["modules"] = [name for name in ("torch", "torchvision", "timm", "matplotlib", "pandas", "sklearn")
                    if name in sys.modules]
print("NOTES " + json.dumps(notes))
"""


def use_cores(n_cores):
    """Restrict this process to the first cores (Linux), before any library counts them; None keeps all."""
    if n_cores is not None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])
        os.environ["OMP_NUM_THREADS"] = str(n_cores)


def describe_machine():
    """Return the processor, the number of usable cores and the units for bf16 (str)."""
    name, flags = platform.processor() or platform.machine(), ""
    if Path("/proc/cpuinfo").exists():
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
        values = {key.strip(): value.strip() for key, _, value in lines}
        name, flags = values.get("model name", name), values.get("flags", "")
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    units = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags.split()]
    return f"{name}, {n_cores} cores, {', '.join(units) or 'units unknown'}"


def offers_bf16():
    """Return whether OpenVINO computes in bf16 on this processor; if not, "fast" is float32 as well."""
    from tlkit.features.openvino_engine import open_core

    return "BF16" in open_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def run_alone(code, **variables):
    """Run Python code in a new process (Linux); return its `notes`, `peak_mb`, heavy `modules` and `total_s` (dict)."""
    # The code fills the dict `notes`; `now()` gives the seconds since the start. peak_mb is in 10^6 bytes.
    started = time.time()
    now = f"def now(): return time.time() - {started!r}\n"
    command = [sys.executable, "-c", _BEFORE + now + code + _AFTER]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    total_s = time.time() - started
    lines = [line for line in done.stdout.splitlines() if line.startswith("NOTES ")]
    if done.returncode or not lines:
        raise RuntimeError(f"the measured process failed: {done.stderr[-2000:]}")
    return json.loads(lines[-1].removeprefix("NOTES ")) | {"total_s": total_s}
