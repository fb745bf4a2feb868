"""The quality report in a real browser: on a phone, on a dark screen, and with names from strangers."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from sam2_assets.quality import QualitySettings, assess, report_page
from sam2_assets.tables import ImageOrigin
from sam2_assets_tests.quality.videos import Track, make_video, rectangle

HOSTILE = "<script>document.title = 'run'</script><img src=http://127.0.0.1:9/x.png>"
NAMES = [HOSTILE, "مفتاح ربط", "工具/螺丝刀", "x" * 400, "$x_1$ | _b_"]


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    tracks = {
        k: Track(name, lambda i, k=k: rectangle(12 * k, 4, 8 * ((i + k) % 5 != 0), 8))  # type: ignore[misc]
        for k, name in enumerate(NAMES)
    }
    video = make_video(folder / "v", tracks, origin=ImageOrigin.EXPORT_OVERLAY)
    path = folder / "report.html"
    findings = assess(video.tables, video.folder, QualitySettings())
    path.write_text(report_page(findings, video.tables, video.folder), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light")])
def test_the_page_fits_its_window_shows_all_its_pictures_and_asks_nobody_for_anything(
    page_file: Path, browser: Browser, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate("Promise.all([...document.images].map(i => i.decode().then(() => i.naturalWidth)))")
    assert len(sizes) > 10
    assert min(sizes) >= 100
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]
    assert page.title().startswith("Quality of ")
    for name in NAMES[:3]:
        assert page.get_by_text(name).first.is_visible()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(18, 22, 29)") == (scheme == "dark")
    context.close()
