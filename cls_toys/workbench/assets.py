"""Scripts that the book serves itself, so that reading it sends no request to anyone: Vega and MathJax."""

import shutil
from importlib.metadata import distribution, version
from pathlib import Path

import altair
import vl_convert

VEGA_LITE = altair.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]  # what Altair writes: major and minor version
_MATHJAX = "sphinx-mathjax-offline"  # the distribution whose MathJax files are served; its extension is not used


def write_assets(folder: Path) -> None:
    """Write ``vega/vega-embed.js`` and ``mathjax/`` (its combined file and fonts) into ``folder``.

    Each is written under a temporary name and renamed; what is there is left alone if the same versions wrote it.
    """
    vega, mathjax, stamp = folder / "vega", folder / "mathjax", folder / ".versions"
    versions = f"{VEGA_LITE} {version('vl-convert-python')} {version(_MATHJAX)}"
    if not stamp.exists() or stamp.read_text() != versions:
        shutil.rmtree(folder, ignore_errors=True)
    if not vega.exists():
        partial = _fresh(folder / "vega.partial")
        bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
        # In a scope of its own: its top-level names would clash with those of Sphinx's scripts.
        (partial / "vega-embed.js").write_text("(() => {\n" + bundle + "\n})();\n", encoding="utf-8")
        partial.rename(vega)
    if not mathjax.exists():
        partial = _fresh(folder / "mathjax.partial")
        source = Path(distribution(_MATHJAX).locate_file(f"{_MATHJAX}/static/mathjax"))
        fonts = Path("output/chtml/fonts/woff-v2")
        shutil.copyfile(source / "tex-mml-chtml.js", partial / "tex-mml-chtml.js")
        shutil.copytree(source / fonts, partial / fonts)
        partial.rename(mathjax)
    stamp.write_text(versions)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
