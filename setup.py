"""The description for package indexes: the README without what only the repository can show."""

import re
from pathlib import Path

from setuptools import setup

PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)\n+", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)[^)]*\)")


def index_page(readme: str) -> str:
    """Leave out pictures, and write links to files of the repository as text.

    An index shows one page alone: it has no other file that a picture or a link could lead to.
    """
    return LINK.sub(r"\1", PICTURE.sub("", readme))


if __name__ == "__main__":
    readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    setup(long_description=index_page(readme), long_description_content_type="text/markdown")
