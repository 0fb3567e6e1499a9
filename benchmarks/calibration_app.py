"""``python -m benchmarks.calibration_app``: datasets without an effect through the whole app.

Condition images are written as files, and the command line does the rest: ``participant``, then
``group``; what stands here is read from the files that these wrote. First the negative controls,
datasets whose design makes an effect that is none. Then groups of null images, and beside each what
the app's functions make of the same images without files between them: where both agree, the many
groups of ``benchmarks.calibration_science`` speak for the app.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from benchmarks.calibration_designs import CONTROLS, Design, models, write_dataset
from benchmarks.calibration_science import (
    ALPHA,
    RADIUS_MM,
    TAILS,
    reworded,
    subject_scores,
    with_zeros,
)
from bids_rsa.cli import main as bids_rsa
from bids_rsa.core.inference.correct import familywise_p
from bids_rsa.core.inference.design import one_sample_design
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.observed import observe
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import draw_relabelings

N_SUBJECTS = 16
METHODS = {"max-T": "tFWEp", "TFCE": "tfceFWEp"}


def run_app(*arguments: str) -> None:
    """Run the command line as a user would; anything but success ends the benchmark."""
    code = bids_rsa([str(argument) for argument in arguments])
    if code != 0:
        raise SystemExit(f"bids_rsa {' '.join(map(str, arguments))} ended with {code}")


def make_maps(root: Path, out: Path, names: list[str], *options: str) -> None:
    """Run the participant level of a dataset."""
    files = [f"{root}/models/{name}.tsv" for name in names]
    run_app(root, out, "participant", "--radius", f"{RADIUS_MM:g}", "--use-plugin", "Linear",
            *options, "--model", *files)  # fmt: skip


def group_map(out: Path, stat: str, model: str) -> np.ndarray:
    """Read a group map's values inside the voxels tested."""
    (path,) = out.glob(f"group/*_stat-{stat}_desc-{model}_statmap.nii.gz")
    (mask,) = out.glob(f"group/*_desc-{model}_mask.nii.gz")
    return np.asarray(nib.load(path).dataobj, np.float64)[np.asarray(nib.load(mask).dataobj) > 0]


def control(root: Path, design: Design, seed: int) -> dict:
    """Test one control two-sided; read what came out, and what the app warned of."""
    write_dataset(root, N_SUBJECTS, design, seed)
    out = root.with_name(f"{root.name}-out")
    make_maps(root, out, [design.model], "--missing-runs", design.missing_runs)
    run_app(root, out, "group", "--tail", "two-sided", "--n-permutations", "999")
    (table,) = out.glob("group/*_subjects.tsv")
    header, *rows = (line.split("\t") for line in table.read_text().splitlines())
    column = header.index("mean_score")
    found = {
        "mean_rho": float(np.mean([float(row[column]) for row in rows])),
        "mean_t": float(group_map(out, "t", design.model).mean()),
        "uncorrected": float((group_map(out, "p", design.model) <= ALPHA).mean()),
        "significant": float((group_map(out, "tFWEp", design.model) <= ALPHA).mean()),
    }
    return {"app": found, "warned": sorted(set(_warnings(out)))}


def _warnings(out: Path) -> Iterator[str]:
    """Yield what the group's sidecar repeats from participants', and that voxels were left out."""
    (path,) = out.glob("group/*_stat-t_*_statmap.json")
    for text in json.loads(path.read_text())["Warnings"]:
        _, passed_on, warning = text.partition("participants: ")
        if passed_on:
            yield reworded(warning)
    for path in out.glob("sub-*/func/*_statmap.json"):
        if sum(json.loads(path.read_text()).get("VoxelsLeftOut", {}).values()):
            yield "leaves these voxels out of all patches"


def null_group(root: Path, seed: int) -> list[dict]:
    """Send one group of null images through the app, and through its functions."""
    write_dataset(root, N_SUBJECTS, Design(), seed)
    out = root.with_name(f"{root.name}-out")
    make_maps(root, out, list(models()))
    rows, _ = subject_scores(root, Design())
    found = []
    for tail in TAILS:
        run_app(root, out, "group", "--tail", tail, "--n-permutations", "199",
                "--random-seed", seed, "--overwrite")  # fmt: skip
        for model in models():
            volumes = np.stack([row[model] for row in rows])
            for method, p in plain_p(volumes, tail, seed).items():
                by_app = group_map(out, METHODS[method], model)
                found.append(
                    {"model": model, "tail": tail, "method": method,
                     "app": bool(by_app.min() <= ALPHA + 1e-6),
                     "functions": bool(p.min() <= ALPHA + 1e-6),
                     "largest_difference": float(np.abs(by_app - p).max())}
                )  # fmt: skip
    return found


def plain_p(volumes: np.ndarray, tail: str, seed: int) -> dict[str, np.ndarray]:
    """Corrected p of every voxel by the functions, by method."""
    there = np.isfinite(volumes).all(axis=0)
    plan = prepare_test(volumes[:, there], one_sample_design(len(volumes)), tail)
    draws = draw_relabelings(plan.design, 199, seed)
    adjacency = grid_adjacency(there)
    null, observed = permutation_null(plan, draws, adjacency), observe(plan, adjacency)
    fold = np.abs if plan.two_sided else np.asarray
    return {
        "max-T": familywise_p(fold(observed.statistic), null.maxima["t"], draws.exhaustive),
        "TFCE": familywise_p(fold(observed.tfce), null.maxima["tfce"], draws.exhaustive),
    }


def control_table(rows: dict[str, dict]) -> str:
    """Markdown of the negative controls."""
    lines = [
        "| design without an effect | mean rho | mean t | p <= .05 | corrected | the app says |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in rows.items():
        found, told = row["app"], "; ".join(row["warned"]) or "nothing"
        share = f"{100 * found['uncorrected']:.0f} % | {100 * found['significant']:.0f} %"
        lines.append(
            f"| {name} | {found['mean_rho']:+.3f} | {found['mean_t']:+.1f} | {share} | {told} |"
        )
    return "\n".join(lines)


def null_table(rows: list[dict], n_groups: int) -> str:
    """Markdown: in how many groups something came out, by the app and by its functions."""
    lines = [
        f"| model | tail | method | app, of {n_groups} | functions | largest difference of a p |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for key in dict.fromkeys((r["model"], r["tail"], r["method"]) for r in rows):
        mine = [r for r in rows if (r["model"], r["tail"], r["method"]) == key]
        lines.append(
            f"| {' | '.join(key)} | {sum(r['app'] for r in mine)} "
            f"| {sum(r['functions'] for r in mine)} "
            f"| {max(r['largest_difference'] for r in mine):.1g} |"
        )
    return "\n".join(lines)


def run_controls(folder: Path, seed: int) -> dict[str, dict]:
    """Run all negative controls, and the plain searchlight beside the last."""
    found = {}
    for number, (name, design) in enumerate(CONTROLS.items()):
        root = folder / f"control{number}"
        found[name] = control(root, design, seed)
        if design.zeros:
            plain = {"app": with_zeros(root), "warned": ["(a plain searchlight, not the app)"]}
            found[f"{name}, zeros kept"] = plain
    return found


def main(argv: list[str] | None = None) -> int:
    """Run, print both tables, write JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration_app", description=__doc__
    )
    parser.add_argument("--groups", type=int, default=5, help="null groups; 0: none")
    parser.add_argument("--no-controls", action="store_true")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/calibration_app.json"))
    options = parser.parse_args(argv)
    found: dict = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if not options.no_controls:
            found["controls"] = run_controls(folder, options.seed)
            print(control_table(found["controls"]), flush=True)
        found["null"] = []
        for group in range(options.groups):
            found["null"] += null_group(folder / f"null{group}", options.seed * 1000 + group)
            print(null_table(found["null"], group + 1), flush=True)
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
