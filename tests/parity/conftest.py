"""What the parity tests share: the warnings of the neighbours are left to them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `compare`


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "parity" in item.path.parts:
            item.add_marker(pytest.mark.filterwarnings("default"))
