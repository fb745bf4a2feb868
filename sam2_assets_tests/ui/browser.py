"""A page of the Dagster UI as a person sees it: opened at an asset, its dialogs, what its pictures really show."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

PATIENCE_MS = 60_000
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_COLOURS = """image => {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0);
    const pixels = new Uint32Array(pen.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(pixels).size;
}"""


def installed_browser() -> str | None:
    """The system's Chromium or Chrome; None for the one that Playwright installs."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


@dataclass(frozen=True)
class Picture:
    """A decoded picture of the page: its own size in pixels, the size it is shown in, how many colours it has."""

    width: int
    shown_width: int
    colours: int


@dataclass(frozen=True)
class Screen:
    """One browser page; ``keep`` saves what it shows."""

    page: Page
    folder: Path

    def keep(self, name: str) -> None:
        self.page.screenshot(path=self.folder / f"{name}.png")

    def open(self, path: str) -> None:
        self.page.goto(path)

    def open_partition(self, asset: str, partition: str) -> None:
        """The asset's page with one partition selected, its metadata loaded."""
        self.open(f"/assets/{asset}?view=partitions&partition={partition}")
        expect(self.page.get_by_role("cell", name="sha256", exact=True)).to_be_visible()

    def open_check(self, asset: str, check: str) -> None:
        """The asset's checks with one of them selected, its evaluation loaded."""
        self.open(f"/assets/{asset}?view=checks&checkDetail={check}")
        expect(self.page.get_by_text("Evaluation result", exact=True)).to_be_visible()

    def entry(self, name: str) -> Locator:
        """A row of the metadata table."""
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("cell", name=name, exact=True))

    def show_markdown(self, name: str) -> Locator:
        """Opens a metadata entry that is Markdown; its rendered content."""
        self.entry(name).get_by_text("[Show Markdown]").click()
        shown = self.page.locator(".dagster-markdown").last
        expect(shown).to_be_visible()
        return shown

    def pictures(self, within: Locator) -> list[Picture]:
        """Every picture in there, decoded; one that the browser cannot decode fails here."""
        images = within.locator("img")
        expect(images.first).to_be_visible()
        return [
            Picture(
                width=image.evaluate("async image => { await image.decode(); return image.naturalWidth; }"),
                shown_width=image.evaluate("image => image.clientWidth"),
                colours=image.evaluate(_COLOURS),
            )
            for image in images.all()
        ]
