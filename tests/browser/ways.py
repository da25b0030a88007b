"""The ways in which a person goes through a journey: by mouse, by keyboard alone, and so on."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, ViewportSize

from tests.browser.conftest import WIDE, OpenPage, sideways

WAYS = ["mouse", "keyboard", "no JavaScript", "320 px"]
FOCUS_SHOWS = """element => [element, element.closest('.row, label, li') ?? element].some(each =>
    ['', '::before', '::after'].some(part => {
        const style = getComputedStyle(each, part || null);
        return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0)
            || style.boxShadow !== 'none';
    }))"""
TABS_MAX = 200


class Person:
    """Somebody at a screen who does everything in one way."""

    def __init__(self, open_page: OpenPage, way: str) -> None:
        viewport: ViewportSize = {"width": 320, "height": 640} if way == "320 px" else WIDE
        self.page: Page = open_page(scripts=way != "no JavaScript", viewport=viewport)
        self.way = way

    def press(self, target: Locator) -> None:
        """Follow a link or press a button."""
        target = target.first
        target.wait_for()
        assert sideways(self.page) <= 0
        if self.way == "keyboard":
            self.reach(target)
            self.page.keyboard.press("Enter")
        else:
            target.click()

    def write(self, target: Locator, text: str) -> None:
        """Write into a field."""
        if self.way == "keyboard":
            self.reach(target)
            self.page.keyboard.type(text)
        else:
            target.fill(text)

    def reach(self, target: Locator) -> None:
        """Press Tab until the element has the focus, which must show."""
        for _ in range(TABS_MAX):
            if target.evaluate("element => element === document.activeElement"):
                assert target.evaluate(FOCUS_SHOWS), "the focus does not show"
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not come to {target}")
