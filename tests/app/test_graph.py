"""The graph that the README shows is the one that runs."""

from bids_rsa.workflows.participant import describe, init_analysis_wf, init_run_wf

from bids_rsa.needs import MemoryNeeds
from bids_rsa.outputs.analysis_job import AnalysisJob, subject_name
from bids_rsa.outputs.image_plan import plan_images
from bids_rsa.outputs.input_hashes import InputHashes
from bids_rsa.records import Analysis, ConditionImage, ModelRdm
from bids_rsa.settings import RsaSettings

START, END = "<!-- graph: participant -->\n```mermaid\n", "\n```\n<!-- end -->"


def job(subject, task):
    group = Analysis(
        subject=subject, task=task, conditions=("a", "b"),
        images=(ConditionImage("/a.nii.gz", subject, "a", "effect"),),
    )  # fmt: skip
    model = ModelRdm("m", "/m.tsv", "0", ("a", "b"), ((0.0, 1.0), (1.0, 0.0)))
    rsa = RsaSettings()
    planned = plan_images(group, rsa, (model,), InputHashes("0", "none", "none"))
    return AnalysisJob(
        group,
        rsa,
        "/models.json",
        planned,
        (),
        (("/", "data"),),
        "0",
        "/out",
        MemoryNeeds(1, 2, 1),
        f"{subject}_{task}",
    )  # fmt: skip


def test_the_readme_shows_the_graph(pytestconfig):
    readme = (pytestconfig.rootpath / "README.md").read_text(encoding="utf-8")
    _, _, rest = readme.partition(START)
    shown, _, _ = rest.partition(END)
    assert shown == describe(init_analysis_wf(job("01", "x")))


def test_each_subject_and_task_has_its_own_branch(tmp_path):
    jobs = [job("01", "x"), job("01", "y"), job("02", "x")]
    workflow = init_run_wf(jobs, str(tmp_path))
    subjects = {wf.name: wf for wf in workflow._graph.nodes}
    assert set(subjects) == {subject_name("01"), subject_name("02")}
    assert len(subjects[subject_name("01")]._graph) == 2
    assert len(workflow.list_node_names()) == 3 * 4


def test_nodes_declare_what_they_need(tmp_path):
    workflow = init_analysis_wf(job("01", "x"))
    assert workflow.get_node("searchlight").mem_gb == 2
    assert workflow.get_node("masking").mem_gb == 1
