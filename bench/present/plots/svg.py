"""An SVG as matplotlib writes it becomes one that can stand in a page: ids of its own, titles on its marks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree as ET

FONTS = "'DejaVu Sans', 'Arial', sans-serif"
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_LONG_NUMBER = re.compile(r"(-?\d+\.\d\d)\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def finished(source: bytes, name: str, titles: Mapping[str, Sequence[str]]) -> bytes:
    """The figure with ids that begin with ``name``; ``titles`` holds, by the id of a group, what its marks are."""
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(source)  # noqa: S314 (written by matplotlib in this process)
    for group, texts in titles.items():
        _entitle(root.find(f".//*[@id='{group}']"), texts)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    font = f"font-family: {FONTS}"
    for node in root.iter():
        if "style" in node.attrib:
            node.set("style", node.attrib["style"].replace(font, "").replace("; ;", ";").strip("; "))
    root.set("style", f"stroke-linejoin: round; stroke-linecap: butt; {font}")
    _own_ids(root, name)
    text: str = ET.tostring(root, encoding="unicode")
    return f"{text}\n".encode()


def _entitle(group: ET.Element | None, texts: Sequence[str]) -> None:
    """Give every mark of a group its title, and the style that all of them share to the group."""
    marks = [] if group is None else list(_marks(group))
    for mark, text in zip(marks, texts, strict=True):
        ET.SubElement(mark, f"{{{_SVG}}}title").text = text
    styles = {mark.get("style", "") for mark in marks}
    if group is not None and len(styles) == 1:
        group.set("style", styles.pop())
        for mark in marks:
            mark.attrib.pop("style", None)


def _marks(group: ET.Element) -> Iterator[ET.Element]:
    """The marks of a collection in their order: references to one shape, or shapes."""
    uses = list(group.iter(f"{{{_SVG}}}use"))
    if uses:
        yield from uses
        return
    defined = {path for defs in group.iter(f"{{{_SVG}}}defs") for path in defs.iter()}
    yield from (path for path in group.iter(f"{{{_SVG}}}path") if path not in defined)


def _own_ids(root: ET.Element, name: str) -> None:
    """Prefix the ids that are referred to, and drop all others."""
    hrefs = ("href", f"{{{_XLINK}}}href")
    used = {value.removeprefix("#") for node in root.iter() for key in hrefs if (value := node.get(key))}
    used |= {found for node in root.iter() for value in node.attrib.values() for found in _REFERENCE.findall(value)}
    for node in root.iter():
        for key, value in list(node.attrib.items()):
            if key == "id" and value not in used:
                del node.attrib[key]
            elif key == "id":
                node.set(key, f"{name}-{value}")
            elif key in hrefs:
                node.set(key, f"#{name}-{value.removeprefix('#')}")
            elif key in ("d", "x", "y", "points", "transform"):
                node.set(key, _LONG_NUMBER.sub(r"\1", value))
            else:
                node.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))
