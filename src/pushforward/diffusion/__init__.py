"""Ways from noise to data in many small steps: noise schedules, processes, samplers, likelihoods."""

from pushforward.diffusion.coupling import OptimalTransport, Pairs, Reflow
from pushforward.diffusion.ddpm import DDPM
from pushforward.diffusion.flow_matching import FlowMatching
from pushforward.diffusion.mean_flow import MeanFlow
from pushforward.diffusion.noise_schedules import CosineBetas, LinearBetas
from pushforward.diffusion.ode import Euler, Heun, RungeKutta
from pushforward.diffusion.process import HasProbabilityFlow, Process, Scored, TakesSamplers
from pushforward.diffusion.samplers import Ancestral, ProbabilityFlowHeun, Sampler
from pushforward.diffusion.variance_exploding import EDM, ScoreMatching

__all__ = [
    "DDPM",
    "EDM",
    "Ancestral",
    "CosineBetas",
    "Euler",
    "FlowMatching",
    "HasProbabilityFlow",
    "Heun",
    "LinearBetas",
    "MeanFlow",
    "OptimalTransport",
    "Pairs",
    "ProbabilityFlowHeun",
    "Process",
    "Reflow",
    "RungeKutta",
    "Sampler",
    "ScoreMatching",
    "Scored",
    "TakesSamplers",
]
