"""Jobs of a sweep on this machine: a process each, several as one stacked model, or one after another in this process."""
