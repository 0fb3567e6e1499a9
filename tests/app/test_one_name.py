"""One word for one thing: no two classes of the package have the same name."""

import ast
from collections import defaultdict
from pathlib import Path

import bids_rsa

PACKAGE = Path(bids_rsa.__file__).parent


def test_no_two_classes_have_the_same_name():
    places = defaultdict(list)
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.with_name("workflows").glob("*.py")]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path))
    assert len(places) > 200
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert not twice, twice
