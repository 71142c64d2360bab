"""Lines that the server wrote, read back."""

import json

import pytest


@pytest.fixture
def logged(capfd):
    """Return a function that gives the entries of the log since it was last asked."""

    def entries():
        return [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]

    return entries
