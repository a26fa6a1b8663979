"""What counts as a recipe's own lines."""

from pathlib import Path

from pushforward.distributions import aggregate
from pushforward.objectives import divergence
from variant_lines import chosen, closure, references, targets, yaml_lines


def test_what_is_reached_goes_round_in_circles_once() -> None:
    a, b, c, d = (("m", name) for name in "abcd")
    assert closure([a], {a: {b}, b: {a, c}, d: {a}}) == {a, b, c}


def test_a_term_refers_to_its_estimator_and_nothing_refers_to_the_term() -> None:
    edges, lines, loose = references([aggregate, divergence])
    term = ("pushforward.objectives.divergence", "TotalCorrelation")
    estimator = ("pushforward.distributions.aggregate", "minibatch_stratified")
    assert estimator in closure([term], edges) and 5 < lines[term] < 40
    assert term not in loose and [node for node, used in edges.items() if term in used] == []
    assert len(edges) > 10


def test_components_and_options_of_a_config(tmp_path: Path) -> None:
    config = {"a": [{"_target_": "pushforward.objectives.KL", "weight": {"_target_": "torch.nn.ReLU"}}], "b": 1}
    assert list(targets(config)) == [("pushforward.objectives.divergence", "KL")]
    assert chosen({"choices": {"optimizer@optimizer.model": "adam", "model": "vae"}}) == {"optimizer/adam", "model/vae"}
    (tmp_path / "x.yaml").write_text("# comment\n\na: 1  # more\nb:\n  # inner\n  c: 2\n")
    assert yaml_lines(tmp_path / "x.yaml") == 3
