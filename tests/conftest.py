"""Shapes in signatures are checked at run time, in the tests only: every call of a typed function of cls_toys."""

import sys

import jaxtyping

loaded = sorted(name for name in sys.modules if name.split(".")[0] == "cls_toys")
if loaded:
    raise RuntimeError(f"{', '.join(loaded)} imported before tests/conftest.py: their shapes would go unchecked")
jaxtyping.install_import_hook(["cls_toys"], "beartype.beartype")
