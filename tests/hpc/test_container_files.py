"""The files that make the images agree with the project and with each other."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from nipype.pipeline import plugins
from packaging.requirements import Requirement

from bids_rsa import __version__

ROOT = Path(__file__).parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text()


def requirements() -> list[Requirement]:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    names = [*project["dependencies"], *project["optional-dependencies"]["hdf5"]]
    return [Requirement(name) for name in names]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda r: r.name)
def test_the_image_gets_a_pinned_version_that_the_project_accepts(requirement):
    pins = dict(
        line.split("==")
        for line in text("constraints.txt").splitlines()
        if line and not line.startswith("#")
    )
    assert pins[requirement.name] in requirement.specifier


def test_the_pins_name_no_host():
    assert not re.search(r"://|--index|--find-links|@", text("constraints.txt"))


@pytest.mark.parametrize("name", ["Dockerfile", "singularity/bids_rsa.def"])
def test_the_labels_carry_the_version_of_the_package(name):
    assert re.search(r"\bVERSION=(\S+)", text(name)).group(1) == __version__


def test_docker_and_singularity_set_the_same_environment():
    stages = re.split(r"^FROM ", text("Dockerfile"), flags=re.M)
    docker = {}
    for stage in stages:
        name = stage.split("\n")[0].rpartition(" AS ")[2]
        blocks = re.findall(r"^ENV (.*?[^\\])$", stage, re.M | re.S)
        docker[name] = dict(re.findall(r'(\w+)="([^"]*)"', "".join(blocks)))
    final = docker["base-${TARGETARCH:-amd64}"]
    # Apptainer gives the user's own home
    assert final.pop("HOME")
    script = re.search(r"%environment\n(.*?)\n\n", text("singularity/bids_rsa.def"), re.S).group(1)
    for machine, stage in (("x86_64", "base-amd64"), ("aarch64", "base-arm64")):
        assert set(docker[stage]) == {"NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"}
        said = subprocess.run(
            ["/bin/sh", "-c", f"uname() {{ echo {machine}; }}\nPATH=\n{script}\nexport -p"],
            capture_output=True, text=True, check=True, env={},
        ).stdout  # fmt: skip
        exported = dict(re.findall(r"export (\w+)=['\"]([^'\"]*)['\"]", said))
        wanted = docker[stage] | final
        assert {
            name: exported[name].replace("${PATH}", "") for name in wanted if name != "PATH"
        } == {name: value for name, value in wanted.items() if name != "PATH"}
        assert exported["PATH"] == final["PATH"].replace("${PATH}", "")


def test_the_kernels_of_the_sif_are_compiled_for_the_processor_that_it_names():
    for variable in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"):
        values = re.findall(rf'export {variable}="(.*)"', text("singularity/bids_rsa.def"))
        assert len(values) == 4
        assert values[:2] == values[2:]


def test_both_images_are_made_of_the_same_files():
    block = re.search(r"%files\n(.*?)\n\n", text("singularity/bids_rsa.def"), re.S).group(1)
    singularity = {line.split()[0] for line in block.splitlines()}
    copies = re.findall(r"^COPY (?!--)(.*) \S+$", text("Dockerfile"), re.M)
    assert singularity == {name for line in copies for name in line.split()}
    assert all((ROOT / name).exists() for name in singularity)


def test_the_plugin_file_names_a_plugin_of_nipype():
    settings = yaml.safe_load(text("singularity/slurm_plugin.yml"))
    assert hasattr(plugins, f"{settings['plugin']}Plugin")
    assert "sbatch_args" in settings["plugin_args"]
