"""The HTML page in a browser: nothing is loaded, nothing is lost on a phone or on paper, anyone can read it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import bench
from bench.present.render import html
from bench.present.report import SIGNS, Column, Kind, Report, Section, Table
from bench.present.sections import analysis_sections
from tests.present.test_figures import simulated, study_of
from tests.present.test_renderers import toy_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
ATTACK = "<img src=x onerror=document.title='attacked'><script>document.title='attacked'</script>\"'&"
QUIET = ["--no-sandbox", "--disable-gpu"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
PATIENCE = 240_000  # milliseconds that a busy machine may take
PHONE, DESK = {"width": 390, "height": 800}, {"width": 1280, "height": 800}
UNFOLD = "document.querySelectorAll('main details').forEach((folded) => (folded.open = true))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=PATIENCE)
        yield started
        started.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every kind of section, figure and verdict, and the toy's signed, missing and infinite numbers."""
    analysis, _, context = simulated({"reg": ["l1", "l2"], "act": ["relu", "gelu"]}, label=ATTACK)
    sections = analysis_sections(study_of(analysis, context))
    state, effects, appendix = toy_report().sections
    (toy,) = effects.tables
    long = replace(toy, caption="Long", frame=pd.concat([toy.frame] * 6))
    words = pd.DataFrame({"claim": [f"claim {n}" for n in range(len(SIGNS))], "verdict": list(SIGNS)})
    judged = Table(
        "Verdicts", words, [Column("Claim", ("claim",), key=True), Column("Verdict", ("verdict",), "verdict")]
    )
    toys = [
        replace(state, exhibits=[judged], lines=["x" * 300]),
        Section("Toys", exhibits=[long, toy]),
        replace(appendix, exhibits=[judged, toy]),
    ]
    written = tmp_path_factory.mktemp("page") / "report.html"
    written.write_text(html.render(Report(ATTACK, {}, [*sections, *toys])), encoding="utf-8")
    return written


class Visit:
    """A page that was opened, with what the browser had to say and asked for."""

    def __init__(self, browser: Browser, path: Path, anchor: str = "", **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + anchor)


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


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_anyone_can_read_it(browser: Browser, path: Path, scheme: str, viewport: dict[str, int]) -> None:
    """Axe finds nothing to complain of, contrast included, with everything unfolded, in any light, on any screen."""
    from axe_playwright_python.sync_playwright import Axe

    found = Visit(browser, path, color_scheme=scheme, viewport=viewport)
    found.page.evaluate(UNFOLD)
    violations = Axe().run(found.page).response["violations"]
    found.context.close()
    assert [(broken["id"], broken["nodes"][0]["html"]) for broken in violations] == []


def test_a_click_sorts_numbers_as_numbers_and_the_third_undoes_it(visit: Visit) -> None:
    """Upwards, downwards, as it was: minus signs count, the missing stay last, and a key serves like a click."""
    table = visit.page.locator("section", has_text="Toys").locator("table").last
    header = table.get_by_role("columnheader", name="Change")
    cells = table.locator("tbody tr td:nth-of-type(1)")
    original = cells.all_inner_texts()
    header.get_by_role("button").click()
    rising = [text.partition(" ")[0] for text in cells.all_inner_texts()]
    assert rising == ["−0.66", "0.001", "42.10", "–"]
    assert header.get_attribute("aria-sort") == "ascending"
    header.get_by_role("button").click()
    falling = [text.partition(" ")[0] for text in cells.all_inner_texts()]
    assert falling == ["42.10", "0.001", "−0.66", "–"]
    assert header.get_attribute("aria-sort") == "descending"
    header.get_by_role("button").press("Enter")
    assert cells.all_inner_texts() == original
    assert header.get_attribute("aria-sort") is None


def test_numbers_sort_by_what_they_are_not_by_their_text(browser: Browser, tmp_path: Path) -> None:
    """Below 0.001, per cent, powers of ten, factors and infinities: the order is that of the frame."""
    values = [0.0004, np.nan, 2e-9, -np.inf, 1e30, -5.0, 0.0001, np.inf]
    frame = pd.DataFrame({"x": values, "low": -np.inf, "high": np.inf})
    kinds: list[tuple[Kind, tuple[str, ...]]] = [("p", ("x",)), ("percent", ("x",)), ("value", ("x",))]
    kinds.append(("interval", ("x", "low", "high")))
    table = Table("t", frame, [Column(kind, source, kind) for kind, source in kinds])
    (written := tmp_path / "t.html").write_text(html.render(Report("t", {}, [Section("s", exhibits=[table])])))
    found = Visit(browser, written)
    for column in range(len(kinds)):
        found.page.get_by_role("columnheader").nth(column).get_by_role("button").click()
        shown = found.page.locator(f"tbody td:nth-of-type({column + 1})").all_inner_texts()
        assert shown == [table.rows[row][column] for row in (3, 5, 2, 6, 0, 4, 7, 1)]
    found.context.close()


def test_terms_lead_to_the_glossary(visit: Visit) -> None:
    """In sentences and below tables; following a link opens the glossary and shows the term."""
    places = {link.get_attribute("href") for link in visit.page.locator(".term, .terms a").all()}
    assert {"#term-adj-p", "#term-margin", "#term-d-z", "#term-ci"} <= places
    assert all(visit.page.locator(f"#glossary {place}").count() == 1 for place in places)
    assert not visit.page.locator("#term-d-z").is_visible()
    visit.page.locator('.terms a[href="#term-d-z"]').first.click()
    visit.page.locator("#term-d-z").wait_for(state="visible")
    visit.page.wait_for_function("() => document.querySelector('#term-d-z').getBoundingClientRect().top < innerHeight")


def test_contents_are_in_the_order_of_the_page(visit: Visit) -> None:
    """Every section, table and figure that the contents name, from top to bottom; figures have headings above them."""
    links = visit.page.locator(".contents a").evaluate_all("(all) => all.map((it) => it.hash.slice(1))")
    places = visit.page.locator("main [id]:not(svg *, dt)").evaluate_all("(all) => all.map((it) => it.id)")
    assert links == [place for place in places if place in links]
    assert len(links) > 10
    for figure in visit.page.locator("figure").all():
        assert figure.evaluate("(it) => it.firstElementChild.tagName") == "H3"


@pytest.mark.parametrize("act", ["hover", "click"])
def test_a_dot_says_which_run_it_is(visit: Visit, act: str) -> None:
    """Pointed at or touched, a run's cell, seed and value stand below the figure."""
    figure = visit.page.locator("figure", has=visit.page.locator("use > title")).first
    dot = figure.locator("use:has(> title)").last
    text = dot.locator("title").text_content() or ""
    dot.dispatch_event("pointerover" if act == "hover" else "click")
    assert figure.locator("output").inner_text() == text
    assert ", seed " in text


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


def test_only_long_tables_are_filtered(visit: Visit) -> None:
    """A filter stands above every table of more than twenty rows and above no other."""
    blocks = visit.page.locator(".table").all()
    filtered = [block.locator("input").count() == 1 for block in blocks]
    assert filtered == [block.locator("tbody tr").count() > 20 for block in blocks]
    assert True in filtered


def test_contents_unfold_what_they_lead_to(visit: Visit) -> None:
    """A link of the contents, by keyboard, opens the folded section that it leads to."""
    link = visit.page.get_by_role("navigation").get_by_role("link", name="Methods")
    section = visit.page.locator(link.get_attribute("href") or "")
    assert not section.locator("ul").is_visible()
    link.focus()
    visit.page.keyboard.press("Enter")
    assert section.locator("ul").is_visible()


@pytest.mark.parametrize("anchor", ["#everything", "#everything-verdicts"])
def test_a_link_opens_what_is_folded(browser: Browser, path: Path, anchor: str) -> None:
    """A page opened at the anchor of a folded section, or of a table in it, shows its tables and names the section."""
    found = Visit(browser, path, anchor)
    found.page.locator("#everything table").first.wait_for(state="visible")
    current = found.page.locator(".contents [aria-current]")
    found.page.wait_for_function("() => document.querySelector('.contents [aria-current]').hash === '#everything'")
    assert found.page.locator(anchor).evaluate("(it) => it.getBoundingClientRect().top < innerHeight")
    assert current.all_inner_texts() == ["Everything"]
    found.context.close()


def test_every_section_of_the_contents_becomes_the_current_one(visit: Visit) -> None:
    """Whichever section is followed, the contents mark that one alone, even at the end of the page."""
    visit.page.set_viewport_size({"width": 1280, "height": 2400})
    visit.page.add_style_tag(content="html { scroll-behavior: auto !important; }")
    for link in visit.page.locator(".contents div > ol > li > a").all():
        link.click()
        visit.page.wait_for_function("(it) => it.ariaCurrent === 'location'", arg=link.element_handle())
        assert visit.page.locator(".contents [aria-current]").count() == 1
        below = link.locator("xpath=following-sibling::ol").all()
        assert visit.page.locator(".contents li ol:visible").count() == len(below)


def test_contents_take_one_line_of_a_phone(browser: Browser, path: Path) -> None:
    """On a phone the contents are folded, unfold by keyboard, and fold again when a link is followed."""
    found = Visit(browser, path, viewport=PHONE)
    link = found.page.get_by_role("navigation").get_by_role("link", name="Toys", exact=True)
    assert not link.is_visible()
    found.page.locator(".contents summary").focus()
    found.page.keyboard.press("Enter")
    link.wait_for(state="visible")
    link.click()
    link.wait_for(state="hidden")
    heading = found.page.get_by_role("heading", name="Toys", exact=True)
    found.page.wait_for_function(
        "(it) => Math.abs(it.getBoundingClientRect().top - document.querySelector('.contents').offsetHeight) < 60",
        arg=heading.element_handle(),
    )
    found.context.close()


def test_what_is_cut_says_so(browser: Browser, path: Path) -> None:
    """On a phone exactly what overflows fades out, takes the keyboard's focus, and keeps caption and key in sight."""
    found = Visit(browser, path, viewport=PHONE)
    found.page.evaluate(UNFOLD)
    cut = 0
    for scroller in found.page.locator(".scroll").all():
        overflows = scroller.evaluate("(it) => it.scrollWidth > it.clientWidth + 1")
        handle = scroller.element_handle()
        found.page.wait_for_function("([it, cut]) => (it.tabIndex === 0) === cut", arg=[handle, overflows])
        assert (scroller.evaluate("(it) => getComputedStyle(it).maskImage") != "none") == overflows
        if not overflows:
            continue
        cut += 1
        scroller.evaluate("(it) => it.scrollTo({ left: it.scrollWidth, behavior: 'instant' })")
        found.page.wait_for_function("(it) => it.matches('.before:not(.after)')", arg=handle)
        left = scroller.evaluate("(it) => it.getBoundingClientRect().left")
        for kept in scroller.locator("caption, tbody th:first-child").all():
            box = kept.bounding_box()
            assert box
            assert box["x"] == pytest.approx(left, abs=1)
            assert box["x"] + box["width"] <= PHONE["width"]
    assert cut > 3
    found.context.close()


def test_paper_shows_what_is_unfolded(browser: Browser, path: Path) -> None:
    """In print nothing is cut at the edge, there are no tools, and a folded section is there only if it was opened."""
    found = Visit(browser, path, viewport={"width": 680, "height": 1000})
    methods = found.page.locator("#methods")
    methods.locator("details").evaluate("(it) => (it.open = true)")
    found.page.emulate_media(media="print")
    assert not found.page.locator(".contents").is_visible()
    assert not found.page.locator(".tools:visible").count()
    assert methods.is_visible()
    assert not found.page.locator("#diagnostics").is_visible()
    places = found.page.locator(":is(figure, .table) > .scroll:visible").all()
    assert len(places) > 3
    for place in places:
        assert place.evaluate("(it) => it.scrollWidth <= it.clientWidth + 1"), place.get_attribute("aria-label")
    found.context.close()


def test_headings_of_tables_hold_no_control(visit: Visit) -> None:
    """Chromium repeats a table's heading on the next sheet unless it holds a button, a link or a field."""
    assert visit.page.locator("thead").count()
    assert not visit.page.locator("thead :is(button, a, input, select)").count()


@pytest.mark.slow
def test_a_full_factorial_is_a_handful_of_sheets(browser: Browser, tmp_path: Path) -> None:
    """A report on four factors, ten seeds and eight metrics, printed on A4, has at most twenty pages."""
    grid = pd.MultiIndex.from_product([["low", "high"]] * 4 + [range(10)], names=[*"abcd", "seed"]).to_frame(
        index=False
    )
    metrics = [f"metric {number}" for number in range(8)]
    noise = np.random.default_rng(5).normal(size=(len(grid), len(metrics)))
    runs = grid.join(pd.DataFrame(noise + (grid[["a"]] == "high").to_numpy(), columns=metrics))
    margins = dict.fromkeys(metrics[:3], 0.4)
    report = bench.analyze(runs, list("abcd"), "seed", metrics, margin=margins).report("simulated")
    (written := tmp_path / "report.html").write_text(html.render(report))
    found = Visit(browser, written)
    printed = found.page.pdf(format="A4", prefer_css_page_size=True)
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", printed)) <= 20
    found.context.close()


def test_a_phone_shows_the_first_number_of_every_table(browser: Browser, path: Path) -> None:
    """Where numbers follow the names of the rows; and the text of every figure is no smaller than 10 pixels."""
    found = Visit(browser, path, viewport=PHONE)
    found.page.evaluate(UNFOLD)
    for table in found.page.locator("table:has(tbody th + td.number)").all():
        edges = table.evaluate(
            "(it) => [it.querySelector('td.number').getBoundingClientRect().right, "
            "it.closest('.scroll').getBoundingClientRect().right]"
        )
        assert edges[0] <= edges[1], table.locator("caption").inner_text()
    sizes = found.page.locator("figure svg text").evaluate_all(
        "(all) => all.map((it) => [parseFloat(getComputedStyle(it).fontSize), it.getScreenCTM()])"
        ".map(([size, place]) => size * Math.hypot(place.a, place.b))"
    )
    assert min(sizes) >= 10
    found.context.close()


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_nothing_sticks_out(browser: Browser, path: Path, width: int) -> None:
    """On a phone and on a desk the page is no wider than the screen; wide tables and figures scroll in themselves."""
    found = Visit(browser, path, viewport={"width": width, "height": 800})
    found.page.evaluate(UNFOLD)
    widths = found.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    found.context.close()
    assert widths[0] == widths[1]
    assert found.complaints == []
