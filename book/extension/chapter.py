"""What every chapter gets at its end: how to rerun it, with the exact command and the parameters it was run with."""

import json
import shlex

import nbformat
from nbformat import NotebookNode
from sphinx.application import Sphinx

from cls_toys.workbench.parameters import read_parameters
from cls_toys_book.directives import table

_CONTINUED = " \\\n  "


def add_rerun(app: Sphinx, docname: str, content: list[str]) -> None:
    """Append the section to the source of an executed notebook, as Sphinx reads it.

    The cell that papermill injected is left out: the section has the same values.
    """
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = nbformat.reads(content[0], as_version=4)
    if "cls_toys" in notebook.metadata:
        notebook.cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", ())]
        notebook.cells.append(nbformat.v4.new_markdown_cell(rerun(notebook), id="rerun-this-page"))
        content[0] = nbformat.writes(notebook)


def rerun(notebook: NotebookNode) -> str:
    """Markdown of the section, from the stamp that the runner left in an executed notebook."""
    stamp = notebook.metadata.cls_toys
    parameters = read_parameters(notebook)
    name, values = stamp["notebook"], stamp["parameters"]
    plain = {key: ",".join(map(str, value)) if isinstance(value, list) else str(value) for key, value in values.items()}
    ours = _CONTINUED.join(
        [f"cls-toys run {name}", *(f"-p {shlex.quote(f'{key}={value}')}" for key, value in plain.items())]
    )
    theirs = _CONTINUED.join(
        [f"papermill notebooks/{name}.ipynb out.ipynb", f"-y {shlex.quote(json.dumps(values, ensure_ascii=False))}"]
    )
    rows = [
        (f"`{key}`", plain[key], str(parameter.default), parameter.allowed or parameter.type, parameter.help)
        for key, parameter in parameters.items()
    ]
    return (
        "## Rerun this page\n\n"
        f"The page shows one run of `notebooks/{name}.ipynb`: started {stamp['started'][:16].replace('T', ' ')} UTC, "
        f"{stamp['duration_s']:.0f} seconds, run key `{stamp['key']}`, code `{stamp['code'][:12]}`. This command repeats it; "
        "change a value to see what follows. `cls-toys lab` opens the notebooks in JupyterLab.\n\n"
        f"```bash\n{ours}\n```\n\nPlain papermill does the same:\n\n```bash\n{theirs}\n```\n\n"
        + table(("parameter", "this page", "default", "allowed", "meaning"), rows)
    )
