"""The page in a real browser, served by the command: it shows what the panels hold, says what is wrong, and stays on this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from defective import build, save
from defective.data import pick, shapes
from defective.play import panels
from defective.report.pictures import picture
from image_files import png

pytest.importorskip("nicegui")
# Served by the command to a real browser, which computes an attack for each page.
pytestmark = pytest.mark.slow
NAMES = {"source": "resnet18", "plain": "resnet18", "defective": "resnet18/0.5-bottom"}
OWN = """
from torch import nn

class Moody(nn.Sequential):
    def forward(self, x):
        if x.flatten(1).amax(1).min() == 0:
            raise RuntimeError("no black images today")
        return super().forward(x)

def moody():
    return Moody(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("play")
    for seed, (label, name) in enumerate(NAMES.items()):
        (place / "demo-output" / label).mkdir(parents=True)
        save(build(name, seed=seed, width_mult=0.0625), place / "demo-output" / label / "model.safetensors")
    (place / "own.py").write_text(OWN, "utf-8")
    return place


def serve(folder, *arguments):
    """The command, once its page answers, and the address."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "defective", "play", "--port", "0", "--json", "--device", "cpu", *arguments]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = []
    while not lines or lines[-1] != "}\n":
        lines.append(process.stdout.readline())
        assert lines[-1], process.stderr.read()
    url = json.loads("".join(lines))["url"]
    while True:
        try:
            urllib.request.urlopen(url)
            return process, url
        except urllib.error.URLError:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)


def end(process):
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    return process.returncode, err


@pytest.fixture(scope="module")
def url(folder):
    process, url = serve(folder)
    yield url
    assert end(process) == (0, "")


def settled(tab):
    tab.page.wait_for_selector("#layer")
    tab.page.wait_for_function("document.querySelector('[aria-label=computing]').offsetHeight === 0")
    tab.page.set_default_timeout(120_000)


@pytest.fixture
def tab(browser, url):
    browser.complaints.clear()
    browser.show(url)
    settled(browser)
    yield browser
    assert browser.complaints == []


def text(tab, selector):
    return " ".join(tab.page.locator(selector).first.inner_text().split())


def choose(tab, label, option):
    tab.page.get_by_label(label, exact=True).click()
    tab.page.get_by_role("option", name=option, exact=True).click()


@pytest.fixture(scope="module")
def expected(folder):
    """Panels of the first image under PGD, computed here."""
    from defective.cli.references import open_models
    from defective.play.page import prepare

    test = shapes("test")
    (models,) = open_models([[str(folder / "demo-output" / name) for name in NAMES]], "cpu")
    prepared = prepare(models, test)
    first = int(pick(len(test), len(test))[0])
    made = panels.attack_image(prepared["source"], test.x[first], panels.attack_spec("pgd", 16), label=int(test.y[first]))
    shown = {name: panels.model_panel(prepared[name], prepared["source"], made, "stem.norm") for name in ("plain", "defective")}
    return panels.image_example(made, test.classes), shown


def test_it_opens_with_the_demos_models_and_shows_what_the_panels_hold(tab, expected):
    image, models = expected
    sources = tab.value("[...document.querySelectorAll('#attack img')].map(each => each.src)")
    assert sources == [image.original, image.perturbation, image.adversarial]
    said = text(tab, "#attack")
    assert f"pgd:eps=16/255,step_size=1/255,steps=20 on source, away from the true class, {image.label}." in said
    (found,) = image.predictions
    assert f"source now predicts {found.predicted}, which is {'correct' if found.correct else 'incorrect'}." in said
    assert "perturbation, amplified 8 times" in said
    for name, model in models.items():
        rows = tab.value(f"[...document.querySelectorAll('#predictions [data-model={name}] tbody tr')].map(e => e.innerText)")
        mark = {True: " ✓ correct", False: " ✗ incorrect"}
        assert [" ".join(row.split()) for row in rows] == [
            f"{each.name}{mark[each.name == image.label] if place == 0 else ''} {100 * each.share:.1f} %"
            for found in (model.clean, model.adversarial)
            for place, each in enumerate(found)
        ]
        pictures = tab.value(f"[...document.querySelectorAll('#layer [data-model={name}] img')].map(each => each.src)")
        assert pictures == [*filter(None, (model.layer.clean, model.layer.adversarial, model.layer.difference, model.layer.mask))]
        assert f"changes this layer by {100 * model.layer.change:.0f} %" in text(tab, f"#layer [data-model={name}]")
    assert text(tab, "#predictions [data-model=plain] .notes") == "Threat model: gray-box (same architecture)."
    assert "no mask" in text(tab, "#layer [data-model=plain]") and models["defective"].layer.mask


@pytest.mark.parametrize(("width", "dark"), [(320, False), (390, True), (1280, True)])
def test_it_fits_any_screen_light_and_dark(tab, url, width, dark):
    tab.show(url, width=width, dark=dark)
    settled(tab)
    assert tab.value("document.documentElement.scrollWidth") <= tab.value("innerWidth") == width
    ground = tab.value("getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).map(Number)")
    ink = tab.value("getComputedStyle(document.querySelector('.q-btn')).color.match(/[\\d.]+/g).slice(0, 3).map(Number)")
    assert (max(ground) < 60 < 200 < min(ink)) if dark else (max(ink) < 60 < 200 < min(ground))


def test_what_is_chosen_is_attacked(tab):
    before = tab.value("document.querySelector('#attack img').src")
    tab.page.locator(".strip button").nth(2).click()
    tab.page.wait_for_function("before => document.querySelector('#attack img').src !== before", arg=before)
    settled(tab)
    assert tab.page.locator(".strip [aria-pressed=true]").count() == 1
    label = text(tab, ".strip [aria-pressed=true]")
    assert f"away from the true class, {label}." in text(tab, "#attack")
    choose(tab, "Attack", "fgsm")
    choose(tab, "Source", "defective")
    tab.page.locator(".q-slider [tabindex='0']").press("ArrowRight")
    tab.page.wait_for_function("document.querySelector('#attack').innerText.includes('fgsm:eps=17/255 on defective')")
    settled(tab)
    assert text(tab, "#predictions [data-model=defective] .notes") == "Threat model: white-box."
    choose(tab, "Layer", "stages.1.0.conv1")
    tab.page.wait_for_function("document.querySelector('#layer h2').innerText.includes('stages.1.0.conv1')")
    choose(tab, "Second model", "source")
    tab.page.wait_for_function("document.querySelectorAll('#layer [data-model=source]').length === 1")


def test_other_images_are_others(tab):
    names = tab.value("[...document.querySelectorAll('.strip button')].map(each => each.title)")
    tab.page.get_by_role("button", name="Other images").click()
    tab.page.wait_for_function("before => document.querySelector('.strip button').title !== before", arg=names[0])
    others = tab.value("[...document.querySelectorAll('.strip button')].map(each => each.title)")
    assert len(others) == len(names) == 8 and not set(others) & set(names)


def upload(tab, name, content):
    tab.page.set_input_files("input[type=file]", {"name": name, "mimeType": "image/png", "buffer": content})


def test_an_uploaded_image_is_attacked_and_judged_once_its_class_is_known(tab):
    assert not tab.page.get_by_label("Class of the upload").is_visible()
    orange = png(np.full((30, 40, 3), (255, 128, 0), np.uint8))
    upload(tab, "orange.png", orange)
    tab.page.wait_for_function("document.querySelector('#attack').innerText.includes('that this model predicts')")
    settled(tab)
    x = panels.read_upload("orange.png", orange, (3, 32, 32))
    assert tab.value("document.querySelector('#attack img').src") == picture(x)
    assert "Prediction " in text(tab, "#predictions .notes") and "correct" not in text(tab, "#predictions")
    choose(tab, "Class of the upload", "ring-squares")
    tab.page.wait_for_function("document.querySelector('#attack').innerText.includes('away from the true class, ring-squares')")
    settled(tab)
    assert "correct" in text(tab, "#predictions")
    # Another image of the same name.
    blue = png(np.full((30, 40, 3), (0, 0, 255), np.uint8))
    upload(tab, "orange.png", blue)
    shown = picture(panels.read_upload("orange.png", blue, (3, 32, 32)))
    tab.page.wait_for_function("shown => document.querySelector('#attack img').src === shown", arg=shown)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.png", b"no image", "notes.png is not a complete image"),
        ("large.png", b"0" * (panels.MAX_BYTES + 1), "The file is refused: choose one image"),
        ("page.html", b"<script>alert(1)</script>", "The file is refused: choose one image"),
        ("<b>.png", b"no image", "<b>.png is not a complete image"),
    ],
)
def test_what_is_no_image_is_refused_on_the_page(tab, tmp_path, name, content, said):
    shown = tab.value("document.querySelector('#attack').innerHTML")
    (tmp_path / name).write_bytes(content)
    tab.page.set_input_files("input[type=file]", tmp_path / name)
    tab.page.wait_for_selector("[role=alert].error:visible")
    assert said in text(tab, ".error") and "Traceback" not in tab.page.content()
    assert tab.value("document.querySelector('#attack').innerHTML") == shown
    # The next choice that works takes the message away.
    tab.page.locator(".strip button").nth(1).click()
    tab.page.wait_for_function("document.querySelector('.error').offsetHeight === 0")
    settled(tab)


def test_a_model_that_fails_is_quoted_and_the_page_goes_on(browser, folder):
    process, url = serve(folder, "demo-output/plain", "own:moody", "--data", "shapes")
    try:
        browser.complaints.clear()
        browser.show(url)
        settled(browser)
        assert "This model has no layer of this name." in text(browser, "#layer [data-model='own:moody']")
        upload(browser, "black.png", png(np.zeros((30, 40, 3), np.uint8)))
        browser.page.wait_for_selector("[role=alert].error:visible")
        assert "own:moody: the model failed on images" in text(browser, ".error")
        assert "RuntimeError: no black images today" in text(browser, ".error")
        browser.page.locator(".strip button").nth(1).click()
        browser.page.wait_for_function("document.querySelector('.error').offsetHeight === 0")
        assert browser.complaints == []
    finally:
        ended = end(process)
    assert ended == (0, "")


def test_the_page_is_for_this_machine_alone(url):
    port = int(url.rpartition(":")[2])
    # Every other address, of which 127.0.0.2 is one that each Linux has.
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port), timeout=5)
    for headers in ({"Host": "elsewhere.org"}, {"Origin": "http://elsewhere.org"}):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(urllib.request.Request(url, headers=headers))


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(url):
    request = urllib.request.Request(url, data=b"", headers={"Content-Length": str(10**9)}, method="POST")
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(request)


def test_it_leaves_nothing_behind(folder):
    assert {each.name for each in folder.iterdir()} <= {"demo-output", "own.py", "__pycache__"}
