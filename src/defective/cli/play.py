"""``defective play``."""

import socket
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from defective.cli import options
from defective.cli.console import print_json, print_line
from defective.cli.references import open_models, warn_of_other_classes
from defective.cli.weights import data_sizes
from defective.data import check_name, load_data
from defective.errors import InputError
from defective.text import as_text

# Where `defective demo` leaves its models, if it is not told otherwise.
DEMO = Path("demo-output")
DEMO_MODELS = ("source", "plain", "defective")


def play(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL...]",
            help=f"{options.MODELS_HELP} Default: the models of defective demo.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Data set whose classes the models know. Default: shapes, for the models of the demo."),
    ] = None,
    model: options.Builders = None,
    image_size: options.ImageSize = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0: any free one.")] = 8080,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Serve a page on which you attack a chosen or uploaded image and compare two models.

    The page shows both predictions, the perturbation, the adversarial image, the masks, and how feature maps change. It can be opened
    only on this machine and needs no network. Ctrl-C ends it.

    Example: defective play runs/source runs/plain runs/bottom-0.1 --data cifar10
    """
    if not models:
        models = [str(DEMO / name) for name in DEMO_MODELS]
        if not all(Path(name).is_dir() for name in models):
            raise InputError(
                f"no model is named, and {DEMO} lacks the models of the demo: run defective demo (minutes), or name models and --data"
            )
        data = data or "shapes"
    if data is None:
        raise InputError("name the data set whose classes these models know, such as --data cifar10")
    check_name(data, image_size=image_size)
    if find_spec("nicegui") is None:
        raise InputError("the page needs NiceGUI, which is not installed: pip install '.[play]' in a clone")
    from defective.play import page

    port = _free(page.HOST, port)
    (opened,) = open_models([models], device, models=model, sizes=partial(data_sizes, data, image_size))
    test = load_data(data, "test", image_size=image_size)
    warn_of_other_classes(opened, test)
    prepared = page.prepare(opened, test)
    url = f"http://{page.HOST}:{port}"

    def ready() -> None:
        if json:
            print_json({"url": url, "models": list(prepared), "data": as_text(test.name)})
        else:
            print_line(f"{url} shows {', '.join(prepared)} on {test.name}; Ctrl-C ends it")

    # The server closes its connections and passes the interrupt on: that is how this command ends.
    with suppress(KeyboardInterrupt):
        page.serve(prepared, test, port=port, ready=ready)


def _free(host: str, port: int) -> int:
    """The port, or any free one for 0."""
    with socket.socket() as listener:
        # As the server does: a port that was just left counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise InputError(f"port {port} cannot be used ({error.strerror}): choose another with --port, 0 for any") from None
        return int(listener.getsockname()[1])
