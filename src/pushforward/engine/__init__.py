"""Carrying out steps for anything trainable: the contract, one model's stepper, replicas as a stack. Knows no family."""

from pushforward.engine.contract import Loss, Noise, Progress, Trainable
from pushforward.engine.engine import Engine
from pushforward.engine.history import Means
from pushforward.engine.players import Player, Tuning
from pushforward.engine.stack import Stack
from pushforward.engine.stepper import Stepper

__all__ = ["Engine", "Loss", "Means", "Noise", "Player", "Progress", "Stack", "Stepper", "Trainable", "Tuning"]
