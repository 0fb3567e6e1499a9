"""``python -m benchmarks [PART ...]``: measure, print, write JSON and the plot."""

import argparse
from dataclasses import asdict
from pathlib import Path

from . import app, beside, engine, growth, memory, noise, nulls, report, surfaces, weights
from .timing import machine

PARTS = (
    *("engine", "many_models", "two_threads", "growth", "memory", "app", "surfaces"),
    *("noise", "noise_memory", "nulls", "comparisons", "further", "floor", "weights"),
)


def main(argv: list[str] | None = None) -> int:
    """Measure the parts asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--case", help="only engine cases whose name holds this text")
    parser.add_argument("--repeats", type=int, default=5, help="runs, of which the fastest counts")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/benchmark.json"))
    parser.add_argument("--plot", type=Path, help="write the plot here")
    parser.add_argument("--docs", action="store_true", help="put it into docs/performance.md")
    options = parser.parse_args(argv)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    found = run(options.parts or list(PARTS), options.case, options.repeats, options.out)
    print(f"\nWritten to {options.out}")
    if options.plot:
        report.plot(found, options.plot)
    if options.docs:
        report.write_docs(found)
    return 0


def run(parts: list[str], wanted: str | None, repeats: int, out: Path) -> dict:
    """Measure part by part; print and write each as soon as it is there."""
    found: dict = {"machine": machine()}
    print(report.machine_line(found["machine"]), flush=True)
    if "engine" in parts:
        found["engine"] = []
        for case in engine.cases():
            if wanted is None or wanted in case.name:
                found["engine"].append(asdict(engine.measure(case, repeats)))
                print(report.table(found["engine"][-1:]).splitlines()[-1], flush=True)
                report.write_json(found, out)
    for name, measure in (
        ("many_models", engine.many_models),
        ("two_threads", engine.two_threads),
        ("growth", growth.measure),
        ("memory", lambda _: memory.measure(2)),
        ("app", app.measure),
        ("surfaces", surfaces.measure),
        ("noise", noise.measure),
        ("noise_memory", lambda _: noise.memory(2)),
        ("nulls", nulls.measure),
        ("comparisons", beside.comparisons),
        ("further", beside.further),
        ("floor", beside.floor),
        ("weights", weights.measure),
    ):
        if name in parts:
            found[name] = measure(repeats)
            print(f"\n{name}: {report.sections(found).get(name, found[name])}", flush=True)
            report.write_json(found, out)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
