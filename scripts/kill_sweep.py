"""40 small VAEs, 2 at a time, killed with `kill -9` five times and started again: what is trained twice, left or lost.

python scripts/kill_sweep.py --jobs 40 --epochs 6 --kills 5 --seed 0 --out killed
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "sweep" / "local"))
from killing import arguments, check, kill_again_and_again, start

parser = argparse.ArgumentParser(description=__doc__)
for name, default in (("jobs", 40), ("epochs", 6), ("kills", 5), ("seed", 0), ("parallel", 2)):
    parser.add_argument(f"--{name}", type=int, default=default)
parser.add_argument("--out", type=Path, default=None, help="folder for both sweeps; default: a temporary one")
asked = parser.parse_args()
out = (asked.out or Path(tempfile.mkdtemp())).absolute()
if out.exists() and any(out.iterdir()):
    sys.exit(f"error: --out {out}: it is not empty; name a folder that is not there yet")
parallel = f"hydra.launcher.parallel={asked.parallel}"
print(f"undisturbed, in {out / 'undisturbed'}", flush=True)
assert start(out / "undisturbed", *arguments(asked.jobs, asked.epochs), parallel).wait() == 0
print(f"killed {asked.kills} times, in {out / 'killed'}", flush=True)
sweep = kill_again_and_again(out / "killed", asked.jobs, asked.epochs, asked.kills, asked.seed, parallel)
print(check(sweep, asked.jobs, asked.epochs, out / "undisturbed"))
