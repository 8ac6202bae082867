"""Marks in points become the text of an SVG: short, the same every time, styled so that a page can recolour it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

FONTS = "'DejaVu Sans', 'Arial', sans-serif"
Point = tuple[float, float]


@dataclass(frozen=True)
class Ink:
    """How marks look; colours are hexadecimal, ``dash`` is SVG's, in points."""

    fill: str = "none"
    stroke: str = "none"
    width: float = 0.8
    dash: str = ""
    opacity: float = 1.0

    @property
    def style(self) -> str:
        """As a style sheet says it."""
        said = [f"fill: {self.fill}"]
        if self.fill != "none" and self.opacity < 1:
            said.append(f"fill-opacity: {self.opacity:g}")
        if self.stroke != "none":
            said.append(f"stroke: {self.stroke}; stroke-width: {self.width:g}")
            said += [f"stroke-dasharray: {self.dash}"] if self.dash else []
            said += [f"stroke-opacity: {self.opacity:g}"] if self.opacity < 1 else []
        return "; ".join(said)


_SHAPES: dict[str, tuple[Point, ...]] = {
    "square": ((-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)),
    "triangle": ((0, -1.1), (1.05, 0.85), (-1.05, 0.85)),
    "diamond": ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
    "down": ((0, 1.1), (1.05, -0.85), (-1.05, -0.85)),
    "left": ((-1.1, 0), (0.85, -1.0), (0.85, 1.0)),
    "right": ((1.1, 0), (-0.85, -1.0), (-0.85, 1.0)),
}
"""Corners of a marker of radius 1."""
MARKERS = ("circle", "square", "triangle", "diamond", "down")


def document(width: float, height: float, background: str, parts: Iterable[str]) -> bytes:
    """The file, ``width`` × ``height`` points, with these parts in the order in which they are painted."""
    size = f'width="{width:g}pt" height="{height:g}pt" viewBox="0 0 {width:g} {height:g}"'
    style = f'style="stroke-linejoin: round; font-family: {FONTS}"'
    paper = f'<rect width="{width:g}" height="{height:g}" style="fill: {background}"/>'
    inside = "\n".join((paper, *parts))
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} version="1.1" {style}>\n{inside}\n</svg>\n'.encode()


def group(style: str, marks: Iterable[str]) -> str:
    """Marks that look the same."""
    return f'<g style="{style}">{"".join(marks)}</g>'


def paths(lines: Iterable[Sequence[Point]], titles: Sequence[str], *, closed: bool = False) -> Iterator[str]:
    """Lines, or areas where they are ``closed``, each with the title that a reader sees who points at it, if any."""
    for index, points in enumerate(lines):
        data = f"M{' '.join(f'{x:g} {y:g}' for x, y in points)}{'z' if closed else ''}"
        yield _titled("path", f'd="{data}"', titles, index)


def markers(
    places: Sequence[Point], shape: str, radius: float, titles: Sequence[str], fills: Sequence[str] = ()
) -> Iterator[str]:
    """Marks of one shape, titled as in ``paths``; ``fills`` are their own colours, where they differ."""
    for index, (x, y) in enumerate(places):
        own = f' style="fill: {fills[index]}"' if fills else ""
        if shape == "circle":
            yield _titled("circle", f'cx="{x:g}" cy="{y:g}" r="{radius:g}"{own}', titles, index)
        else:
            corners = " ".join(f"{x + radius * across:.5g} {y + radius * down:.5g}" for across, down in _SHAPES[shape])
            yield _titled("path", f'd="M{corners}z"{own}', titles, index)


def boxes(sides: Iterable[tuple[float, float, float, float]], fills: Sequence[str] = ()) -> Iterator[str]:
    """Rectangles by left, top, width and height."""
    for index, (x, y, width, height) in enumerate(sides):
        own = f' style="fill: {fills[index]}"' if fills else ""
        yield f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"{own}/>'


def words(x: float, y: float, text: str, style: str, angle: float = 0.0) -> str:
    """A line of text whose baseline starts, is centred or ends there, as ``style`` says."""
    turned = f' transform="rotate({angle:g} {x:g} {y:g})"' if angle else ""
    return f'<text x="{x:g}" y="{y:g}"{turned} style="{style}">{escape(text)}</text>'


def _titled(tag: str, attributes: str, titles: Sequence[str], index: int) -> str:
    if not titles:
        return f"<{tag} {attributes}/>"
    return f"<{tag} {attributes}><title>{escape(titles[index])}</title></{tag}>"
