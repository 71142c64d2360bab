"""OpenAI's package, imported: it takes a version parser from setuptools' pkg_resources, which newer ones no longer have."""

import importlib
import sys
from types import ModuleType

import packaging.version

lent = ModuleType("pkg_resources")
lent.packaging = packaging
lacking = "pkg_resources" not in sys.modules
sys.modules.setdefault("pkg_resources", lent)
clip = importlib.import_module("clip")
importlib.import_module("clip.model")
if lacking:
    del sys.modules["pkg_resources"]
