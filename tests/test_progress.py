from contextvars import Context

import pytest

from defective.progress import progress_bar, shown


@pytest.fixture
def visible(request):
    token = shown.set(request.param)
    yield
    shown.reset(token)


def count_to_three() -> None:
    with progress_bar("counting", 3, unit="sheep") as advance:
        advance()
        advance(2, note="all there")
        advance(0)


@pytest.mark.parametrize("visible", [False], indirect=True)
def test_a_library_prints_nothing(visible, capfd):
    count_to_three()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("visible", [True], indirect=True)
def test_the_command_line_shows_it_on_standard_error_alone(visible, capsys):
    count_to_three()
    out, err = capsys.readouterr()
    assert out == ""
    assert "counting" in err
    assert "all there" in err


def test_it_is_silent_unless_asked_for():
    assert Context().run(shown.get) is False


@pytest.mark.parametrize("visible", [False, True], indirect=True)
def test_an_error_in_the_work_passes_through(visible, capsys):
    with pytest.raises(ZeroDivisionError), progress_bar("dividing", 1):
        1 / 0  # noqa: B018
