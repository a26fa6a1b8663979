"""pushforward: every family of generative models on one bench."""
