"""Optuna's samplers and pruners, seeded by (seed, trial's number): a killed search proposes what it would have proposed."""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from numpy.random import SeedSequence, default_rng
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from pushforward.errors import PushforwardError
from pushforward.sweep.search.search_space import Dimension

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

ATTEMPTS = 10
"""Times a sampler is asked again, with another seed, for a point that has been proposed before; then one is drawn."""


def seed_of(*numbers: int) -> int:
    """Return a seed of 32 bits that depends on every number."""
    return int(SeedSequence(numbers).generate_state(1)[0])


class Joint(BaseSampler):
    """All parameters of a trial at once by `make(seed)`, a function of the seed, the number and the trials before.

    A point of a space with a continuous dimension is proposed once.
    """

    def __init__(self, make: Callable[[int], BaseSampler], space: Sequence[Dimension], seed: int) -> None:
        self.make, self.space, self.seed = make, space, seed

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {d.key: d.distribution() for d in self.space}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        once = any(d.continuous for d in self.space)
        before = {_point(t.params) for t in study.get_trials(deepcopy=False) if t.number != trial.number}
        point: dict[str, Any] = {}
        for attempt in range(100):
            seed = seed_of(self.seed, trial.number, attempt)
            sampler = self.make(seed) if attempt < ATTEMPTS else optuna.samplers.RandomSampler(seed=seed)
            point = self.draw(sampler, study, trial, search_space)
            if not (once and _point(point) in before):
                break
        return point

    @staticmethod
    def draw(
        sampler: BaseSampler, study: optuna.Study, trial: FrozenTrial, space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        numbers_only = isinstance(sampler, optuna.samplers.CmaEsSampler)
        categorical = optuna.distributions.CategoricalDistribution
        joint = {k: d for k, d in space.items() if not d.single() and not (numbers_only and isinstance(d, categorical))}
        sampler.before_trial(study, trial)
        point = sampler.sample_relative(study, trial, joint)
        return {k: point[k] if k in point else sampler.sample_independent(study, trial, k, d) for k, d in space.items()}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise AssertionError(f"{param_name} is no part of the space")  # Joint proposes every parameter of it

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: Any, values: Sequence[float] | None) -> None:
        self.make(self.seed).after_trial(study, trial, state, values)


def _point(params: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple((key, repr(params[key])) for key in sorted(params))


class ByNumber(BaseSampler):
    """Trial n takes the nth of a fixed sequence of points, whatever has been found."""

    def __init__(self, point: Callable[[int], Mapping[str, Any]]) -> None:
        self.point = point

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return dict(self.point(trial.number))

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self.point(trial.number)[param_name]


def sobol(space: Sequence[Dimension], seed: int) -> Callable[[int], dict[str, Any]]:
    """Point n of a scrambled Sobol' sequence."""
    from scipy.stats.qmc import Sobol

    def point(number: int) -> dict[str, Any]:
        engine = Sobol(len(space), scramble=True, rng=default_rng(seed_of(seed)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a first block of 2^k points would be balanced better
            u = engine.fast_forward(number).random(1)[0] if number else engine.random(1)[0]
        return {d.key: d.at(float(x)) for d, x in zip(space, u, strict=True)}

    return point


def grid_size(space: Sequence[Dimension]) -> int:
    return math.prod(len(d.grid()) for d in space)


def grid(space: Sequence[Dimension], seed: int) -> Callable[[int], dict[str, Any]]:
    """Point n of all combinations, in an order drawn from the seed: a search cut short has seen some of everywhere."""
    values = [d.grid() for d in space]
    order = default_rng(seed_of(seed)).permutation(grid_size(space))

    def point(number: int) -> dict[str, Any]:
        rest, found = int(order[number % len(order)]), {}
        for d, own in zip(space, values, strict=True):
            rest, i = divmod(rest, len(own))
            found[d.key] = own[i]
        return found

    return point


SAMPLERS: dict[str, type[BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "qmc": ByNumber,
    "grid": ByNumber,
}
PRUNERS: dict[str, type[BasePruner]] = {
    "median": optuna.pruners.MedianPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
}


def sampler(name: str, options: Mapping[str, Any], space: Sequence[Dimension], seed: int, objectives: int = 1) -> Joint:
    """Return the sampler of one ask. Raises PushforwardError where it cannot do what it is asked to."""
    if name == "cmaes":
        _cmaes_can(space, objectives)
    kind = SAMPLERS[name]
    if kind is ByNumber:
        bound("sampler_options", options, lambda: None)
        point = (sobol if name == "qmc" else grid)(space, seed)
        return Joint(lambda _: ByNumber(point), space, seed)
    more = {"multivariate": True} if name == "tpe" else {}  # what is good in one dimension may depend on another
    bound("sampler_options", options, kind)
    try:
        kind(**(more | dict(options)))
    except (TypeError, ValueError) as error:
        raise PushforwardError(f"study.sampler_options={dict(options)}: {str(error).splitlines()[0]}") from None
    return Joint(lambda s: kind(**(more | dict(options) | {"seed": s})), space, seed)


def _cmaes_can(space: Sequence[Dimension], objectives: int) -> None:
    try:
        import cmaes  # noqa: F401
    except ImportError:
        raise PushforwardError("study.sampler=cmaes needs cmaes: pip install 'pushforward[search]'") from None
    if objectives > 1:
        raise PushforwardError("study.sampler=cmaes: it takes one metric; for several choose tpe or nsga2")
    if sum(d.kind != "choice" and d.low < d.high for d in space) < 2:
        raise PushforwardError("study.sampler=cmaes: it needs two numbers or more in the space; choose tpe")


def pruner(name: str | None, options: Mapping[str, Any]) -> BasePruner:
    """Return the pruner of one trial."""
    if name is None:
        bound("pruner_options", options, lambda: None)
        return optuna.pruners.NopPruner()
    bound("pruner_options", options, PRUNERS[name])
    try:
        return PRUNERS[name](**options)
    except (TypeError, ValueError) as error:
        raise PushforwardError(f"study.pruner_options={dict(options)}: {str(error).splitlines()[0]}") from None


def bound(where: str, options: Mapping[str, Any], kind: Callable[..., Any]) -> None:
    """Refuse options that `kind` does not take."""
    from pushforward.errors import near

    known = [name for name in inspect.signature(kind).parameters if name not in ("self", "seed", "args", "kwargs")]
    for option in options:
        if option not in known:
            hint = near(str(option), known) if known else "it takes none"
            raise PushforwardError(f"study.{where}.{option}: there is no such option; {hint}")
