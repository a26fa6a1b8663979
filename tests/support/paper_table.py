"""A table of one's own, and finished runs of it that nobody trained."""

from pushforward.paper_tables.planned import Preset, plan
from pushforward.runs import RunDir

TABLE = """# mine: A table of one's own.
# Kingma & Welling 2014, arXiv:1312.6114
base: [data=digits, 'network.hidden=[8]', features=none, metrics=none]
blocks:
  small: {name: batches of 64}
  large: {name: batches of 128, overrides: [batch_size=128]}
columns:
  nll: {metric: nll}
  elbo: {metric: neg_elbo, scale: -1, name: ELBO, blocks: [small]}
rows:
  vae: {name: VAE, overrides: [model=vae]}
  beta: {name: β-VAE, overrides: [model=beta_vae]}
  second: {overrides: [model=vae, data=codes, 'data.run={vae}'], blocks: [small]}
  floor: {name: nothing, reference: floor}
budgets:
  little: {seeds: [1, 2], minutes: 6, overrides: [budget.epochs=1], rows: [vae, beta, floor]}
  whole: {seeds: [1], minutes: 30, full: true}
published:
  status: memory
  source: p. 7
  error_is: standard error
  values:
    vae: {small.nll: [100, 3]}
    beta: {nll: {value: 120, status: verified, source: p. 8}}
replications: [{by: others, values: {vae: {small.nll: 99}}}]
rules:
  - {column: nll, ascending: [vae, beta]}
  - {column: nll, within: {errors: 1, relative: 0.05}}
"""


def entry(value: float, floor: float | None = None) -> dict[str, object]:
    card = {"better": "lower", "kind": "lower bound", "floor": floor}
    return {"value": value, "unit": "nats", "card": card, "na": None, "column": {}}


def finish(chosen: Preset, row: str, block: str, seed: int, **numbers: float) -> RunDir:
    """Write the directory of a finished run of a row, with these numbers and a floor of 50."""
    [one] = [p for p in plan(chosen) if (p.job.row, p.job.block, p.job.seed) == (row, block, seed)]
    assert one.path is not None and one.frozen is not None
    run = RunDir.create(one.path, one.frozen)
    run.set_status(state="finished", images_seen=100, budget_images=100)
    run.write_record({name: entry(value, 50.0) for name, value in numbers.items()}, improving=False)
    (run.checkpoints / "last.ckpt").write_bytes(b"weights")
    return run
