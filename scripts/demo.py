"""Run `make demo`: a model of each family on digits, then the table, a picture of their samples, and the report."""

import sys

from pushforward import cli

COLUMNS = "mse,rate,bpd,fd_lenet,fd_lenet_normal,fd_lenet_gaussian,fd_lenet_mixture"

failed = cli.run(["train", "-m", "experiment=demo"])
failed += cli.run(["table", "demo", "--runs", "tags=demo", "--rows", "model", "--columns", COLUMNS, "--pictures"])
failed += cli.run(["report", "tags=demo", "--rows", "model", "--title", "Five families on digits"])
print("Open the report in a browser: nothing is loaded from elsewhere. `pushforward list` says what else there is.")
sys.exit(bool(failed))
