"""A chart of the published book as a picture: ``python -m cls_toys.workbench.picture NOTEBOOK CHART FILE.png``."""

import json
import sys
from pathlib import Path

import vl_convert

from cls_toys.workbench import charts
from cls_toys.workbench.assets import VEGA_LITE
from cls_toys.workbench.run import RunFailed, find_notebook, prepare


def write_picture(notebook: str, name: str, file: Path, *, width: int = 640, scale: float = 2.0) -> None:
    """Write the chart ``name`` of a notebook's run with full parameters as a PNG on white, ``width`` units wide.

    Raises RunFailed where there is no such run, ``ValueError`` with the names there are where it has no such chart.
    """
    job = prepare(find_notebook(notebook), profile="full")
    if not job.folder.is_dir():
        raise RunFailed(f"{notebook} has no run to take the picture from: run `cls-toys book` first")
    spec = charts.find(json.loads((job.folder / "executed.ipynb").read_text(encoding="utf-8")), name)
    spec = spec | {"width": width, "background": "white"}
    png = vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=scale)
    partial = file.with_name(f"{file.name}.partial")
    partial.write_bytes(png)
    partial.replace(file)


if __name__ == "__main__":
    write_picture(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
