"""The papermill engine behind the entry point ``cls_toys``; a module of its own because papermill imports it as it starts."""

import os
import tempfile
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine
from traitlets.config import Config


class Engine(NBClientEngine):
    """papermill's engine over ipc sockets: kernels started in parallel cannot clash over ports."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        """Execute as the parent class does, with the kernel's sockets in a folder of its own where the platform has them.

        Jupyter would put them into the working directory, under names that parallel kernels share. What the kernel's
        process writes to its error stream (no cell does) is not shown, but told with the DeadKernelError if it dies.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:

            class Manager(AsyncKernelManager):
                async def start_kernel(self, **keywords: Any) -> None:
                    await super().start_kernel(stderr=log, **keywords)

            options["kernel_manager_class"] = Manager
            try:
                cls._execute(nb_man, kernel_name, **options)
            except DeadKernelError as error:
                log.seek(0)
                raise DeadKernelError(f"{error}\n{log.read()}".strip()) from error

    @classmethod
    def _execute(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        if os.name != "posix":
            super().execute_managed_notebook(nb_man, kernel_name, **options)
            return
        # Not under TMPDIR: the path of a socket may have 104 bytes only.
        with tempfile.TemporaryDirectory(prefix="cls-toys-", dir="/tmp") as folder:
            options["config"] = Config(
                KernelManager={"transport": "ipc", "connection_file": os.path.join(folder, "kernel.json")}
            )
            super().execute_managed_notebook(nb_man, kernel_name, **options)
