"""Text of others, such as what stands in a record, as it may be shown: in a terminal, in rich's markup, Markdown, LaTeX, HTML.

Imports no torch. `visible` is taken when files are read (`runs.schema`) and when an error is printed; the other forms where
they are written.
"""

import unicodedata
from typing import Any

_CONTROL = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "␡",
    **dict.fromkeys([*range(0x80, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF], "�"),
    **dict.fromkeys(range(0xD800, 0xE000), "�"),
}
"""Control characters by what is shown for them: a terminal obeys ESC, and text that runs the other way hides what it says."""


def visible(text: str) -> str:
    """Return the text with its control characters shown instead of obeyed; line breaks and tabs stay."""
    return text if text.isprintable() else text.translate(_CONTROL)


def line(text: Any) -> str:
    """`visible` on one line."""
    shown = visible(str(text))
    return shown if shown.isprintable() else " ".join(shown.split())


def everywhere(value: Any) -> Any:
    """Plain data with every text in it, names included, `visible`."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {everywhere(key): everywhere(item) for key, item in value.items()}
    return [everywhere(item) for item in value] if isinstance(value, list) else value


def markup(text: Any) -> str:
    """Return one line in rich's markup: `[/]` is text."""
    from rich.markup import escape

    return escape(line(text))


def md(text: str) -> str:
    """Return one line in a Markdown table."""
    found = line(text)
    for character in "\\|*_<`":
        found = found.replace(character, "\\" + character)
    return found.replace("](", "]\\(")


def html(text: Any) -> str:
    """Return text in HTML, attributes included."""
    from html import escape

    return escape(visible(str(text)))


LETTERS = "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"
"""The marks at numbers of a column whose cards differ."""
_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"$<$", ">": r"$>$", "|": r"$|$",
    "[": "{[}", "]": "{]}",
    "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
    "−": "$-$", "–": "--", "—": "---", "†": r"$^\dagger$", "‡": r"$^\ddagger$", "°": r"$^\circ$",
    "*": r"$^*$", "·": r"$\cdot$", "×": r"$\times$", "→": r"$\to$", "∞": r"$\infty$", "√": r"$\surd$", "‖": r"$\|$",
    "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\dots{}",
    "ß": r"\ss{}", "Ł": r"\L{}", "ł": r"\l{}", "Ø": r"\O{}", "ø": r"\o{}", "Æ": r"\AE{}", "æ": r"\ae{}", "ς": r"$\varsigma$",
    "ο": "o", "Α": "A", "Β": "B", "Ε": "E", "Ζ": "Z", "Η": "H", "Ι": "I", "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O",
    "Ρ": "P", "Τ": "T", "Χ": "X",
}  # fmt: skip
_ACCENTS = {
    0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x306: "u", 0x307: ".", 0x308: '"', 0x30A: "r",
    0x30C: "v", 0x327: "c", 0x328: "k",
}  # fmt: skip


def tex(text: str) -> str:
    """Return one line that any LaTeX engine sets: ASCII alone, what is unknown as `?`."""
    return "".join(map(_tex, unicodedata.normalize("NFC", line(text))))


def _tex(c: str) -> str:
    if c in _TEX or c.isascii():
        return _TEX.get(c, c)
    kind, *codes = unicodedata.decomposition(c).split()[:3] or [""]
    if kind in ("<super>", "<sub>"):
        return rf"${'^' if kind == '<super>' else '_'}\mathrm{{{_plain(codes)}}}$"
    if codes and int(codes[0], 16) in _ACCENTS and _plain([kind]) != "?":
        return rf"\{_ACCENTS[int(codes[0], 16)]}{{{_plain([kind])}}}"
    words = unicodedata.name(c, "").split()
    if len(words) == 4 and words[0] == "GREEK" and words[2] == "LETTER":
        letter = {"LAMDA": "LAMBDA"}.get(words[3], words[3])
        return rf"$\{letter.lower() if words[1] == 'SMALL' else letter.capitalize()}$"
    return "?"


def _plain(codes: list[str]) -> str:
    """Return the characters of hexadecimal codes, each in ASCII or as `?`."""
    return "".join(c if c.isascii() else "?" for c in (chr(int(code, 16)) for code in codes))
