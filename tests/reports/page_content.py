"""Look at a page without a browser."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """The elements of a page, its texts, and its tables by their first cell."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.words, self.rows = [], [], {}
        self._skip, self._row = 0, None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note an element; begin a row or a cell."""
        self.elements.append((tag, dict(attrs)))
        self._skip += tag in ("script", "style")
        if tag == "tr":
            self._row = []
        elif tag in ("td", "th") and self._row is not None:
            self._row.append("")

    def handle_endtag(self, tag):
        """End a row."""
        self._skip -= tag in ("script", "style")
        if tag == "tr" and self._row:
            self.rows.setdefault(self._row[0], []).append(self._row[1:])
            self._row = None

    def handle_data(self, data):
        """Note text that is shown."""
        if self._skip:
            return
        self.words.append(data)
        if self._row:
            self._row[-1] += data

    @property
    def text(self):
        """All that is shown."""
        return re.sub(r"\s+", " ", " ".join(self.words))

    def attributes(self, name):
        """The values of an attribute, over all elements."""
        return [attrs[name] for _, attrs in self.elements if attrs.get(name) is not None]
