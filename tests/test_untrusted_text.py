"""Text of others as LaTeX."""

import pytest

from pushforward.untrusted_text import tex

SHOWN = {
    "Fréchet ñ ç Łš": r"Fr\'{e}chet \~{n} \c{c} \L{}\v{s}",
    "β λ Λ Ω ς": r"$\beta$ $\lambda$ $\Lambda$ $\Omega$ $\varsigma$",
    "x² ₁ ᵃ": r"x$^\mathrm{2}$ $_\mathrm{1}$ $^\mathrm{a}$",
    "[a] \\b{} 5 % & #_1 ^~": r"{[}a{]} \textbackslash{}b\{\} 5 \% \& \#\_1 \textasciicircum{}\textasciitilde{}",
    "e\u0301\n½ 中": r"\'{e} ? ?",
}


@pytest.mark.parametrize(("given", "shown"), SHOWN.items())
def test_latex_is_ascii_with_accents_greek_and_indices(given, shown):
    assert tex(given) == shown and shown.isascii() and len(SHOWN) == 5
