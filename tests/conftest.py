"""Shapes in signatures are checked at run time, in the tests only: every call of a typed function of cls_toys."""

import os
import sys

import jaxtyping
from hypothesis import settings

# One thread, as the runner gives a kernel: pytest's workers would fight over the cores. Read when torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

loaded = sorted(name for name in sys.modules if name.split(".")[0] == "cls_toys")
if loaded:
    raise RuntimeError(f"{', '.join(loaded)} imported before tests/conftest.py: their shapes would go unchecked")
jaxtyping.install_import_hook(["cls_toys"], "beartype.beartype")

# The same examples every time, however slow the machine.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")
