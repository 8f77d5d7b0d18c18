"""Weights made for tests, and a machine that has none."""

import socket

import torch


def pull_the_plug(monkeypatch, tmp_path):
    """Leave only the packaged weights on this machine, and let nothing answer where the others would come from."""
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("TLKIT_WEIGHTS_URL", f"http://127.0.0.1:{port}")


def save(state, path):
    """Save a state as a .pth file; returns its path."""
    torch.save(state, path)
    return path
