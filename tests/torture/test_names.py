"""Any name of a model and any text of an attack is read, and means the same when written and read again, or is refused in one line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defective import AttackSpec, InputError, NetSpec
from effort import LONG, effort

_NAMES = (
    "resnet18 resnet50 vgg19 wrn32_4 / + - @ text bottom top blocks12 blocks dc sm x2 x en dropout spatial dropblock therm16 therm"
)
_TEXTS = "fgsm pgd mifgsm cw boundary lspga : , = eps step_size steps decay directions schedule paper quick random_start true false / 255"
_NUMBERS = "0 1 0.1 0.50 .5 1. -1 1e-3 1e999 nan inf 16 255 ٣ 1_0 9" + " " + "9" * 400


def made_of(words):
    """Text of such words, of numbers, and now and then of anything."""
    word = st.sampled_from([*words.split(), *_NUMBERS.split()])
    return st.lists(st.one_of(word, word, word, st.text(max_size=3)), max_size=9).map("".join)


valid_name = st.builds(
    "{}/{}-{}{}".format,
    st.sampled_from(["resnet18", "vgg19", "densenet121"]),
    st.floats(0, 1).map(lambda keep: f"{keep:.3f}"),
    st.sampled_from(["bottom", "top", "blocks12", "dropout", "spatial"]),
    st.sampled_from(["", "-sm", "-x2", "-en", "+0.5-top", "-x2-en", "@text"]),
)
valid_attack = st.builds(
    "{}:eps={}/255,steps={}".format, st.sampled_from(["pgd", "mifgsm"]), st.integers(0, 300), st.integers(-2, 99)
)


@pytest.mark.parametrize(
    ("parse", "texts"),
    [(NetSpec.parse, made_of(_NAMES) | valid_name), (AttackSpec.parse, made_of(_TEXTS) | valid_attack)],
    ids=["models", "attacks"],
)
def test_any_text_is_a_name_or_refused_in_one_line(parse, texts, record_property):
    read = []

    @settings(max_examples=effort(150, 30_000), derandomize=not LONG, database=None)
    @given(texts)
    def reads(text):
        try:
            spec = parse(text)
        except InputError as error:
            read.append(False)
            assert "\n" not in str(error)
            return
        read.append(True)
        assert parse(str(spec)) == spec and str(parse(str(spec))) == str(spec)

    reads()
    assert 0.05 < sum(read) / len(read) < 0.95
    record_property(f"{parse.__self__.__name__} texts, read or refused", len(read))
