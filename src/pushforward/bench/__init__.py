"""How fast training is beside a loop written by hand and beside other packages: `pushforward bench`."""
