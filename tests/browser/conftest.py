"""A whole demo of processes, and Chromium in front of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.journeys.browserless import HIGH, SUBSTANTIAL, Visitor
from tests.journeys.processes import PATIENCE, Demo, demo

CHROMIUM = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium")
WITHOUT = [
    # Of each new window these draw the list under an address bar that nobody sees, in a process
    # of its own that takes more than our page does; the third waits for a page that never comes.
    *["WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "SpareRendererForSitePerProcess"],
    # What Playwright leaves out stands here again, as Chromium follows the last list alone.
    *["AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"],
    *["HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"],
    *["ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "AimEnabled"],
    *["OptimizationHints", "NetworkTimeServiceQuerying", "PreconnectToSearch"],
]
FLAGS = [
    f"--disable-features={','.join(WITHOUT)}",
    *["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
    *["--disable-gpu-compositing", "--disable-software-rasterizer"],
    *["--disable-background-networking", "--disable-component-update", "--disable-sync"],
]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
SELDOM = ["SYNC_INTERVAL_SECONDS", "KRR_INTERVAL_SECONDS", "PARTIES_INTERVAL_SECONDS"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's Chromium instead of a download."""
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": FLAGS}


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Simulators, web, worker and beat, with everybody's letters fetched.

    What a source, the register or Altinn would be asked for every few seconds is asked for once:
    letters that come later are told of by their source.
    """
    with demo(tmp_path_factory.mktemp("demo"), {}, **dict.fromkeys(SELDOM, "600")) as made:
        made.start_simulators()
        made.set_up()
        made.run("manage.py", "sync")
        made.start_web()
        made.start_worker()
        made.start_reader()
        yield made


OpenContext = Callable[..., BrowserContext]
OpenPage = Callable[..., Page]
WIDE: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture
def open_context(browser: Browser, running: Demo) -> Iterator[OpenContext]:
    """Make browser contexts at the demo's address, in Norwegian time, closed afterwards."""
    made: list[BrowserContext] = []

    def new(**options: Any) -> BrowserContext:
        made.append(new_context(browser, running, **options))
        return made[-1]

    yield new
    for context in made:
        context.close()


def new_context(browser: Browser, running: Demo, **options: Any) -> BrowserContext:
    """A browser that has been nowhere yet."""
    said = {"viewport": WIDE, "service_workers": "block", **options}
    context = browser.new_context(
        base_url=running.web, locale="nb-NO", timezone_id="Europe/Oslo", **said
    )
    context.set_default_timeout(PATIENCE * 1000)
    return context


@pytest.fixture(scope="session")
def _left() -> dict[bool, list[Page]]:
    """The pages that earlier tests have left: with JavaScript and without."""
    return {True: [], False: []}


@pytest.fixture
def open_page(browser: Browser, running: Demo, _left: dict[bool, list[Page]]) -> Iterator[OpenPage]:
    """Give pages, each of a browser of its own, which knows nobody.

    An earlier test may have left it: the first page of a new one takes a second of a core. So
    who listens to the page, stops its clock or cuts its network takes `open_context` instead.
    """
    used: list[tuple[bool, Page]] = []

    def opened(*, scripts: bool = True, viewport: ViewportSize = WIDE) -> Page:
        if _left[scripts]:
            page = _left[scripts].pop()
        else:
            page = new_context(browser, running, java_script_enabled=scripts).new_page()
        page.set_viewport_size(viewport)
        used.append((scripts, page))
        return page

    yield opened
    for scripts, page in used:
        forget(page)
        _left[scripts].append(page)


def forget(page: Page) -> None:
    """Leave nothing in its browser of who used it, but for files that are everybody's."""
    for other in page.context.pages:
        if other != page:
            other.close()
    page.goto("/healthz")  # whose answer ends what is still on its way with a cookie
    page.evaluate("localStorage.clear(); sessionStorage.clear()")
    page.context.clear_cookies()
    page.emulate_media(color_scheme="null")


def log_in(page: Page, slug: str = "kari", *, high: bool = False) -> None:
    """Log in as a citizen would, from our log-in page through the simulated ID-porten."""
    page.goto(f"/login/start/?level={4 if high else 3}&next=/")
    if high:
        page.locator('input[value="idporten-loa-high"]').check()
    page.locator(f'button[name="person"][value="{slug}"]').click()
    page.wait_for_url(lambda address: "/idporten" not in address)


def let_in(page: Page, running: Demo, slug: str = "kari", *, high: bool = False) -> None:
    """Have somebody logged in without the pages of it, which test_journey.py goes through."""
    with Visitor(running.web) as visitor:
        visitor.log_in(slug, HIGH if high else SUBSTANTIAL)
        page.context.add_cookies(visitor.cookies())
    page.goto("/")


def look_at(page: Page, width: int, scheme: str) -> None:
    """Give a page that is shown another width and colour scheme, and let it come to rest."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    # A colour on its way to another would be measured as neither.
    page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished))")
    query = f"(width: {width}px) and (prefers-color-scheme: {scheme})"
    assert page.evaluate("(query) => matchMedia(query).matches", query)


def violations(
    page: Page,
    rules: list[str] | None = None,
    *,
    without: Sequence[str] = (),
    within: str = "document",
    beside: str = "[]",
) -> list[str]:
    """What axe finds wrong by these rules (or all there are but some), by rule and element.

    `within` and `beside`: JavaScript for the elements to look at, and for those among them to
    leave out.
    """
    by = "rule" if rules and rules != RULES else "tag"
    only = {"type": by, "values": rules or RULES}
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    # Of what passes it would list every element too, which takes as long again.
    options = {"runOnly": only, "resultTypes": ["violations"], "preload": False}
    options["rules"] = {rule: {"enabled": False} for rule in without}
    where = f"{{include: {within}, exclude: {beside}}}"
    found = page.evaluate(f"(options) => axe.run({where}, options)", options)
    return [
        f"{violation['id']}: {node['target']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def leave_out(page: Page, where: str, known: set[str]) -> None:
    """Let `leftOut` be the elements under the selector that are among those known by now.

    What tells them apart is their HTML and what styles it, but for numbers and what forms carry.
    The others are known from now on.
    """
    names: list[str] = page.evaluate(ALIKE, where)
    left_out = [number for number, name in enumerate(names) if name in known]
    known.update(names)
    page.evaluate("(numbers) => { leftOut = numbers.map((each) => candidates[each]) }", left_out)


ALIKE = """(where) => {
    window.candidates = [...document.querySelectorAll(where)];
    const styles = [...document.styleSheets].map((each) => each.href);
    return candidates.map((each) => styles + each.outerHTML.replace(/value="[^"]*"|\\d+/g, ""));
}"""


def remember_shown(page: Page) -> None:
    """Let the page know which of its elements are shown, to be compared by `shown_alone`."""
    page.evaluate(f"window.shownBefore = {SHOWN}")


def shown_alone(page: Page) -> tuple[int, int]:
    """How many are shown now and were not when remembered, and the other way round.

    They are in `onlyNow` and `onlyBefore`, each without those inside another of them and those
    that are left out.
    """
    found: list[int] = page.evaluate(
        f"""() => {{
            const now = {SHOWN}, before = window.shownBefore;
            const alone = (some, others) =>
                [...some].filter((e) => !others.has(e) && !(some.has(e.parentElement)
                    && !others.has(e.parentElement)) && !leftOut.some((out) => out.contains(e)));
            window.onlyNow = alone(now, before);
            window.onlyBefore = alone(before, now);
            return [window.onlyNow.length, window.onlyBefore.length];
        }}"""
    )
    return found[0], found[1]


SHOWN = "new Set([...document.body.querySelectorAll('*')].filter((e) => e.checkVisibility()))"


def sideways(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return width
