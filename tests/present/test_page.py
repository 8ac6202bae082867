"""The HTML page as a browser shows it: nothing is loaded, tables sort and filter, anyone can read it, light or dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from bench.present import html
from bench.present.build import analysis_sections
from bench.present.illustrate import illustrated
from bench.present.report import Report, Section
from tests.present.test_figures import simulated
from tests.present.test_renderers import toy_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
ATTACK = "<img src=x onerror=document.title='attacked'><script>document.title='attacked'</script>\"'&"
QUIET = ["--no-sandbox", "--disable-gpu"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
PATIENCE = 240_000  # milliseconds that a busy machine may take
UNFOLD = "document.querySelectorAll('details').forEach((folded) => (folded.open = true))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=PATIENCE)
        yield started
        started.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every kind of section and figure, and the toy's table of signed, missing and infinite numbers."""
    analysis, runs, context = simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]}, label=ATTACK)
    sections = illustrated(list(analysis_sections(analysis, context, 6)), analysis, runs, context)
    (toy,) = toy_report().sections[1].tables
    long = replace(toy, caption="Long", frame=pd.concat([toy.frame, toy.frame]))
    toys = [Section("Toys", exhibits=[long, toy])]
    written = tmp_path_factory.mktemp("page") / "report.html"
    written.write_text(html.page(Report(ATTACK, {}, [*sections, *toys])), encoding="utf-8")
    return written


class Visit:
    """A page that was opened, with what the browser had to say and asked for."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())


@pytest.fixture
def visit(browser: Browser, path: Path) -> Iterator[Visit]:
    found = Visit(browser, path)
    yield found
    found.context.close()


def test_nothing_is_loaded_and_nothing_complains(visit: Visit, path: Path) -> None:
    """The browser asks for the file alone, reports no error, and runs nothing that a user's string holds."""
    assert visit.requests == [path.as_uri()]
    assert visit.complaints == []
    assert visit.page.title() == ATTACK
    assert visit.page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_anyone_can_read_it(browser: Browser, path: Path, scheme: str) -> None:
    """Axe finds nothing to complain of, contrast included, with everything unfolded, in light and in dark."""
    from axe_playwright_python.sync_playwright import Axe

    found = Visit(browser, path, color_scheme=scheme)
    found.page.evaluate(UNFOLD)
    violations = Axe().run(found.page).response["violations"]
    found.context.close()
    assert [(broken["id"], broken["nodes"][0]["html"]) for broken in violations] == []


def test_a_click_sorts_numbers_as_numbers(visit: Visit) -> None:
    """The first click sorts upwards, the second downwards, minus signs count, and the missing stay last."""
    table = visit.page.locator("section", has_text="Toys").locator("table").last
    header = table.get_by_role("columnheader", name="Change")
    header.get_by_role("button").click()
    cells = table.locator("tbody tr td:nth-of-type(1)")
    rising = [text.partition(" ")[0] for text in cells.all_inner_texts()]
    assert rising == ["−0.66", "0.00", "42.10", "–"]
    assert header.get_attribute("aria-sort") == "ascending"
    header.get_by_role("button").click()
    falling = [text.partition(" ")[0] for text in cells.all_inner_texts()]
    assert falling == ["42.10", "0.00", "−0.66", "–"]
    assert header.get_attribute("aria-sort") == "descending"


def test_words_filter_rows(visit: Visit) -> None:
    """Only rows with all the words stay, how many is said aloud, and without words all are back."""
    visit.page.evaluate(UNFOLD)
    block = visit.page.locator(".table", has=visit.page.locator("input")).first
    rows = block.locator("tbody tr:visible")
    everything = rows.count()
    text = rows.first.inner_text().split()[0]
    block.locator("input").fill(text.upper())
    assert 0 < rows.count() <= everything
    assert block.get_by_role("status").inner_text().startswith(f"{rows.count()} of {everything}")
    block.locator("input").fill("no such word")
    assert rows.count() == 0
    block.locator("input").fill("")
    assert rows.count() == everything


def test_contents_unfold_what_they_lead_to(visit: Visit) -> None:
    """A link of the contents, by keyboard, opens the folded section that it leads to."""
    link = visit.page.get_by_role("navigation").get_by_role("link", name="Methods")
    section = visit.page.locator(link.get_attribute("href") or "")
    assert not section.locator("ul").is_visible()
    link.focus()
    visit.page.keyboard.press("Enter")
    assert section.locator("ul").is_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(browser: Browser, path: Path, width: int) -> None:
    """On a phone and on a desk the page is no wider than the screen; wide tables and figures scroll in themselves."""
    found = Visit(browser, path, viewport={"width": width, "height": 800})
    found.page.evaluate(UNFOLD)
    widths = found.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    found.context.close()
    assert widths[0] == widths[1]
