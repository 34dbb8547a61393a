"""The audit's report in a browser: its pictures are seen, and no prompt runs."""

import pytest
from basin_escape.tests.support.audits import Audit
from basin_escape.tests.support.fake_comfyui import FakeComfyUI

EVIL = [
    "<script>window.taken = 1</script> memorized",
    '"><img src=x onerror="window.taken = 1">',
    "javascript:window.taken=1",
    "<style>* { display: none }</style>",
    "a red house",
]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    server = FakeComfyUI()
    audit = Audit(tmp_path_factory.mktemp("audit"), server.url, prompts=EVIL)
    assert audit.run()
    server.stop()
    return audit.out / "report"


def opened(browser, path):
    page = browser.new_page()
    page.dialogs = []
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    return page


def test_the_index_and_a_page_show_their_pictures(browser, report):
    for path in (report / "index.html", *sorted((report / "prompts").iterdir())[:1]):
        page = opened(browser, path)
        page.evaluate("for (const image of document.images) image.loading = 'eager'")
        page.wait_for_function("[...document.images].every(image => image.complete)")
        widths = page.evaluate("[...document.images].map(image => image.naturalWidth)")
        assert len(widths) > 9 and min(widths) >= 64
        page.close()


def test_no_prompt_runs_or_hides_anything(browser, report):
    for path in report.rglob("*.html"):
        page = opened(browser, path)
        page.wait_for_timeout(100)
        assert page.evaluate("window.taken === undefined") and not page.dialogs
        assert page.evaluate("document.scripts.length") == 0
        assert page.locator("body").is_visible()
        page.close()


def test_from_the_worst_prompt_to_its_page_and_back(browser, report):
    page = opened(browser, report / "index.html")
    assert page.locator("tbody tr").nth(0).locator(".verdict").inner_text() == "the same picture from every seed"
    page.locator("tbody a").nth(0).click()
    assert page.locator("h1").inner_text() == EVIL[0]
    page.get_by_text("All prompts").click()
    assert page.locator("td.verdict").count() == len(EVIL)
    page.close()
