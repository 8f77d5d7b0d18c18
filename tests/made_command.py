"""The command, called as from a terminal."""

import sys

import pytest

from tlkit import cli


def call_command(monkeypatch, capsys, *arguments):
    """Run `tlkit` with arguments in this process; returns (exit status, output, errors)."""
    monkeypatch.setattr(cli.warnings, "showwarning", cli.warnings.showwarning)
    monkeypatch.setattr(sys, "argv", ["tlkit", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    captured = capsys.readouterr()
    return ended.value.code or 0, captured.out, captured.err
