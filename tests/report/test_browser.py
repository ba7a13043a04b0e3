"""The page in a real browser: nothing to complain of, room on a phone, every part of it usable by mouse and by keyboard."""

import pytest

# The first measured number of Table 4, and its row and column.
NUMBER = "#table4-table td.measured .number"
TIP = "#tip:popover-open"


@pytest.fixture
def page(made):
    return made.out / "index.html"


@pytest.fixture
def tab(browser, page):
    """The page, just loaded; a test that it has nothing to complain of comes with each."""
    browser.complaints.clear()
    browser.show(page)
    yield browser
    assert browser.complaints == []


def there(tab, selector: str) -> bool:
    return tab.value(f"document.querySelector({selector!r}) !== null")


def text(tab, selector: str) -> str:
    return tab.value(f"document.querySelector({selector!r}).textContent")


def test_errors_messages_and_requests_are_noticed(browser, tmp_path):
    (tmp_path / "bad.html").write_text(
        "<img src='http://localhost:9/image.png'><script>console.info('told'); throw new Error('thrown')</script>"
    )
    browser.complaints.clear()
    browser.show(tmp_path / "bad.html")
    assert all(any(word in each for each in browser.complaints) for word in ("told", "thrown", "http://localhost:9/image.png"))


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_it_fits_any_screen_its_contents_stay_in_sight_and_nothing_else_scrolls_by_itself(tab, page, width):
    tab.show(page, width=width)
    assert tab.value("document.documentElement.dataset.ready") == ""
    # Open, as what is folded has no width.
    tab.value("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert tab.value("document.documentElement.scrollWidth") <= tab.value("innerWidth") == width
    boxes = "[...document.querySelectorAll('main *')].filter(e => /auto|scroll/.test(getComputedStyle(e).overflowY))"
    assert tab.value(f"{boxes}.filter(e => e.scrollHeight > e.clientHeight + 1).length") == 0
    tab.value("scrollTo({top: 3000, behavior: 'instant'})")
    assert tab.value("document.querySelector('#contents').getBoundingClientRect().top") == 0


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_differ_and_can_be_read(tab, page, dark):
    tab.show(page, dark=dark)
    colours = tab.value(
        "[...document.querySelectorAll('body, .claim .badge, .fine, td.published, td small, a, .choices, summary')].map("
        "each => getComputedStyle(each).color.match(/[\\d.]+/g).slice(0, 3).map(Number))"
    )
    ground = tab.value("getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number)")
    assert (luminance(ground) < 0.5) == dark
    for colour in colours:
        light, low = sorted((luminance(colour), luminance(ground)), reverse=True)
        assert (light + 0.05) / (low + 0.05) >= 4.5, colour


def luminance(colour: list[float]) -> float:
    """As the Web Content Accessibility Guidelines define it."""
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_pointing_at_a_number_tells_where_it_comes_from(tab):
    tab.point(NUMBER)
    about = tab.value(f"({{...document.querySelector('{NUMBER}').closest('td').dataset}})")
    assert there(tab, TIP)
    told = text(tab, TIP)
    assert f"{about['counts'].replace('/', ' of ')} images" in told
    assert "ResNet-18, FGSM16" in told and about["jobs"] in told and "A made <machine>" in told and "2026-01-31" in told
    tab.press("Escape")
    assert not there(tab, TIP)


def test_a_story_goes_with_the_mouse_unless_a_click_keeps_it(tab):
    def leave():
        tab.page.mouse.move(1, 1)
        tab.value("new Promise(done => setTimeout(done, 400))")

    tab.point(NUMBER)
    leave()
    assert not there(tab, TIP)
    tab.point(NUMBER, click=True)
    leave()
    assert there(tab, TIP)
    tab.point(NUMBER, click=True)
    assert not there(tab, TIP)


def test_arrow_keys_go_from_number_to_number(tab):
    tab.value("document.querySelector('#table4 .scroll').focus()")
    assert tab.value(f"[...document.querySelectorAll('{NUMBER}')].filter(each => each.tabIndex === 0).length") == 1
    tab.value(f"document.querySelector('{NUMBER}').focus()")
    tab.press("ArrowRight")
    assert tab.value("document.activeElement.closest('td').dataset.column") == "PGD16"
    assert "ResNet-18, PGD16" in text(tab, TIP)
    tab.press("ArrowDown")
    assert tab.value("document.activeElement.closest('td').dataset.row") == "resnet18/0.7-bottom"
    assert "0.7-Bottom, PGD16" in text(tab, TIP)
    assert tab.value("document.activeElement.tabIndex") == 0
    assert tab.value(f"[...document.querySelectorAll('{NUMBER}')].filter(each => each.tabIndex === 0).length") == 1


def test_a_table_shows_what_is_chosen(tab):
    every = ["published", "measured", "difference"]
    for view, kinds in {"pair": every[:2], "all": every, **{kind: [kind] for kind in every[1:]}}.items():
        tab.value(f"document.querySelector('input[name=view-table4][value={view}]').click()")
        visible = "[...document.querySelectorAll('#table4-table tbody tr:first-child td')].filter(e => e.offsetWidth)"
        assert tab.value(f"{visible}.map(cell => cell.dataset.kind)") == kinds * 5
        spans = tab.value("[...document.querySelectorAll('#table4-table [scope=colgroup]')].map(e => e.colSpan)")
        assert set(spans) == {len(kinds)}


def test_a_phone_begins_with_the_shorter_view_and_keeps_the_first_column_in_sight(tab, page):
    tab.show(page, width=390)
    assert tab.value("document.querySelector('#table4-table').dataset.view") == "pair"
    assert tab.value("document.querySelector('#table4 .views :checked').value") == "pair"
    assert tab.value("document.querySelector('#table4-table [scope=colgroup]').colSpan") == 2
    # A figure of one panel fits.
    assert tab.value("(e => e.scrollWidth <= e.clientWidth)(document.querySelector('#figure5 .picture'))")
    tab.value("document.querySelector('#table4 .scroll').scrollLeft = 500")
    left = "document.querySelector('#table4-table tbody th').getBoundingClientRect().left"
    assert tab.value(f"{left} - document.querySelector('#table4 .scroll').getBoundingClientRect().left") <= 2


def test_claims_are_filtered_by_verdict(tab):
    verdicts = tab.value("[...document.querySelectorAll('.claim')].map(each => each.dataset.verdict)")
    for verdict in dict.fromkeys(verdicts):
        tab.point(f"[data-filter='{verdict}']", click=True)
        shown = "[...document.querySelectorAll('.claim')].filter(e => e.offsetWidth).map(e => e.dataset.verdict)"
        assert tab.value(shown) == [verdict] * verdicts.count(verdict)
        assert tab.value("document.querySelectorAll('[aria-pressed=true]').length") == 1
    tab.point("[data-filter='']", click=True)
    assert tab.value("[...document.querySelectorAll('.claim')].filter(e => e.offsetWidth).length") == len(verdicts)


def test_the_first_stop_leads_past_the_head(tab):
    tab.press("Tab")
    assert tab.value("document.activeElement.className") == "skip"
    assert tab.value("document.activeElement.getBoundingClientRect().left") >= 0
    assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_link_to_folded_claims_opens_them(tab):
    assert not tab.value("document.querySelector('#claims-tiny-table4').open")
    tab.point("#table4 a[href^='#claim-']", click=True)
    assert tab.value("new Promise(done => setTimeout(() => done(document.querySelector('#claims-tiny-table4').open), 200))")


def test_a_table_fits_once_it_shows_less(tab):
    tab.value("document.querySelector('input[name=view-table4][value=measured]').click()")
    assert tab.value("document.querySelector('#table4 .scroll').classList.contains('fits')")
    tab.value("document.querySelector('#table4-table tbody tr:last-child').scrollIntoView({block: 'end', behavior: 'instant'})")
    tab.value("scrollBy({top: 200, behavior: 'instant'})")
    assert tab.value("document.querySelector('#table4-table thead th').getBoundingClientRect().top") == 0
