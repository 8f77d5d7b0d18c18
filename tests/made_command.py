"""The command, called as from a terminal."""

import subprocess
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


COMMAND = "import sys; from tlkit.cli import main; sys.argv[0] = 'tlkit'; main()"


def run_command(*arguments, code=COMMAND, **settings):
    """Run `tlkit` in a process of its own, or other code that calls it; returns what `subprocess.run` returns."""
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 100} | settings
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], **settings)
