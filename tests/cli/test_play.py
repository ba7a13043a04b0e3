"""``defective play`` before it serves: what it refuses, and what it says once the page can be opened."""

import json
import socket
import sys

import pytest

from printed import one_line

MODELS = "play plain.safetensors bottom.safetensors --data folder:data --device cpu"


def test_without_its_package_it_says_how_to_install_it(place, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "nicegui", None)
    assert "pip install '.[play]' in a clone" in one_line(run(MODELS))


@pytest.fixture
def page():
    pytest.importorskip("nicegui")
    from defective.play import page

    return page


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("play plain.safetensors --data folder:data", "the page compares two models: name at least two"),
        ("play plain.safetensors larger.safetensors --data folder:data", "larger.safetensors takes images of shape (3, 32, 32)"),
        ("play plain.safetensors own_nets:flat --data folder:data", "own_nets:flat: the model returned"),
    ],
)
def test_one_line_names_what_is_wrong(place, run, page, command, named):
    assert named in one_line(run(command))


def test_a_port_in_use_is_refused(place, run, page):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port {port} cannot be used" in one_line(run(f"{MODELS} --port {port}"))


@pytest.mark.parametrize("form", ["", " --json"])
def test_it_says_where_the_page_is_and_an_interrupt_ends_it(place, run, page, monkeypatch, form):
    served = {}

    def serve(models, data, *, port, ready):
        served.update(models=list(models), data=data.name, port=port)
        ready()
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "serve", serve)
    code, out, _ = run(f"{MODELS} --port 0{form}")
    url = f"http://127.0.0.1:{served['port']}"
    assert (code, served["models"]) == (0, ["plain.safetensors", "bottom.safetensors"]) and served["port"] > 0
    if form:
        assert json.loads(out) == {"url": url, "models": served["models"], "data": "data"}
    else:
        assert out == f"{url} shows plain.safetensors, bottom.safetensors on data; Ctrl-C ends it\n"
