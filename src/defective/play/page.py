"""The page, built with NiceGUI: choices on top, below them what an attack does to the image and to both models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from nicegui import app, background_tasks, run, ui
from torch import Tensor, nn

from defective.data import Data, ImageSet, pick
from defective.data.image_file import IMAGE_SUFFIXES
from defective.errors import InputError
from defective.evaluation.adversarial import AdversarialSet
from defective.evaluation.evaluated_model import EvaluatedModel
from defective.inference import quoted
from defective.machine import out_of_memory
from defective.play import panels
from defective.play.guard import Guard
from defective.report.page import render
from defective.report.pictures import picture

THUMBNAILS = 8
HOST = "127.0.0.1"
# An attack puts the model into eval mode and back: one at a time, however many tabs are open.
_ONE_AT_A_TIME = Lock()
_UNKNOWN = -1
_HEAD = """<h1>Two models under attack</h1>
<p class="lead">Choose an image and an attack. It is generated on the source; both models classify the result.</p>"""


def prepare(models: Mapping[str, nn.Module], data: Data) -> dict[str, EvaluatedModel]:
    """The models by name, each checked to take the images and to know the classes of the data set.

    Raises:
        InputError: If there are fewer than two, or one does not fit.
    """
    if len(models) < 2:
        raise InputError("the page compares two models: name at least two")
    x, y = data.take(torch.arange(2))
    few = ImageSet(data.name, "test", x, y, data.classes)
    return {name: EvaluatedModel.of(name, model, few) for name, model in models.items()}


def serve(models: Mapping[str, EvaluatedModel], data: Data, *, port: int, ready: Callable[[], None]) -> None:
    """Show the page on this machine until the process is interrupted; ``ready`` is called once it can be opened."""
    hosts = frozenset({f"{HOST}:{port}", f"localhost:{port}"})
    # A form has some bytes around the file.
    app.add_middleware(Guard, hosts=hosts, max_bytes=panels.MAX_BYTES + (1 << 16))
    app.on_startup(ready)
    ui.run(
        lambda: _Session(models, data).build(),
        host=HOST,
        port=port,
        title="defective play",
        favicon="data:,",
        dark=None,
        language="en-US",
        reload=False,
        show=False,
        show_welcome_message=False,
        # A browser that is busy for a while keeps what was chosen.
        reconnect_timeout=60,
        tailwind=False,
        ws_max_size=1 << 20,
        timeout_graceful_shutdown=1,
    )


class _Session:
    """What one tab has chosen, and the elements that show it."""

    def __init__(self, models: Mapping[str, EvaluatedModel], data: Data) -> None:
        self.models, self.data = models, data
        self.drawn = 0
        self.images: list[_Image] = []
        self.made: tuple[Any, AdversarialSet] | None = None
        self.asked = 0
        self.running = False

    def build(self) -> None:
        """Lay the page out, and show the first image under the default attack."""
        names = list(self.models)
        ui.colors(primary="#4477aa")
        ui.add_head_html(f"<style>{render('play.css.j2')}</style>")
        with ui.element("main"):
            ui.html(_HEAD, sanitize=False)
            ui.label(f"Test images of {self.data.name}").classes("notes")
            self.strip = ui.element("div").classes("strip")
            self._image_row()
            with ui.element("div").classes("choices"):
                chosen = {"Source": names[0], "First model": names[-2], "Second model": names[-1]}
                self.source, self.first, self.second = (self._select(label, names, name) for label, name in chosen.items())
                self.attack = self._select("Attack", list(panels.ATTACKS), panels.ATTACKS[0])
                with ui.element("div"):
                    self.radius_text = ui.label().classes("notes")
                    self.radius = ui.slider(min=0, max=panels.MAX_RADIUS, value=16).props("aria-label='radius in 1/255'")
                    self.radius_text.bind_text_from(self.radius, "value", lambda value: f"Radius {value}/255")
                    self.radius.on("change", self.update)
                known = self._layers()
                self.layer = self._select("Layer", known, _first_masked(known))
            self.error = ui.label().classes("error").props("role=alert")
            self.busy = ui.linear_progress(show_value=False).props("indeterminate aria-label=computing")
            self.results = ui.html("", sanitize=False)
        self.error.set_visibility(False)
        self.draw()

    def _image_row(self) -> None:
        refused = f"The file is refused: choose one image ({', '.join(IMAGE_SUFFIXES)}) of at most {panels.MAX_BYTES >> 20} MiB."
        upload = ui.upload(
            auto_upload=True, max_file_size=panels.MAX_BYTES, on_upload=self.uploaded, on_rejected=lambda: self.fail(refused)
        )
        upload.props(f"accept='{','.join(IMAGE_SUFFIXES)}'").style("display: none")
        # What the server refuses.
        upload.on("failed", lambda: self.fail(refused), args=[])
        upload.on("finish", upload.reset, args=[])
        with ui.element("div").classes("buttons"):
            ui.button("Other images", on_click=self.draw, color=None).props("outline no-caps")
            ui.button("Upload an image", on_click=lambda: upload.run_method("pickFiles"), color=None).props("outline no-caps")
            classes = {_UNKNOWN: "unknown", **dict(enumerate(self.data.classes))}
            self.label = self._select("Class of the upload", classes, _UNKNOWN)
            self.label.set_visibility(False)

    def _select(self, label: str, options: Any, value: Any) -> Any:
        return ui.select(options, label=label, value=value, on_change=self.update).props("outlined dense options-dense")

    def _layers(self) -> dict[str, str]:
        chosen = [self.models[each.value].model for each in (self.first, self.second)]
        return {name: f"{name}, masked" if masked else name for name, masked in panels.layers(chosen).items()}

    def draw(self) -> None:
        """Show other test images, and attack the first of them."""
        count = len(self.data)
        index = pick(count, count).roll(-THUMBNAILS * self.drawn)[:THUMBNAILS]
        self.drawn += 1
        x, y = self.data.take(index)
        captions = (f"test image {number}" for number in index.tolist())
        self._show(list(map(_Image, captions, x.cpu(), y.tolist())))

    async def uploaded(self, event: Any) -> None:
        """Attack an uploaded image."""
        content = await event.file.read()
        try:
            x: Any = await run.io_bound(panels.read_upload, event.file.name, content, self.data.image_shape)
        except InputError as error:
            self.fail(str(error))
        else:
            self._show([_Image(event.file.name, x, None), *(each for each in self.images if each.label is not None)][:THUMBNAILS])

    def _show(self, images: list["_Image"]) -> None:
        self.images = images
        self.strip.clear()
        with self.strip:
            self.buttons = [self._thumbnail(number) for number in range(len(images))]
        self._choose(0)

    def _thumbnail(self, number: int) -> Any:
        image = self.images[number]
        button = ui.element("button").props("type=button").on("click", lambda: self._choose(number))
        button.props["title"] = image.caption
        with button:
            ui.element("img").props["src"] = picture(image.x)
            ui.label(image.caption if image.label is None else self.data.classes[image.label])
        return button

    def _choose(self, number: int) -> None:
        self.image = self.images[number]
        for each, button in enumerate(self.buttons):
            button.props["aria-pressed"] = "true" if each == number else "false"
        self.label.set_visibility(self.image.label is None)
        self.update()

    def update(self) -> None:
        """Show what is chosen now, once what is being computed is done."""
        self.asked += 1
        if not self.running:
            self.running = True
            background_tasks.create(self._work())

    async def _work(self) -> None:
        self.busy.set_visibility(True)
        answered = -1
        while answered != self.asked:
            answered = self.asked
            known = self._layers()
            if known != self.layer.options:
                self.layer.set_options(known, value=self.layer.value if self.layer.value in known else _first_masked(known))
            try:
                self.results.set_content(str(await run.io_bound(self._computed)))
                self.error.set_visibility(False)
            except InputError as error:
                self.fail(str(error))
            except Exception as error:
                lacking = out_of_memory(error)
                self.fail("out of memory: choose another --device, or smaller models" if lacking else f"failed: {quoted(error)}")
        self.busy.set_visibility(False)
        self.running = False

    def fail(self, message: str) -> None:
        """Say on the page what is wrong; what it showed before stays."""
        self.error.set_text(message)
        self.error.set_visibility(True)

    def _computed(self) -> str:
        """The panels of what is chosen now, as HTML; the last attack is used again where only what is shown of it differs."""
        image, layer, attack = self.image, self.layer.value, panels.attack_spec(self.attack.value, int(self.radius.value))
        label = self.label.value if image.label is None and self.label.value != _UNKNOWN else image.label
        source, *targets = (self.models[each.value] for each in (self.source, self.first, self.second))
        with _ONE_AT_A_TIME:
            key = (image, label, source.name, str(attack), self.drawn)
            if self.made is None or self.made[0] != key:
                self.made = key, panels.attack_image(source, image.x, attack, label=label)
            made = self.made[1]
            shown = [panels.model_panel(target, source, made, layer) for target in targets]
        return render(
            "play.html.j2",
            attack=str(attack),
            source=source.name,
            known=None if label is None else self.data.classes[label],
            image=panels.image_example(made, self.data.classes),
            scale=panels.largest_change(made),
            models=shown,
            layer=layer,
            channels=panels.CHANNELS,
        )


@dataclass(frozen=True, eq=False)
class _Image:
    """An image, uint8 ``(C, H, W)``, and its class, None if it is not known."""

    caption: str
    x: Tensor
    label: int | None


def _first_masked(names: Mapping[str, str]) -> str | None:
    return next((name for name, shown in names.items() if shown != name), next(iter(names), None))
