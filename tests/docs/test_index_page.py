"""The description that package indexes show: whole, and with nothing that leads nowhere there."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page():
    return runpy.run_path(str(ROOT / "setup.py"))["index_page"](README)


def test_pictures_and_links_into_the_repository_are_left_out(page):
    assert "![" in README and "](docs/" in README
    assert "![" not in page
    targets = re.findall(r"\]\(([^)]*)\)", page)
    assert all(target.startswith(("https://", "http://", "#")) for target in targets)


def test_all_else_is_as_in_the_readme(page):
    assert re.findall(r"^#+ .*", page, re.MULTILINE) == re.findall(r"^#+ .*", README, re.MULTILINE)
    assert re.findall(r"```.*?```", page, re.DOTALL) == re.findall(r"```.*?```", README, re.DOTALL)
    words = set(re.sub(r"!\[.*?\]\(.*?\)", "", README).split())
    lost = {word for word in words if word not in page and "](" not in word and "[" not in word}
    assert lost == set()


def test_links_within_the_page_have_a_heading(page):
    headings = re.findall(r"^#+ (.*)", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= anchors


def test_an_index_renders_it(page):
    markdown = pytest.importorskip("readme_renderer.markdown", reason="comes with twine")
    rendered = markdown.render(page)
    if rendered is None:
        pytest.skip("readme_renderer's Markdown is not installed")
    assert "<img" not in rendered and 'href="docs' not in rendered
    assert "<table>" in rendered and "<h2" in rendered
