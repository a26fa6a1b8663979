"""What `make demo` runs: every kind of family on scikit-learn's digits, then the table and one picture of their samples."""

import sys

from pushforward import cli

COLUMNS = "mse,psnr,rate,distortion,neg_elbo,bpd,fd_lenet,fd_lenet_normal,fd_lenet_gaussian,fd_lenet_mixture"

failed = cli.run(["train", "-m", "experiment=demo"])
failed += cli.run(["train", "-m", "experiment=demo", "model=sparse_ae", "model.objective.sparsity.weight=0.1"])
cli.run(["table", "demo", "--runs", "tags=demo", "--rows", "model", "--columns", COLUMNS, "--pictures"])
sys.exit(bool(failed))
