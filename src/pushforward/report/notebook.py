"""What a notebook shows of a run, of runs and of a model: fragments of HTML that need nothing else and have no script.

Colours are those of the page around them, paler where they matter less, so that they are read on light and on dark alike.
"""

import io
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path

from pushforward.report import columns
from pushforward.report.plain_tables import figure
from pushforward.report.tables import relation
from pushforward.report.terminal import how, progress
from pushforward.runs import UNREADABLE, Run
from pushforward.untrusted_text import html as text_of

STYLE = """<style>
.pushforward-shown { font: 14px/1.45 system-ui, sans-serif; overflow-x: auto; }
.pushforward-shown table { border-collapse: collapse; margin: .4em 0; font-variant-numeric: tabular-nums; }
.pushforward-shown th, .pushforward-shown td { padding: .15em .8em .15em 0; text-align: left; vertical-align: top;
  font-weight: 400; background: none; border: none; }
.pushforward-shown thead th { border-bottom: 1px solid; }
.pushforward-shown .value { text-align: right; white-space: nowrap; }
.pushforward-shown .soft, .pushforward-shown thead th { opacity: .75; }
.pushforward-shown img { display: block; margin: .4em 0; max-width: 100%; image-rendering: pixelated; }
.pushforward-shown p { margin: .2em 0; }
.pushforward-shown summary { cursor: pointer; }
</style>"""
PICTURES = ("samples", "points", "samples_mixture", "reconstructions")
"""Pictures of a run; the first that can be read is shown."""
LARGEST = 2_000_000
"""Bytes of a picture that is written into a notebook."""
MOST = 100
"""Runs of a list that are shown."""
ARROWS = {"lower": " ↓", "higher": " ↑"}


def run(one: Run) -> str:
    """A run: how it stands, its samples, its main numbers with units, and the others folded away. A damaged one says so."""
    if found := one.damage():
        return framed([f"<p><b>{text_of(one.id)}</b>: {UNREADABLE}: {text_of(found)}</p>"])
    said = f"{one.state}{f' ({progress(one)})' if progress(one) else ''}"
    parts = [f"<p><b>{text_of(one.id)}</b>: {text_of(said)}</p>"]
    if one.status.get("error"):
        parts.append(f"<p>{text_of(one.status['error'])}</p>")
    if picture := samples(one):
        parts.append(picture)
    names = columns.ordered(one.metrics)
    main = [name for name in columns.main(one.metrics) if one.metrics[name]["value"] is not None]
    if main:
        parts.append(numbers(one, main))
    if others := [name for name in names if name not in main]:
        parts.append(
            f'<details><summary class="soft">{len(others)} more numbers</summary>{numbers(one, others)}</details>'
        )
    return framed(parts)


def runs(some: Sequence[Run]) -> str:
    """Runs: a line each, with the number by which it is summed up."""
    lines = []
    for one in some[:MOST]:
        damage = one.damage()
        name = None if damage else columns.headline(one)
        entry = one.metrics[name] if name else None
        number = f"{name} {marked(one, name)} {entry['unit']}" if name and entry else ""
        state = UNREADABLE if damage else one.state
        words = (one.id, one.choices.get("model"), one.data, one.key("seed"), state, damage or number)
        lines.append(["" if word is None else str(word) for word in words])
    parts = [table(("run", "model", "data", "seed", "state", ""), lines)] if lines else ["<p>no runs</p>"]
    if len(some) > MOST:
        parts.append(f'<p class="soft">and {len(some) - MOST:,} more</p>')
    return framed(parts)


def model(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """A model: what each part of it is."""
    return framed([f"<p><b>{text_of(title)}</b></p>", table((), rows)])


def samples(one: Run) -> str:
    """A run's picture in the page itself, read and written anew; empty where there is none, or it is no picture."""
    for name in PICTURES:
        if content := png(one.samples / f"{name}.png"):
            alt = f"{name.partition('_')[0]} of {one.id}"
            return f'<img alt="{text_of(alt)}" src="data:image/png;base64,{b64encode(content).decode("ascii")}">'
    return ""


def png(path: Path) -> bytes:
    """A picture's bytes, written anew; empty where the file is none."""
    from PIL import Image

    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return b""
        with Image.open(path) as image:
            out = io.BytesIO()
            image.convert("RGB" if image.mode not in ("L", "RGB") else image.mode).save(out, "PNG", optimize=True)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return b""
    return out.getvalue()


def numbers(one: Run, names: Iterable[str]) -> str:
    """Numbers of a run with units and what matters of their cards."""
    rows = []
    for name in names:
        entry = one.metrics[name]
        better = ARROWS.get(str(entry["card"].get("better")), "")
        rows.append((name + better, marked(one, name), entry["unit"] or "", entry["na"] or how(entry["card"])))
    return table(("number", "value", "unit", "measured"), rows)


def marked(one: Run, name: str) -> str:
    """A number with ≤, ≥, = or ≈ before it, as its card has it; n/a where there is none."""
    entry = one.metrics[name]
    if entry["value"] is None:
        return "n/a"
    mark = relation({str(entry["card"].get("kind") or "")}, entry["card"].get("better"))
    return f"{mark} {figure(entry['value'], 5)}".strip()


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; the column `value` stands right."""
    right = [' class="value"' if head == "value" else "" for head in heads]
    head = "".join(f'<th scope="col"{kind}>{text_of(name)}</th>' for name, kind in zip(heads, right, strict=True))
    lines = []
    for first, *rest in rows:
        kinds = right[1:] or [""] * len(rest)
        cells = "".join(f"<td{kind}>{text_of(word)}</td>" for word, kind in zip(rest, kinds, strict=True))
        lines.append(f'<tr><th scope="row">{text_of(first)}</th>{cells}</tr>')
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if heads else ''}<tbody>{''.join(lines)}</tbody></table>"


def framed(parts: Iterable[str]) -> str:
    return "\n".join(['<div class="pushforward-shown">', STYLE, *parts, "</div>"])
