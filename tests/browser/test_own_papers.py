"""A citizen puts in a letter on paper: files dropped or chosen, with and without JavaScript."""

from __future__ import annotations

import base64
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, let_in, violations
from tests.browser.ways import Person
from tests.journeys.processes import Demo
from tests.letters.test_texts import written

pytestmark = pytest.mark.browser

DROP = """([field, files]) => {
  const brought = new DataTransfer();
  for (const [name, content, more] of files) {
    const bytes = Uint8Array.from(atob(content), (sign) => sign.codePointAt(0));
    brought.items.add(new File([bytes, new Uint8Array(more)], name));
  }
  for (const kind of ["dragover", "drop"]) {
    const said = { dataTransfer: brought, bubbles: true, cancelable: true };
    if (field.dispatchEvent(new DragEvent(kind, said))) throw new Error(`${kind} is not taken`);
  }
}"""


@pytest.mark.parametrize("way", ["keyboard", "no JavaScript"])
def test_a_letter_on_paper_is_put_in_and_found(
    open_page: OpenPage, running: Demo, way: str
) -> None:
    word = "byggesøknaden" if way == "keyboard" else "skjenkebevillingen"
    pages = [("side 1.pdf", written(f"Her avgjøres {word}.")), ("side 2.pdf", written(word))]
    kari = Person(open_page, way)
    page = kari.page
    let_in(page, running)
    page.goto("/papers/")
    kari.press(page.get_by_role("link", name="Legg til et eget brev"))
    if way == "keyboard":
        drop(page, [*pages, ("feil.pdf", b"MZ")])
        expect(page.locator("[data-chosen] li")).to_have_count(3)
        assert violations(page) == []
        kari.press(page.get_by_role("button", name="Fjern: feil.pdf"))
        expect(page.locator("[data-chosen] li")).to_have_count(2)
        drop(page, [("stor.pdf", b"")], more=26_000_000)
        expect(page.get_by_role("alert")).to_have_text("En fil er for stor.")
        kari.press(page.get_by_role("button", name="Fjern: stor.pdf"))
        expect(page.get_by_role("alert")).to_have_count(0)
    else:
        files = [{"name": n, "mimeType": "application/pdf", "buffer": c} for n, c in pages]
        page.locator("#files").set_input_files(files)
    kari.write(page.locator("#sender"), "Plan- og bygningsetaten")
    page.locator("#day").fill("2003-05-06")
    kari.press(page.get_by_role("button", name="Legg det i arkivet"))
    expect(page.get_by_role("alert")).to_contain_text("Skriv hva brevet handler om.")
    if way == "keyboard":
        assert violations(page) == []
        drop(page, pages)
    else:
        page.locator("#files").set_input_files(files)
    kari.write(page.locator("#title"), f"Vedtak om {word}")
    kari.press(page.get_by_role("button", name="Legg det i arkivet"))
    expect(page.locator("h1")).to_have_text(f"Vedtak om {word}")
    expect(page.locator("main")).to_contain_text("Lagt inn av deg")
    expect(page.locator(".att li")).to_have_count(1)
    if way == "keyboard":
        assert violations(page) == []
    kari.press(page.get_by_role("link", name="Endre det som står om brevet"))
    page.locator("#title").fill("Et gammelt vedtak")
    kari.press(page.get_by_role("button", name="Lagre endringene"))
    expect(page.locator("h1")).to_have_text("Et gammelt vedtak")
    running.wait_for(lambda: finds(page, word))


def drop(page: Page, files: list[tuple[str, bytes]], more: int = 0) -> None:
    """Drop files on the page, each with as many bytes more."""
    said = [(name, base64.b64encode(content).decode(), more) for name, content in files]
    field = page.locator("[data-drop]").element_handle()
    page.evaluate(DROP, [field, said])


def finds(page: Page, word: str) -> bool:
    page.goto(f"/search/?q={word}")
    return bool(re.search("Et gammelt vedtak", page.locator("main").inner_text()))
