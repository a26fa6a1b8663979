"""Hydra's launchers of pushforward. Hydra 1.3 finds plugins only below `hydra_plugins`."""
