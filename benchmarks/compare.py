"""How much faster `bench run` is than a notebook loop, and whether the two agree: both run here, in turns.

    make bench                                    # everything: about half an hour on two cores
    python benchmarks/compare.py --only published --rounds 3

A round takes `bench run` of 160 runs, its start-up included, and a part of the loop's, which is scaled up to 160: with
one thread, and with as many as torch takes by itself. On a busy machine wall-clock time flatters whoever waits less,
and threads that wait for each other burn time: therefore CPU time as well. Each figure is the median of the rounds,
with the smallest and the largest. The agreement is checked on short trainings of a few cells with many seeds.
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

import numpy as np
import pandas as pd
from scipy import stats

import bench

HERE = Path(__file__).parent
FACTORS = ["init", "noise", "reg", "act"]
SUITES = {"published": "full_factorial", "described": "full_factorial_described"}
EPOCHS = {"published": (100, 400), "described": (5, 20)}
"""Of the loop's timed part, for 4 cells: the difference is what epochs take, the rest is what a run takes besides."""
RUNS = 160


def main() -> None:
    """Print times, ratios and the agreement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=SUITES, help="one protocol instead of both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-agreement", action="store_true", help="the speeds only")
    options = parser.parse_args()
    protocols = [options.only] if options.only else list(SUITES)
    for protocol in protocols:
        print(f"\n{protocol}: {RUNS} runs, {options.rounds} rounds on {os.cpu_count()} cores (median, min to max)")
        rounds = [measured(protocol) for _ in range(options.rounds)]
        for name in rounds[0]:
            values = [measures[name] for measures in rounds]
            print(f"  {name:58} {np.median(values):9.1f}   {min(values):.1f} to {max(values):.1f}", flush=True)
    for protocol in [] if options.no_agreement else protocols:
        print(f"\n{protocol}: agreement of the two, 4 cells x 30 seeds, 100 epochs (Welch's t, p-values)")
        print(agreement(protocol, cells=4, seeds=30, epochs=100).to_string(index=False), flush=True)


def measured(protocol: str) -> dict[str, float]:
    """One round: what is printed -> its value."""
    command = harness(SUITES[protocol])
    one, default = (loop_seconds(protocol, threads) for threads in (1, None))
    return {
        "bench run, CPU s": command["cpu"],
        "bench run, wall s": command["wall"],
        "bench run, peak memory of all processes, MB": command["memory"],
        "loop with one thread, CPU s": one["cpu"],
        "loop with one thread, wall s": one["seconds"],
        "loop with torch's threads, CPU s": default["cpu"],
        "loop with torch's threads, wall s": default["seconds"],
        "ratio: loop's CPU s, one thread / (bench run's CPU s / 2)": one["cpu"] / (command["cpu"] / 2),
        "ratio: wall s, one thread": one["seconds"] / command["wall"],
        "ratio: wall s, torch's threads": default["seconds"] / command["wall"],
    }


def loop_seconds(protocol: str, threads: int | None) -> pd.Series:
    """Seconds that the loop would take for 160 runs of 2000 epochs: wall-clock (``seconds``) and ``cpu``."""
    few, many = EPOCHS[protocol]
    short, long = (_loop(protocol, 4, 1, e, threads)[["seconds", "cpu"]].mean() for e in (few, many))
    return (short + (long - short) / (many - few) * (2000 - few)) * RUNS


def harness(suite: str) -> dict[str, float]:
    """CPU and wall-clock seconds of `bench run`, and the peak of its processes' memory in MB (shared pages once)."""
    with tempfile.TemporaryDirectory() as out:
        script = Path(sys.executable).with_name("bench")
        command = [str(script), "run", str(HERE.parent / "suites" / f"{suite}.toml"), "--out", out, "--no-twice"]
        start, before = time.perf_counter(), os.times()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        peak = [0.0]
        threading.Thread(target=_watch_memory, args=(process.pid, peak), daemon=True).start()
        failed = process.wait()
        wall, after = time.perf_counter() - start, os.times()
        if failed or (bench.load(suite, out=out, wide=True)["status"] != "ok").any():
            sys.exit(f"{' '.join(command)} failed")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return {"cpu": cpu, "wall": wall, "memory": peak[0]}


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
    metrics = [name for name in loop if name not in {*FACTORS, "seed", "seconds", "cpu"}]
    a = loop.groupby("seed")[metrics].mean()
    b = ours[ours["metric"].isin(metrics)].pivot_table(index="seed", columns="metric", values="value")[metrics]
    p = stats.ttest_ind(a, b, equal_var=False).pvalue
    return pd.DataFrame({"metric": metrics, "loop": a.mean().values, "bench": b.mean().values, "p": p}).round(4)


def _loop(protocol: str, cells: int, seeds: int, epochs: int, threads: int | None = 1) -> pd.DataFrame:
    command = [sys.executable, str(HERE / "naive_loop.py"), protocol]
    command += ["--cells", str(cells), "--seeds", str(seeds), "--epochs", str(epochs)]
    command += ["--threads", str(threads)] if threads else []
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
