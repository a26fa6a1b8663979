"""Recipes as their files describe them: headers, families, papers, scores last measured. Imports no torch."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from pushforward.config_files import defaults_of

FAMILIES = {
    "autoencoder": "Autoencoders",
    "variational": "Variational autoencoders",
    "adversarial": "Adversarial autoencoders",
    "gan": "Generative adversarial networks",
    "flow": "Flows",
    "autoregressive": "Autoregressive models",
    "diffusion": "Diffusion and its kin",
}
"""Headings of the values of `family:` in recipes, in the order of lists; a person's own recipe may name another."""
MEASURED = "measured on "
"""The beginning of a header's lines that scripts/write_scores.py writes."""
CITED = re.compile(r"arXiv:(\d{4}\.\d{4,5})|@([a-z]+\d{4}[a-z]*)")
"""A paper in a source line: by its arXiv id, or by its key in papers.bib."""


@dataclass(frozen=True)
class Header:
    """The leading comment of a recipe's file."""

    sentence: str
    """Title and equation: `β-VAE: min −log p(x|z) + β·KL, β = 4.`"""
    source: tuple[str, ...]
    commands: tuple[str, ...]
    notes: tuple[str, ...]
    measured: tuple[str, ...]
    """`digits: bpd 2.31 bits/dim, … (40 epochs, 2 seeds)`, a line each data set."""

    @property
    def title(self) -> str:
        """The sentence up to its equation."""
        return self.sentence.partition(": ")[0].rstrip(".")

    @property
    def equation(self) -> str:
        return self.sentence.partition(": ")[2]

    @property
    def papers(self) -> list[str]:
        """arXiv ids and keys of papers.bib, in the order of the source line."""
        return [arxiv or key for text in self.source for arxiv, key in CITED.findall(text)]


def comment(path: Path) -> list[str]:
    """Return the lines of a file's leading comment, `# @package` left out."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    block = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return [line.removeprefix("#").strip() for line in block if not line.startswith("# @package")]


def header(path: Path) -> Header:
    """Return the header of a recipe's file; parts that it does not have are empty."""
    block = comment(path)
    measured = tuple(line.removeprefix(MEASURED) for line in block if line.startswith(MEASURED))
    commands = tuple(line for line in block if line.startswith("pushforward "))
    rest = [line for line in block if not line.startswith((MEASURED, "pushforward ")) and line]
    said = list(itertools.takewhile(lambda line: not CITED.search(line), rest))
    sentence = first_sentence(" ".join(said).removeprefix(f"{path.stem}:").strip())
    source = tuple(line for line in rest[len(said) :] if CITED.search(line))
    return Header(sentence, source, commands, tuple(line for line in rest[len(said) :] if line not in source), measured)


def first_sentence(text: str) -> str:
    return re.split(r"(?<!al\.)(?<!app\.)(?<=\.)\s+(?=[A-Z0-9])", text, maxsplit=1)[0]


def family_of(path: Path, folders: Sequence[Path]) -> str | None:
    """Return what `family:` says in a recipe's file or in the recipes that it is made from; None where none says it.

    folders: config trees, a person's own last.
    """
    found: str | None = None
    for group, option in defaults_of(path):
        if group is None and option != "_self_":
            for other in (folder / "model" / f"{option}.yaml" for folder in folders):
                if other.is_file() and other != path:
                    found = family_of(other, folders) or found
    own = yaml.safe_load(path.read_text(encoding="utf-8"))
    said = own.get("family") if isinstance(own, dict) else None
    return str(said) if said is not None else found


def by_family(folders: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """{heading: {recipe: file}}, headings in the order of `FAMILIES`, others after them; recipes by their place in tables."""
    files = {path.stem: path for folder in folders for path in sorted((folder / "model").glob("*.yaml"))}
    found: dict[str, dict[str, Path]] = {heading: {} for heading in FAMILIES.values()}
    for name, path in sorted(files.items(), key=lambda item: (place(item[1]), item[0])):
        said = family_of(path, folders)
        found.setdefault(FAMILIES.get(said or "", said or "Others"), {})[name] = path
    return {heading: recipes for heading, recipes in found.items() if recipes}


def place(path: Path) -> float:
    """Return a recipe's own `order`; infinite where its file has none."""
    said = re.search(r"^order: *([\d.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return float(said[1]) if said else float("inf")


@cache
def papers(file: Path | None = None) -> dict[str, str]:
    """{arXiv id and key: BibTeX entry} of a papers.bib; None: ours. Of one that is not there nothing."""
    file = file or Path(__file__).parent / "assets" / "papers.bib"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    found: dict[str, str] = {}
    for entry in re.findall(r"^@.*?^\}$", text, re.MULTILINE | re.DOTALL):
        key, arxiv = re.match(r"@\w+\{([^,]+),", entry), re.search(r"^  eprint = \{([^}]+)\}", entry, re.MULTILINE)
        found |= {name[1]: entry for name in (key, arxiv) if name}
    return found
