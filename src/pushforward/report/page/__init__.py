"""One HTML page over runs: table, pictures, curves and an explorer, complete in one file which loads nothing.

Charts are drawn by Vega-Lite: its bundle with Vega and vega-embed takes 0.9 MB of the file, Plotly's 4.8 MB (1.1 MB of the
basic one, which no Python package has), and its expressions are interpreted, so that the page's policy need not allow
evaluation of text. What runs say is text to the template, JSON to the script, and never either's source.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pushforward.atomic_files import write_whole
from pushforward.errors import PushforwardError
from pushforward.report.page import charts, comparison, configs, explorer, pictures
from pushforward.report.run_list import RunList
from pushforward.report.table_layout import Table

HERE = files(__package__)
SNIPPET = "window.vegaEmbed = vegaEmbed;"
SCRIPTS = ("page.js", "charts.js", "explorer.js")


def write(runs: RunList, table: Table, out: Path, title: str = "pushforward") -> Path:
    """Writes the page over `runs`, whose comparison is `table`. Raises PushforwardError where a package is missing."""
    write_whole(out, render(runs, table, title))
    return out


def render(runs: RunList, table: Table, title: str = "pushforward") -> str:
    """The page as text."""
    bundle = vega()
    try:
        import jinja2
    except ImportError:
        raise missing("jinja2") from None
    page = content(runs, table)
    data = as_json(page.pop("data"))
    scripts = [bundle, *(_source(name) for name in SCRIPTS)]
    # the loader knows one template: text of runs never becomes one
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_source("page.html.j2"))
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {' '.join(map(_hash, scripts))}"
    return template.render(**page, title=title, data=data, scripts=scripts, style=_source("page.css"), policy=policy)


def content(runs: RunList, table: Table) -> dict[str, Any]:
    """Values that the template shows, and under `data` those that the scripts read."""
    kept, rows = pictures.Kept(), table.rows
    compared = comparison.data(table)
    curves, points = charts.curves(rows), charts.points(table)
    axes = {name: axis for name, axis in charts.axes(runs).items() if any(name in point for point in points)}
    page: dict[str, Any] = {
        "table": {key: compared[key] for key in ("heads", "columns", "rows", "references", "notes")},
        "samples": pictures.samples(rows, kept),
        "planes": pictures.planes(rows, kept),
        "reconstructions": pictures.reconstructions(rows, kept),
        "moments": pictures.moments(rows, kept),
        "trajectories": pictures.trajectories(rows, kept),
        "explorer": explorer.spaces(rows, kept),
        "curves": bool(curves),
        "frontier": sum("rate" in point and "distortion" in point for point in points) > 1,
        "cost": len(points) > 1 and any(name in axes for name in charts.COSTS),
        "runs": len(runs),
        "data_sets": sorted({str(run.images) for run in runs}),
        "measured": max((str(run.status.get("updated") or "") for run in runs), default="")[:10],
        "differ": configs.differing(runs),
    }
    page["data"] = {
        "cards": compared["cards"],
        "lines": compared["lines"],
        "curves": curves,
        "points": points,
        "axes": axes,
        "cost": charts.first(charts.COSTS, points),
        "quality": charts.quality(runs, points),
        "spaces": page["explorer"],
        "sliders": {key: [_steps(one) for one in page[key]] for key in ("moments", "trajectories")},
        "configs": page["differ"],
    }
    page["gaps"] = list(dict.fromkeys(kept.gaps))
    return page


def _steps(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "steps": [{"at": step["at"], **step["sprite"].as_json()} for step in one["steps"]]}


def as_json(value: Any) -> str:
    """JSON that stands in a script element: no text in it ends the element or begins a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def vega() -> str:
    """The source of Vega-Lite, Vega and vega-embed. Raises PushforwardError where the package that has it is missing."""
    try:
        import vl_convert
    except ImportError:
        raise missing("vl-convert-python") from None
    # a scope of its own: the bundle's short names are none of the page's
    bundle = f"(() => {{{vl_convert.javascript_bundle(SNIPPET)}}})();"
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def missing(package: str) -> PushforwardError:
    return PushforwardError(f"pushforward report needs {package}: pip install 'pushforward[report]'")


def _source(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """A script's name in the page's policy: no other is run."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"


def keys(runs: Sequence[Any]) -> tuple[str, ...]:
    """The config keys that make a row, unless others are asked for: the model, and the data where there are several."""
    return ("model", "data") if len({run.data for run in runs}) > 1 else ("model",)
