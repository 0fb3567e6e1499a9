"""The whole app on the example dataset: beside the floor of importing its libraries."""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

FLOOR = "import numpy, scipy.stats, numba, nibabel, nipype.pipeline.engine, matplotlib.figure, bids"
N_SUBJECTS, N_RUNS, N_CONDITIONS = 100, 8, 30


def measure(repeats: int) -> dict[str, float]:
    """Processor seconds of runs of the app, and of the libraries' import."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "example"
        _run("-m", "bids_rsa.example", str(data))
        model = data / "models" / "planted.tsv"
        one = ("participant", "--participant-label", "01", "--model", str(model))

        def run(output: str, *arguments: str) -> float:
            return _run("-m", "bids_rsa.cli", str(data), str(Path(folder) / output), *arguments)

        first = run("first", *one)  # kernels are compiled, if they were not before
        everyone = run("all", "participant", "--model", str(model))
        found = {
            "one_participant_first_s": first,
            "one_participant_s": min(run(f"out{k}", *one) for k in range(repeats)),
            "without_pictures_s": min(
                run(f"plain{k}", *one, "--no-figures", "--no-report") for k in range(repeats)
            ),
            "same_again_s": min(run("first", *one) for _ in range(repeats)),
            "all_participants_s": everyone,
            "preflight_s": _preflight(Path(folder), data),
        }
    return found | {
        "help_s": min(_run("-m", "bids_rsa.cli", "--help") for _ in range(repeats)),
        "import_floor_s": min(_run("-c", FLOOR) for _ in range(repeats)),
    }


def _preflight(folder: Path, example: Path) -> float:
    """Processor seconds of a dry run on a hundred participants with 240 images each."""
    root, names = folder / "large", [f"c{i:02d}" for i in range(N_CONDITIONS)]
    root.mkdir()
    about = {"Name": "large", "BIDSVersion": "1.9.0"}
    (root / "dataset_description.json").write_text(json.dumps(about))
    image = next(example.glob("sub-01/**/*_statmap.nii.gz"))
    mask = next(example.glob("sub-01/**/*_desc-brain_mask.nii.gz"))
    space = image.name.partition("_space-")[2].partition("_")[0]
    for subject in range(N_SUBJECTS):
        func = root / f"sub-{subject:03d}" / "func"
        func.mkdir(parents=True)
        for run in range(1, N_RUNS + 1):
            start = func / f"sub-{subject:03d}_task-x_run-{run}_space-{space}"
            os.link(mask, f"{start}_desc-brain_mask.nii.gz")
            for name in names:
                os.link(image, f"{start}_contrast-{name}_stat-effect_statmap.nii.gz")
    cells = np.abs(np.subtract.outer(np.arange(N_CONDITIONS), np.arange(N_CONDITIONS)))
    rows = ["\t".join(["", *names])]
    rows += ["\t".join([name, *map(str, row)]) for name, row in zip(names, cells, strict=True)]
    (root / "model.tsv").write_text("\n".join(rows) + "\n")
    model = str(root / "model.tsv")
    output = str(folder / "out_large")
    return _run(
        "-m", "bids_rsa.cli", str(root), output, "participant", "--model", model, "--dry-run"
    )


def _run(*arguments: str) -> float:
    """Processor seconds of a Python process and of those it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
