"""How much faster `bench run` is than a notebook loop, and whether the two agree: both run here, side by side.

    make bench                                    # everything: about ten minutes on two cores
    python benchmarks/compare.py --only published

The loop runs a part of the 160 runs, and its time is scaled up to all of them; `bench run` runs them all, its start-up
included. The agreement is checked on short trainings of a few cells with many seeds.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
from scipy import stats

import bench

HERE = Path(__file__).parent
FACTORS = ["init", "noise", "reg", "act"]
SUITES = {"published": "full_factorial", "described": "full_factorial_described"}
TIMED = {"published": (16, 1, (2000,)), "described": (4, 1, (30, 130))}
"""Cells, seeds and epochs of the loop's timed part; two numbers of epochs part what an epoch takes from the rest."""


def main() -> None:
    """Print the ratios and the agreement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=SUITES, help="one protocol instead of both")
    parser.add_argument("--no-agreement", action="store_true", help="the speeds only")
    options = parser.parse_args()
    protocols = [options.only] if options.only else list(SUITES)
    for protocol in protocols:
        print(f"\n{protocol}: 160 runs on {os.cpu_count()} cores")
        loop = loop_seconds(protocol)
        cells, seeds, epochs = TIMED[protocol]
        print(f"  notebook loop   {loop:9.1f} s  (scaled up from {cells * seeds} runs of {max(epochs)} epochs)")
        seconds, megabytes = harness(SUITES[protocol])
        print(f"  bench run       {seconds:9.1f} s  (start-up included; peak memory {megabytes:.0f} MB, all processes)")
        print(f"  ratio           {loop / seconds:9.1f}", flush=True)
    for protocol in [] if options.no_agreement else protocols:
        print(f"\n{protocol}: agreement of the two, 4 cells x 30 seeds, 100 epochs (Welch's t, p-values)")
        print(agreement(protocol, cells=4, seeds=30, epochs=100).to_string(index=False), flush=True)


def loop_seconds(protocol: str) -> float:
    """Seconds that the loop would take for 160 runs of 2000 epochs, from those that it takes for a part of them."""
    cells, seeds, epochs = TIMED[protocol]
    times = [float(_loop(protocol, cells, seeds, e)["seconds"].mean()) for e in epochs]
    if len(epochs) == 1:
        return times[0] * 160
    an_epoch = (times[1] - times[0]) / (epochs[1] - epochs[0])
    return (times[0] + an_epoch * (2000 - epochs[0])) * 160


def harness(suite: str) -> tuple[float, float]:
    """Wall-clock seconds of `bench run`, and the peak of its processes' memory in MB (shared pages counted once)."""
    with tempfile.TemporaryDirectory() as out:
        script = Path(sys.executable).with_name("bench")
        command = [str(script), "run", str(HERE.parent / "suites" / f"{suite}.toml"), "--out", out]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak = [0.0]
        threading.Thread(target=_watch_memory, args=(process.pid, peak), daemon=True).start()
        failed = process.wait()
        seconds = time.perf_counter() - start
        if failed or (bench.load(suite, out=out, wide=True)["status"] != "ok").any():
            sys.exit(f"{' '.join(command)} failed")
        return seconds, peak[0]


def agreement(protocol: str, *, cells: int, seeds: int, epochs: int) -> pd.DataFrame:
    """Per metric, the two means over cells and seeds, and the p-value of their difference.

    The unit is the seed (its mean over the cells): the runs of a seed share their data.
    """
    loop = _loop(protocol, cells, seeds, epochs)
    listed = "".join(
        "[[cells]]\n" + "".join(f'{factor} = "{cell[factor]}"\n' for factor in FACTORS)
        for cell in loop[FACTORS].drop_duplicates().to_dict("records")
    )
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder) / "agreement.toml"
        suite.write_text(
            f'name = "agreement"\nexperiment = "polysem.toy:EXPERIMENT"\nseeds = {seeds}\n[params]\n'
            f'protocol = "{protocol}"\ndraws = "streams"\nepochs = {epochs}\nsae_epochs = {epochs // 2}\n{listed}'
        )
        ours = bench.run(suite, out=Path(folder) / "reports")
    metrics = [name for name in loop if name not in {*FACTORS, "seed", "seconds"}]
    a = loop.groupby("seed")[metrics].mean()
    b = ours[ours["metric"].isin(metrics)].pivot_table(index="seed", columns="metric", values="value")[metrics]
    p = stats.ttest_ind(a, b, equal_var=False).pvalue
    return pd.DataFrame({"metric": metrics, "loop": a.mean().values, "bench": b.mean().values, "p": p}).round(4)


def _loop(protocol: str, cells: int, seeds: int, epochs: int) -> pd.DataFrame:
    command = [sys.executable, str(HERE / "naive_loop.py"), protocol]
    command += ["--cells", str(cells), "--seeds", str(seeds), "--epochs", str(epochs)]
    return pd.read_csv(io.StringIO(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _watch_memory(pid: int, peak: list[float]) -> None:
    """Keep the largest sum of the proportional set sizes of a process and its descendants (Linux only)."""
    while Path(f"/proc/{pid}/smaps_rollup").exists():
        family, total = [pid], 0.0
        for member in family:
            try:
                family += map(int, Path(f"/proc/{member}/task/{member}/children").read_text().split())
                rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
            except OSError:  # it has just ended
                continue
            total += sum(float(line.split()[1]) / 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        peak[0] = max(peak[0], total)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
