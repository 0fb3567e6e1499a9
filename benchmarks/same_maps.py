"""``python -m benchmarks.same_maps TREE TREE``: do two source trees write the same maps?

Runs the app from each tree, by the Python in its ``.venv``, with a dozen sets of options on one
small dataset, and compares every map byte for byte. Where they differ it says by how much.
"""

import argparse
import gzip
import subprocess
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_rsa.example import ExampleSettings, make_example

ALL = ("spearman", "pearson", "kendall-tau-a", "partial", "partial-spearman", "regression")
SCORED = ("--comparison", *ALL)
OPTIONS = {
    "defaults": (),
    "all comparisons": SCORED,
    "cosine": ("--dissimilarity", "cosine"),
    "euclidean": ("--dissimilarity", "euclidean", "--comparison", "spearman", "regression"),
    "cityblock": ("--dissimilarity", "cityblock", *SCORED),
    "minkowski": ("--dissimilarity", "minkowski", "--dissimilarity-params", '{"p": 3}'),
    "seuclidean": ("--dissimilarity", "seuclidean"),
    "braycurtis": ("--dissimilarity", "braycurtis", "--min-voxels", "30"),
    "sqeuclidean, runs": ("--dissimilarity", "sqeuclidean", "--folds", "runs", *SCORED),
    "euclidean, two folds": ("--dissimilarity", "euclidean", "--folds", "2"),
    "correlation, runs": ("--folds", "runs"),
    "cosine, two folds": ("--dissimilarity", "cosine", "--folds", "2"),
    "cityblock, runs": ("--dissimilarity", "cityblock", "--folds", "runs"),
    "missing voxels": ("--ignore-nan", *SCORED),
    "missing voxels, runs": ("--ignore-nan", "--dissimilarity", "sqeuclidean", "--folds", "runs"),
    "standardized": ("--comparison", "regression", "--standardize"),
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run both trees, and print what differs; 1 where anything does."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_maps", description=__doc__)
    parser.add_argument("trees", nargs=2, type=Path, metavar="TREE")
    parser.add_argument("--case", default="", help="only options whose name holds this text")
    options = parser.parse_args(argv)
    chosen = {name: given for name, given in OPTIONS.items() if options.case in name}
    with tempfile.TemporaryDirectory() as folder:
        data = make_dataset(Path(folder) / "data")
        differing = 0
        for number, (name, arguments) in enumerate(chosen.items()):
            outs = [Path(folder) / f"{number}-{side}" for side in ("a", "b")]
            for tree, out in zip(options.trees, outs, strict=True):
                run_app(tree.resolve(), data, out, arguments)
            said = compare(*outs)
            differing += len(said) > 1
            print(f"{name}: {'; '.join(said)}", flush=True)
    print(f"{len(chosen) - differing} of {len(chosen)} sets of options write the same bytes")
    return int(differing > 0)


def make_dataset(folder: Path) -> Path:
    """Write one participant with four runs, some voxels missing in some images, and two models."""
    data = make_example(folder, ExampleSettings(n_subjects=1, n_runs=4, voxel_mm=8))
    rng = np.random.default_rng(0)
    for path in sorted(data.glob("sub-01/func/*_stat-effect_statmap.nii.gz"))[::5]:
        image = nib.load(path)
        values = np.asarray(image.dataobj).copy()
        values[rng.random(values.shape) < 0.002] = np.nan
        nib.save(nib.Nifti1Image(values, image.affine, image.header), path)
    model = (data / "models" / "planted.tsv").read_text().splitlines()
    names, n = model[0], len(model) - 1
    cells = rng.random((n, n))
    cells = np.round(cells + cells.T, 3) * (1 - np.eye(n))
    rows = [line.split("\t")[0] for line in model[1:]]
    lines = ["\t".join([row, *map(str, own)]) for row, own in zip(rows, cells, strict=True)]
    (data / "models" / "other.tsv").write_text("\n".join([names, *lines]) + "\n")
    return data


def run_app(tree: Path, data: Path, out: Path, arguments: tuple[str, ...]) -> None:
    """Run the participant level from a source tree."""
    models = [str(data / "models" / f"{name}.tsv") for name in ("planted", "other")]
    command = [
        str(tree / ".venv/bin/python"), "-m", "bids_rsa.cli", str(data), str(out), "participant",
        "--model", *models, "--radius", "20", "--no-figures", "--no-report", "--use-plugin",
        "Linear", *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=out.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{tree}: exit code {done.returncode}\n{done.stderr}")


def compare(a: Path, b: Path) -> list[str]:
    """Say how many maps there are, and which differ by how much."""
    names = {side: {p.relative_to(side) for p in side.glob("sub-*/**/*.nii.gz")} for side in (a, b)}
    if not names[a] or names[a] != names[b]:
        return ["other files", str(sorted(map(str, names[a] ^ names[b])))]
    said = [f"{len(names[a])} images"]
    for name in sorted(names[a]):
        bytes_a, bytes_b = (gzip.decompress((side / name).read_bytes()) for side in (a, b))
        if bytes_a != bytes_b:
            x, y = (nib.load(side / name).get_fdata() for side in (a, b))
            undefined = int((np.isnan(x) != np.isnan(y)).sum())
            said.append(
                f"{name.name}: {int((x != y).sum() - np.isnan(x).sum())} voxels differ, at most "
                f"{np.nanmax(np.abs(x - y)):.3g}, {undefined} undefined in one only"
            )
    return said


if __name__ == "__main__":
    raise SystemExit(main())
