"""The page in a real browser. Skipped where there is none."""

import json
import os
import shutil

import pytest
from test_server import Running, Words, wait_until

import electra
from electra.core import html
from electra.server.engine import ModelEngine

BROWSER = os.environ.get("ELECTRA_BROWSER") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
NAME = (
    "(e => [e.getAttribute('aria-label'), e.textContent, e.labels?.[0]?.textContent].join(' '))(document.activeElement)"
)
ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>x \"'&amp;"


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not BROWSER:
        pytest.skip("no Chromium; install one, or name it in ELECTRA_BROWSER")
    with playwright.sync_playwright() as started:
        made = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def server():
    with Running(Words()) as running:
        yield running


@pytest.fixture
def page(browser, server):
    """The page, which must neither complain nor ask anybody else for anything."""
    made, troubles = browser.new_page(), []
    made.on("pageerror", lambda error: troubles.append(str(error)))
    made.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
    made.on("dialog", lambda dialog: (troubles.append("a dialog"), dialog.dismiss()))
    made.on(
        "request",
        lambda request: (
            f":{server.port}/" in request.url or request.url.startswith("data:") or troubles.append(request.url)
        ),
    )
    made.goto(f"http://127.0.0.1:{server.port}/")
    made.troubles = troubles
    yield made
    assert troubles == []
    made.close()


def test_words_are_marked_while_typing(page):
    page.get_by_label("Text to check").press_sequentially("a 😀 wrox b")
    page.wait_for_selector("mark")
    assert page.locator("mark").all_text_contents() == ["wrox"]
    assert page.get_by_role("status").text_content() == "1 word looks wrong."
    assert page.locator("#latency").text_content().endswith(" ms")
    lines = page.evaluate("[...document.querySelectorAll('#backdrop, #text')].map(e => getComputedStyle(e)).map("
                          "s => [s.font, s.padding, s.width, s.letterSpacing, s.whiteSpaceCollapse])")  # fmt: skip
    assert lines[0] == lines[1], "the marks stand under the words"


def test_a_word_shows_its_probability_and_a_suggestion_mends_it(page):
    text = page.get_by_label("Text to check")
    text.fill("😀 b wrox b")
    page.wait_for_selector("mark")
    page.keyboard.press("F8")
    card = page.locator("#word")
    assert "Looks wrong (90 %)" in card.text_content()
    card.get_by_role("button", name="Replace wrox by y").click()
    assert text.input_value() == "😀 b y b"
    page.wait_for_selector("mark", state="detached")
    page.keyboard.press("Control+z")
    assert text.input_value() == "😀 b wrox b"


def test_a_suggestion_may_remove_the_word(page):
    text = page.get_by_label("Text to check")
    text.fill("a b wrox c")
    page.wait_for_selector("mark")
    page.keyboard.press("F8")
    page.locator("#word").get_by_role("button", name="Remove wrox").click()
    assert text.input_value() == "a b c"
    page.wait_for_selector("mark", state="detached")
    page.keyboard.press("Control+z")
    assert text.input_value() == "a b wrox c"


def test_a_click_on_any_word_and_the_list(page):
    page.get_by_label("Text to check").fill("abc max")
    page.wait_for_selector("mark")
    page.get_by_label("Text to check").click(position={"x": 30, "y": 30})
    page.wait_for_function("document.activeElement.selectionStart < 4")
    wait_until(lambda: not page.locator("#word").is_hidden())
    assert page.locator("#word-verdict").text_content() == "Looks right (10 %)."
    page.get_by_role("button", name="max 90 %").press("Enter")
    assert page.locator("#word-text").text_content() == "max"


def test_the_threshold_moves_the_marks(page):
    page.get_by_label("Text to check").fill("abc max")
    page.wait_for_selector("mark")
    slider = page.get_by_label("Mark from")
    slider.fill("0.05")
    assert page.locator("mark").count() == 2
    slider.fill("0.95")
    assert page.locator("mark").count() == 0
    assert slider.get_attribute("aria-valuetext") == "95 %"


def test_marks_stay_at_their_words_while_typing_goes_on(page):
    text = page.get_by_label("Text to check")
    text.fill("abc max def")
    page.wait_for_selector("mark")
    text.press("Home")
    page.route("**/detect", lambda route: route.abort())
    text.press_sequentially("😀 new ")
    assert page.locator("mark").all_text_contents() == ["max"]
    page.unroute("**/detect")
    page.troubles.clear()  # the browser says that we cut its request


def test_what_is_typed_never_becomes_markup(page):
    """Row 34."""
    page.get_by_label("Text to check").fill(ATTACK)
    page.wait_for_selector("mark")
    page.keyboard.press("F8")
    assert page.locator("#backdrop img, #backdrop script, #marks img, #word img").count() == 0
    assert page.locator("#backdrop").text_content().startswith(ATTACK)


def test_examples_clear_and_themes(page):
    page.wait_for_selector("[data-example]")
    assert page.locator("[data-example]").count() == 4
    for button in page.locator("[data-example]").all():
        button.click()
        assert len(page.get_by_label("Text to check").input_value()) > 50
    page.get_by_role("button", name="Clear").click()
    wait_until(lambda: "Type something" in page.get_by_role("status").text_content())
    colours = []
    for theme in ("light", "dark"):
        page.get_by_role("button", name="Theme").click()
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]


@pytest.fixture(scope="module")
def box():
    model = electra.load(threads=1)
    with Running(ModelEngine(model, "box", is_box=True)) as running:
        yield running


@pytest.mark.parametrize("size", [(1280, 860), (390, 844)])
def test_the_model_in_the_box_opens_with_a_letter_and_suggests_at_a_click(browser, box, size):
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(f"http://127.0.0.1:{box.port}/")
    page.wait_for_selector("mark")
    assert "The model in the box" in page.locator("header").text_content()
    mark = page.locator("mark", has_text="teh").bounding_box()
    page.mouse.click(mark["x"] + mark["width"] / 2, mark["y"] + mark["height"] / 2)
    page.wait_for_selector("#word:not([hidden])")
    card = page.locator("#word").bounding_box()
    assert card["y"] >= mark["y"] + mark["height"] and card["x"] >= 0 and card["x"] + card["width"] <= size[0]
    page.get_by_role("button", name="Replace teh by the").click()
    assert "about the hotel" in page.get_by_label("Text to check").input_value()
    assert page.locator("#note").is_hidden(), "the note is about the example as it was"
    page.get_by_role("button", name="Its limits").click()
    assert page.locator("#note").text_content().startswith("It misses")
    page.keyboard.press("Escape")
    assert page.locator("#word").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.close()


def test_everything_can_be_reached_by_keyboard_and_has_a_name(page):
    page.get_by_label("Text to check").fill("max")
    page.wait_for_selector("mark")
    names = []
    for _ in range(16):
        page.keyboard.press("Tab")
        names.append(page.evaluate(NAME))
    for name in ("Mark from", "max", "Copy as JSON", "API"):
        assert any(name in each for each in names), (name, names)


def test_the_docs_list_every_route(page, server):
    page.goto(f"http://127.0.0.1:{server.port}/docs")
    page.wait_for_selector("section")
    titles = page.locator("h2").all_text_contents()
    assert {"POST /detect", "POST /v2/check", "GET /health", "POST /v1/embeddings"} <= set(titles)


def test_a_key_is_asked_for(browser):
    with Running(Words(), key="secret") as running:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{running.port}/")
        page.get_by_label("This server asks for a key").fill("secret")
        page.get_by_role("button", name="Use it").click()
        page.get_by_label("Text to check").fill("max")
        page.wait_for_selector("mark")
        page.close()


def test_a_busy_server_is_said_and_asked_again(page):
    refusal = {"error": "the server is busy", "error_type": "overloaded", "code": 429}
    page.route(
        "**/detect", lambda route: route.fulfill(status=429, body=json.dumps(refusal), headers={"retry-after": "1"})
    )
    page.get_by_label("Text to check").fill("max")
    wait_until(lambda: "busy" in page.get_by_role("status").text_content())
    page.unroute("**/detect")
    page.wait_for_selector("mark")
    page.troubles.clear()  # the browser reports the 429 of its own


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_fits_a_phone_and_its_plots_follow_the_colour_scheme(browser, scheme):
    names = ["", *(f"electra:generator_width=0.{n}" for n in range(9))]
    plot = '<svg width="900" height="300"><rect width="900" height="300" fill="white"/></svg>'
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    shown = context.new_page()
    shown.set_content(html.page("A race", html.table(names, [names]) + plot))
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (shown.evaluate("getComputedStyle(document.querySelector('svg')).filter") != "none") == (scheme == "dark")
    context.close()
