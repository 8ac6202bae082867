"""A report becomes a comment on a pull request: the verdict, and what there is room for, folded."""

from __future__ import annotations

from bench.present.render.markdown import captioned, escape, folded, words
from bench.present.report import Report, plain

MOST, MOST_LINES = 65_536, 60
"""Characters that GitHub takes in a comment; lines that a reader scrolls through."""


def render(report: Report, *, most: int = MOST, lines: int = MOST_LINES) -> str:
    """The report for a comment of so many lines: the verdict, and folded the main tables for which there is room."""
    shown = [f"# {escape(report.title)}"]
    left_out = []
    for section in report.sections:
        body = words(section) if section.verdict else []
        tables = [] if section.appendix else [line for table in section.tables for line in captioned(table.brief())]
        heading = ["", f"## {escape(section.title)}"] if body else []
        fold = folded(plain(section.title), tables) if tables else []
        if len(shown) + len(heading) + len(body) + len(fold) <= lines - 4 and (body or fold):
            shown += [*heading, *body, *fold]
        elif section.has_words or section.exhibits:
            shown += [*heading, *body][: max(0, lines - 4 - len(shown))]
            left_out.append(plain(section.title))
    more = f"The whole report has more: {', '.join(left_out)}."
    end = f"\n{escape(more)}\n" if left_out else ""
    text = "\n".join(shown) + "\n"
    if len(text + end) <= most:
        return text + end
    end = f"\nCut here: a comment has at most {most} characters.\n{end}"
    return text[: max(0, most - len(end))].rpartition("\n")[0] + end
