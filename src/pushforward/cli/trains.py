"""Commands that train or measure."""

import re

from pushforward.cli.parser import Parser
from pushforward.errors import PushforwardError
from pushforward.runs import find


def train(args: list[str]) -> int:
    """pushforward train: one run, or with -m a grid of them, by Hydra's own command line; --plan: what it would do."""
    if "--plan" in args:
        from pushforward.sweep.plan import plan

        return plan([expand(a) for a in args if a != "--plan"])
    from pushforward.launch import hydra_train

    return hydra_train([expand(a) for a in args])


def expand(argument: str) -> str:
    """`seed=0..4` as Hydra's `seed=0,1,2,3,4`; anything else as it is."""
    found = re.fullmatch(r"([\w.@/+]+)=(-?\d+)\.\.(-?\d+)", argument)
    if not found:
        return argument
    key, first, last = found.group(1), int(found.group(2)), int(found.group(3))
    if last < first:
        raise PushforwardError(f"{argument}: a range a..b runs upwards; write {key}={last}..{first}")
    return f"{key}={','.join(map(str, range(first, last + 1)))}"


def evaluate(args: list[str]) -> int:
    """pushforward evaluate RUN...: measures trained runs again, without training."""
    parser = Parser("pushforward evaluate", description=evaluate.__doc__)
    parser.add_argument("run", nargs="+", help="RUN, and metrics=… or metrics.…=… to measure otherwise")
    asked = parser.parse_args(args)
    overrides = [word for word in asked.run if re.match(r"[+~]*(metrics|features|measure|density)(=|\.|@)", word)]
    from pushforward.training.again import evaluate_again

    for spec in (word for word in asked.run if word not in overrides):
        for run in find(spec):
            print(evaluate_again(run, overrides))
    return 0
