"""The papermill engine behind the entry point ``cls_toys``; a module of its own because papermill imports it as it starts."""

import os
import tempfile
from typing import Any

from papermill.engines import NBClientEngine
from traitlets.config import Config


class Engine(NBClientEngine):
    """papermill's engine over ipc sockets: kernels started in parallel cannot clash over ports."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        """Execute as the parent class does, with the kernel's sockets in a folder of its own where the platform has them.

        Jupyter would put them into the working directory, under names that parallel kernels share.
        """
        if os.name != "posix":
            super().execute_managed_notebook(nb_man, kernel_name, **options)
            return
        # Not under TMPDIR: the path of a socket may have 104 bytes only.
        with tempfile.TemporaryDirectory(prefix="cls-toys-", dir="/tmp") as folder:
            options["config"] = Config(
                KernelManager={"transport": "ipc", "connection_file": os.path.join(folder, "kernel.json")}
            )
            super().execute_managed_notebook(nb_man, kernel_name, **options)
