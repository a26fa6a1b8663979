"""Training, evaluation and what surrounds them: the only place that knows config, Lightning's Trainer and loggers at once."""
