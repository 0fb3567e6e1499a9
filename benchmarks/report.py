"""The measurements as tables, JSON, a plot, and the numbers in docs/performance.md."""

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_HEAD = ("case", "ours (us)", "theirs (us)", "ratio", "at least", "goal", "peer", "maps agree")


def table(rows: list[dict]) -> str:
    """Markdown table of the cases."""
    lines = ["| " + " | ".join(_HEAD) + " |", "| --- " * len(_HEAD) + "|"]
    for row in rows:
        met = "" if row["ratio"] >= row["target"] else " (not met)"
        goal = "" if row["goal"] is None else f"{row['goal']:g}"
        lines.append(
            f"| {row['case']} | {row['ours_us']:.2f} | {row['theirs_us']:.0f} | "
            f"{row['ratio']:.0f}{met} | {row['target']:g} | {goal} | {row['peer']} | "
            f"{row['agreement']} |"
        )
    return "\n".join(lines)


def machine_line(machine: dict) -> str:
    """One line on the machine and the versions."""
    versions = ", ".join(
        f"{k} {v}" for k, v in machine.items()
        if v and k not in ("processor", "cores", "system")
    )  # fmt: skip
    return f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; {versions}."


def sections(found: dict) -> dict[str, str]:
    """Markdown of each part that was measured."""
    tables = {
        "engine": table,
        "many_models": _many_models,
        "two_threads": _two_threads,
        "memory": _memory,
        "noise": _noise,
        "noise_memory": _noise_memory,
        "nulls": _nulls,
        "comparisons": _beside,
        "further": _beside,
        "floor": _beside,
        "weights": table,
        "app": _app,
        "surfaces": _surfaces,
    }
    parts = {name: write(found[name]) for name, write in tables.items() if name in found}
    return {"machine": machine_line(found["machine"]), **parts}


def _many_models(m: dict) -> str:
    """Ten models against one."""
    return (
        f"Ten models instead of one take {m['ratio']:.2f} times as long "
        f"(at most {m['at_most']:g} wanted)."
    )


def _two_threads(found: dict) -> str:
    """Two threads against one."""
    return "\n".join(
        f"- {name}: two threads are {t['ratio']:.2f} times as fast as one "
        f"(at least {t['at_least']:g} wanted), the same bytes: "
        f"{'yes' if t['same_bytes'] else 'NO'}."
        for name, t in found.items()
    )


def _memory(m: dict) -> str:
    """Peak memory of the whole brain."""
    return (
        f"{m['n_centers']:,} centres, 92 conditions, 2 mm, {m['n_threads']} threads: "
        f"{m['seconds']:.1f} s, peak memory of the process {m['peak_mb']:.0f} MB "
        f"(under {m['at_most_mb']:.0f} wanted; the patterns alone are {m['patterns_mb']:.0f})."
    )


def _noise(rows: list[dict]) -> str:
    """Crossnobis beside rsatoolbox."""
    lines = [
        "| case | ours (us) | theirs (us) | ratio | at least | goal | scores agree |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        met = "" if row["ratio"] >= row["at_least"] else " (not met)"
        goal = "" if row["goal"] is None else row["goal"]
        lines.append(
            f"| {row['case']} | {row['ours_us']:.0f} | {row['theirs_us']:.0f} | "
            f"{row['ratio']:.0f}{met} | {row['at_least']} | {goal} | {row['agreement']} |"
        )
    return "\n".join(lines)


def _nulls(rows: list[dict]) -> str:
    """Permutations and noise ceilings beside runs without."""
    lines = [
        "| what | centres | seconds | without | ratio | at most |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        met = "" if row["ratio"] <= row["at_most"] else " (not met)"
        lines.append(
            f"| {row['what']} | {row['n_centers']:,} | {row['seconds']:.2f} | "
            f"{row['seconds_without']:.2f} | {row['ratio']:.2f}{met} | {row['at_most']:g} |"
        )
    return "\n".join(lines)


def _beside(rows: list[dict]) -> str:
    """Times, and what they are compared with."""
    names = {
        "what": "what", "us": "us a centre", "gram_us": "one update of the products (us)",
        "sort_us": "one sort (us)", "ratio": "ratio",
    }  # fmt: skip
    keys = [key for key in names if key in rows[0]]
    lines = ["| " + " | ".join(names[key] for key in keys) + " |", "| --- " * len(keys) + "|"]
    for row in rows:
        cells = (row[key] if key == "what" else f"{row[key]:.2f}" for key in keys)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _noise_memory(m: dict) -> str:
    """Memory of noise normalisation with residuals in a mapped file."""
    return (
        f"{m['n_voxels']:,} voxels, 92 conditions in 8 runs, 2,400 residual volumes, "
        f"{m['n_threads']} threads: {m['own_peak_mb']:.0f} MB of its own while {m['n_centers']:,} "
        f"centres were computed (under {m['at_most_mb']:.0f} wanted; pages of the mapped files not "
        "counted)."
    )


def _app(a: dict) -> str:
    """The app's processor times."""
    names = {
        "help_s": "`bids_rsa --help`",
        "import_floor_s": "floor: importing the libraries that a run needs",
        "one_participant_s": "one participant of the example dataset",
        "without_pictures_s": "the same with `--no-figures --no-report`",
        "same_again_s": "the same command again (nothing to do)",
        "all_participants_s": "all 12 participants of the example dataset",
        "preflight_s": "`--dry-run` on 100 participants with 240 images each",
    }
    lines = ["| what | processor time (s) |", "| --- | --- |"]
    return "\n".join(lines + [f"| {text} | {a[key]:.2f} |" for key, text in names.items()])


def _surfaces(a: dict) -> str:
    """The app's processor times on surfaces."""
    names = {
        "fslr_32k_s": "fsLR 32k: 59,570 centres, discs of 194 vertices",
        "fslr_32k_plain_s": "the same with `--no-figures --no-report`",
        "fsaverage_164k_at_10k_s": "fsaverage 164k with `--center-density 10k`: 18,749 centres, "
        "discs of 744 vertices",
    }
    lines = ["| what | processor time (s) | at most |", "| --- | --- | --- |"]
    for key, text in names.items():
        met = "" if a[key] <= a["at_most_s"] else " (not met)"
        lines.append(f"| {text} | {a[key]:.2f}{met} | {a['at_most_s']:g} |")
    return "\n".join(lines)


def write_json(found: dict, path: Path) -> None:
    """Write everything measured."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def write_docs(found: dict) -> None:
    """Replace the marked parts of docs/performance.md by what was measured, and the plot."""
    page = DOCS / "performance.md"
    text = page.read_text()
    for name, part in sections(found).items():
        marked = re.compile(f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not marked.search(text):
            raise ValueError(f"{page} lacks the marks of '{name}'")
        text = marked.sub(lambda m, part=part: f"{m[1]}{part}\n{m[2]}", text)
    page.write_text(text)
    if "growth" in found and "engine" in found:
        plot(found, DOCS / "performance.png")


def plot(found: dict, path: Path) -> None:
    """Ratios beside their targets, and how the cost grows."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    growth = found.get("growth", {})
    layout = [["ratios", "centres", "conditions"], ["ratios", "radius in mm", "models"]]
    figure, axes = plt.subplot_mosaic(
        layout if growth else [["ratios"]], figsize=(13 if growth else 7, 7), layout="constrained"
    )
    rows = found.get("engine", [])
    axis = axes["ratios"]
    places = range(len(rows))
    axis.barh(places, [r["ratio"] for r in rows], color="#4477aa", label="measured")
    axis.plot(
        [r["target"] for r in rows], places, "|", color="#cc3311", ms=9, mew=2, label="target"
    )
    axis.set_yticks(places, [r["case"] for r in rows], fontsize=7)
    axis.invert_yaxis()
    axis.set(xscale="log", xlabel="times as fast, per centre, one thread")
    axis.legend(fontsize=8, loc="center right")
    for name, sweep in growth.items():
        axes[name].plot(sweep["x"], sweep["us_per_centre"], "o-", color="#4477aa")
        axes[name].set(xscale="log", yscale="log", xlabel=name, ylabel="us per centre")
        axes[name].grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=80)
    plt.close(figure)
