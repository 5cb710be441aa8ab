"""The papermill engine of the runner: quiet kernels in processes of their own, which cannot get in each other's way."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from traitlets.config import Config

NAME = "cls_toys"
_SOCKETS = "cls-toys-"


class Engine(NBClientEngine):
    """papermill's engine over ipc sockets, where the platform has them: parallel kernels cannot clash over ports."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, environment: Mapping[str, str], **options: Any
    ) -> None:
        """Execute as the parent class does, the kernel with ``environment`` over that of this process.

        What the kernel's process writes to its error stream (no cell does) is not shown, but told with the
        DeadKernelError if it dies, as it runs or as it starts.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:

            class Manager(AsyncKernelManager):
                async def start_kernel(self, **keywords: Any) -> None:
                    await super().start_kernel(stderr=log, env={**os.environ, **environment}, **keywords)

            options["kernel_manager_class"] = Manager
            options["shutdown_kernel"] = "immediate"  # everything is written: nothing to wait for
            try:
                cls._execute(nb_man, kernel_name, **options)
            except RuntimeError as error:  # DeadKernelError is one, and so is what a kernel that never started raises
                log.seek(0)
                raise DeadKernelError(f"{error}\n{log.read()}".strip()) from error

    @classmethod
    def _execute(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        if os.name != "posix":
            super().execute_managed_notebook(nb_man, kernel_name, **options)
            return
        # Not under TMPDIR: the path of a socket may have 104 bytes only. Not where Jupyter would put them, into the
        # working directory under names that parallel kernels share.
        _remove_left_sockets(Path("/tmp"))
        with tempfile.TemporaryDirectory(prefix=f"{_SOCKETS}{os.getpid()}-", dir="/tmp") as folder:
            options["config"] = Config(
                KernelManager={"transport": "ipc", "connection_file": os.path.join(folder, "kernel.json")}
            )
            super().execute_managed_notebook(nb_man, kernel_name, **options)


def _remove_left_sockets(parent: Path) -> None:
    """Remove the folders of processes that were killed."""
    for folder in parent.glob(f"{_SOCKETS}*-*"):
        process = folder.name.removeprefix(_SOCKETS).partition("-")[0]
        if process.isdigit() and not alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def alive(process: int) -> bool:
    """Whether a process of this machine has that number."""
    with suppress(PermissionError):  # somebody else's, and alive
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
    return True


papermill_engines.register(NAME, Engine)
