"""How long a job of a sweep takes to start: from the order to its model being built, forked from a warm server and fresh.

python scripts/bench jobs --jobs 7

The first number is a job that imports what training does and multiplies matrices on two threads; the second a VAE on
digits, until its data and model stand and training begins.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

TINY = ["data=digits", "model=vae", "network.hidden=[16]", "trainer=debug", "metrics=none", "logger=none"]


def product(args: list[str]) -> int:
    """The trivial job. It would hang if its parent had done any parallel operation."""
    import torch

    import pushforward.training.train  # noqa: F401

    torch.set_num_threads(2)
    a = torch.randn(600, 600)
    (a @ a).sum().item()
    Path(args[0]).write_text(f"{time.time()} {time.process_time()}", encoding="utf-8")
    return 0


def measure(kind: str, jobs: int, out: Path) -> None:
    from pushforward import config
    from pushforward.composition import compose
    from pushforward.launch import freeze_to
    from pushforward.runs import Run, runs_dir
    from pushforward.sweep.local.forkserver_client import BASE, Server, targets

    os.environ["PUSHFORWARD_OUTPUTS"] = str(out / kind)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    frozen = [compose([*TINY, "trainer.threads=2", f"seed={seed}"]) for seed in range(jobs)]
    server = Server([*BASE, *sorted(targets(frozen[0]))] if kind == "warm" else ())
    server.start("bench.jobs.product", [str(out / "ready")], log=out / "log", threads=2).wait()  # the server is up
    trivial, real, cpu = [], [], []
    for number, one in enumerate(frozen):
        mark, begun = out / f"{kind}-{number}", time.time()
        again = ["-c", "import bench.jobs, sys; sys.exit(bench.jobs.product(sys.argv[1:]))", str(mark)]
        assert server.start("bench.jobs.product", [str(mark)], log=out / "log", threads=2, command=again).wait() == 0
        done, spent = map(float, mark.read_text().split())
        trivial.append(done - begun)
        cpu.append(spent)
        path = runs_dir() / config.run_id(one)
        file, begun = freeze_to(one, path), time.time()
        command = ["-m", "pushforward.job", str(file)]
        job = server.start("pushforward.job.main", [str(file)], log=path / "job.log", threads=2, command=command)
        while not Run(path).status.get("budget_images"):
            assert job.poll() in (None, 0), (path / "job.log").read_text()
            time.sleep(0.002)
        real.append(time.time() - begun)
        assert job.wait() == 0
    server.close()
    product_s, cpu_s, run_s = map(statistics.median, (trivial, cpu, real))
    print(
        f"{kind:<5} median of {jobs}: trivial job {product_s:.3f} s ({cpu_s:.3f} s of it CPU), run {run_s:.3f} s "
        f"(least {min(trivial):.3f} and {min(real):.3f}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)",
        flush=True,
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/bench jobs", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=7)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("warm", "cold"):
            measure(kind, asked.jobs, Path(folder))
    return 0
