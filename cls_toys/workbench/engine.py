"""The papermill engine behind the entry point ``cls_toys``; a module of its own because papermill imports it as it starts."""

import os
from typing import Any

from papermill.engines import NBClientEngine
from traitlets.config import Config


class Engine(NBClientEngine):
    """papermill's engine over ipc sockets: kernels started in parallel cannot clash over ports."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
        """Execute as the parent class does, with the kernel manager's transport set where the platform has it."""
        if os.name == "posix":
            options["config"] = Config(KernelManager={"transport": "ipc"})
        super().execute_managed_notebook(nb_man, kernel_name, **options)
