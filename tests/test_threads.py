"""States that users set in torch and NumPy: results don't depend on them, and they stay as they were set."""

import contextlib

import numpy as np
import pytest
import torch

from tlkit.cpu.threads import default_states

STATES = {
    "no grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default device": lambda: torch.device("meta"),
    "NumPy's errors": lambda: np.errstate(all="raise"),
}


def read_states():
    return {
        "no grad": not torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "default device": torch.get_default_device().type,
        "NumPy's errors": np.geterr(),
    }


@contextlib.contextmanager
def default_dtype(dtype):
    """Set torch's default dtype within a block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("name", STATES)
def test_states_of_the_user_are_set_aside_and_put_back(name):
    undisturbed = default_states()(read_states)()
    with STATES[name]():
        before = read_states()
        assert before != undisturbed
        assert default_states()(read_states)() == undisturbed
        with pytest.raises(KeyError), default_states():
            raise KeyError
        assert read_states() == before


def test_another_default_dtype_is_refused():
    with default_dtype(torch.float64):
        with pytest.raises(RuntimeError, match=r"get_default_dtype\(\) is torch.float64.*set_default_dtype"):
            default_states()(read_states)()
        assert torch.get_default_dtype() == torch.float64
