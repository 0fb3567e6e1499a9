"""The references of the methods text: BibTeX for the reference manager, words for the page."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

_ENTRY = re.compile(r"@\w+\{(\w+),\n.*?\n\}\n", re.S)
_FIELD = re.compile(r"^  (\w+) = \{(.*)\},?$", re.M)
_CITATION = re.compile(r"\[((?:@\w+(?:; )?)+)\]")
_ACCENTS = {
    r"{\"o}": "ö", r"{\"u}": "ü", r"{\"a}": "ä", r"{\'e}": "é", r"{\u{a}}": "ă", "--": "–",
}  # fmt: skip


@dataclass(frozen=True)
class Reference:
    """One entry of the bibliography."""

    key: str
    bibtex: str
    fields: dict[str, str]

    @property
    def short(self) -> str:
        """Authors and year, as they are cited."""
        names = [name.partition(",")[0] for name in self.fields["author"].split(" and ")]
        if len(names) > 2 or names[-1] == "others":
            return f"{names[0]} et al., {self.year}"
        return f"{' & '.join(names)}, {self.year}"

    @property
    def year(self) -> str:
        """The year; software that is cited as a whole has none."""
        return self.fields.get("year", "n.d.")

    @property
    def where(self) -> str:
        """Journal, volume and pages."""
        fields = self.fields
        place = fields.get("journal") or fields.get("booktitle") or fields.get("howpublished", "")
        return ", ".join(filter(None, (place, fields.get("volume"), fields.get("pages"))))

    @property
    def authors(self) -> str:
        """Names in the order of the entry."""
        names = self.fields["author"].split(" and ")
        return "; ".join("et al." if name == "others" else name for name in names)


@lru_cache(maxsize=1)
def _all() -> dict[str, Reference]:
    """Read the bibliography."""
    text = files("bids_rsa.reports").joinpath("templates/references.bib").read_text("utf-8")
    return {
        match[1]: Reference(match[1], match[0], dict(map(_plain, _FIELD.findall(match[0]))))
        for match in _ENTRY.finditer(text)
    }


def _plain(field: tuple[str, str]) -> tuple[str, str]:
    """Write a field without TeX."""
    name, value = field
    for tex, letter in _ACCENTS.items():
        value = value.replace(tex, letter)
    return name, value


def cited_keys(text: str) -> list[str]:
    """List the keys that a text cites, in the order of their first use."""
    groups = (match[1] for match in _CITATION.finditer(text))
    return list(dict.fromkeys(key.lstrip("@") for group in groups for key in group.split("; ")))


def references(keys: Iterable[str]) -> list[Reference]:
    """Look up entries; an unknown key is an error of the program."""
    return [_all()[key] for key in keys]


def bibtex(text: str) -> str:
    """Give the BibTeX entries that a text cites."""
    return "\n".join(entry.bibtex for entry in references(sorted(cited_keys(text))))


def with_names(text: str) -> str:
    """Write citations as authors and year instead of keys."""

    def names(match: re.Match[str]) -> str:
        """Cite one group."""
        keys = [key.lstrip("@") for key in match[1].split("; ")]
        return f"({'; '.join(entry.short for entry in references(keys))})"

    return _CITATION.sub(names, text)
