"""Jobs of a sweep on a cluster: by SLURM or by Ray."""
