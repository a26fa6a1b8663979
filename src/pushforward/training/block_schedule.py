"""The work between blocks of training: curves, validation, checkpoints, pictures, signals, status."""

from collections.abc import Sequence

import pytorch_lightning as pl

from pushforward.engine import Engine
from pushforward.training import pictures
from pushforward.training.callbacks import begin_validation, end_validation
from pushforward.training.plan import passed
from pushforward.training.selection import measure
from pushforward.training.session import Session


def between_blocks(engine: Engine, sessions: Sequence[Session], index: int, trainer: pl.Trainer | None = None) -> None:
    """Does what is due after the block `index`, for one run, or for runs of one plan that are trained as one.

    sessions: in the order of the engine's families. trainer: where one hosts the run, whose callbacks may stop it.
    All that is decided is a function of images seen, so a resumed run does the same.
    """
    lead = sessions[0]
    plan, progress = lead.plan, lead.family.progress
    before, seen = lead.seen, progress.images_seen
    for session in sessions:
        session.seen = seen
    last, early = progress.cycles >= plan.cycles, trainer is not None and trainer.should_stop
    validates, stop = last or early or passed(before, seen, plan.validate_images), lead.stopping()
    if validates or stop or (index + 1) % plan.log_blocks == 0:
        for session, found in zip(sessions, engine.history.take(), strict=True):
            session.note_terms(found)
    if validates or stop:
        for session, player in zip(sessions, engine.spoilt(), strict=True):
            if player is not None:
                session.note_weights(player)
    good = [session for session in sessions if session.outcome.state != "diverged"]
    if validates and good:
        by = validate(engine, sessions, trainer)
        if by is not None and not last:
            lead.end_early(by)
            last = True
    for session in good:
        session.flush()
    if (validates or stop) and any(session.due(last or stop) for session in good):
        engine.hand_back()
        for session in good:
            if session.due(last or stop):
                session.checkpoint()
    for session in good:
        if plan.pictures_images and session.chief and passed(before, seen, plan.pictures_images) and not last:
            drawn = pictures.draw(session.run, session.family, session.data, {}, seen)
            for mirror in session.mirrors:
                mirror.pictures(drawn, seen)
        if stop and not last:
            session.stop()
        session.tell()


def validate(engine: Engine, sessions: Sequence[Session], trainer: pl.Trainer | None) -> str | None:
    """Validates, and shows callbacks what came of it. Return the name of one that asked to stop."""
    lead = sessions[0]
    if trainer is not None:
        begin_validation(lead.callbacks, trainer, lead.family)
    families, selectors, data = zip(*((s.family, s.selector, s.data) for s in sessions), strict=True)
    values = measure(engine, families, selectors, data)
    for session, own in zip(sessions, values, strict=True):
        if session.outcome.state != "diverged":
            session.note_values(own)
    if trainer is None:
        return None
    return end_validation(lead.callbacks, trainer, lead.family, values[0], lead.seen >= lead.plan.settled_images)
