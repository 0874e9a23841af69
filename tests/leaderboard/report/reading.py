"""What a reader's program sees of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Read(HTMLParser):
    """A page as a strict reader sees it.

    Attributes:
        tags: Names and attributes, in order.
        text: What people read: all but style and script.
    """

    tags: list[tuple[str, Mapping[str, str | None]]] = field(default_factory=list)
    text: str = ""
    _within: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("style", "script"):
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.text += data

    def named(self, *names: str) -> list[Mapping[str, str | None]]:
        """The attributes of all elements of these names."""
        return [attributes for tag, attributes in self.tags if tag in names]


def read(html: str) -> Read:
    found = Read()
    found.feed(html)
    found.close()
    return found
