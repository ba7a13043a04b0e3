"""The tables of README and docs say what was measured."""

import json
import re
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from defective.evaluation import EvaluationResult
from defective.results.documents import ExhibitResult
from defective.statistics import Rate
from defective.tables import DASH, format_table, interval, number
from defective.tables import percent as rate_percent
from docs.practical_table import lowest_share, lowest_shares

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results" / "cifar10-jpeg" / "tiny"
PGD, FGSM = "pgd:eps=16/255,step_size=1/255,steps=20", "fgsm:eps=16/255"
NETS = ("plain", "bottom-0.5", "bottom-0.3", "bottom-0.1")


def percent(counts):
    return rate_percent(Rate.read(counts))


def rows_of(page):
    """First cell of each row of a page's tables to the other cells."""
    lines = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows}


def prose(page):
    """A page on one line."""
    return " ".join((ROOT / page).read_text().split())


def evaluation_of(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


README, PROTOCOL = prose("README.md"), evaluation_of("protocol")
TABLE12 = ExhibitResult.from_json((RESULTS.parent / "small" / "cpu" / "table12.json").read_text())


def defense(document, net, source, attack, denominator="paper"):
    (cell,) = (cell for cell in document["cells"] if (cell["target"], cell["source"], cell["attack"]) == (net, source, attack))
    return cell["defense"][denominator]


@pytest.mark.parametrize("net", [*NETS, "madry"])
def test_the_table_of_the_results_is_the_measured_one(net):
    cells = [
        percent(PROTOCOL["accuracy"][net]),
        percent(defense(PROTOCOL, net, "source", PGD)),
        percent(defense(PROTOCOL, net, "source", PGD, "all")),
        percent(defense(PROTOCOL, net, "bottom-0.1-2", PGD, "all")),
    ]
    assert rows_of("docs/results.md")[f"`{net}`" + " (adversarial training)" * (net == "madry")] == cells
    white_box = defense(PROTOCOL, net, net, PGD, "target-correct")
    assert net == "madry" or white_box["num_correct"] == 0


@pytest.mark.parametrize("net", ["resnet18", "resnet18/0.3-bottom", "resnet18/0.1-bottom"])
def test_the_table_of_the_readme_is_the_measured_one(net):
    accuracy, attacked = TABLE12.cell(net, "Acc").measured, TABLE12.cell(net, "PGD16")
    cells = [f"{each.mean:.1f} ({interval(each.low, each.high)})" for each in (accuracy, attacked.measured, attacked.all)]
    control = DASH if attacked.control is None else number(attacked.control.rate)
    assert rows_of("README.md")[f"`{net}`"] == [*cells, control]


def test_what_the_readme_says_of_equally_accurate_models_is_measured():
    apart, clear = [], []
    for net in ("resnet18/0.3-bottom", "resnet18/0.1-bottom"):
        found = TABLE12.cell(net, "PGD16").control.difference
        apart.append(f"{found.mean:.0f} ({found.low:.0f} to {found.high:.0f})")
        verdicts = [cell.control.verdict for cell in TABLE12.cells if cell.row == net and cell.control]
        assert len(verdicts) == 6
        clear += verdicts
    assert f"they defend {' and '.join(apart)} points better" in README
    assert f"[six attacks](docs/paper.md#measured-at-small) {clear.count('yes')} of {len(clear)} intervals exclude zero" in README


def test_what_the_readme_says_of_shape_is_measured():
    bias = {net: report["bias"] for net, report in PROTOCOL["stimuli"].items()}
    for net in ("plain", "bottom-0.1"):
        low, high, counted = 100 * bias[net]["low"], 100 * bias[net]["high"], bias[net]["num_evaluated"]
        assert f"{100 * bias[net]['rate']:.1f} % ({interval(low, high)}) of {counted}" in README


def test_the_rank_correlation_of_accuracy_and_defence_rate_is_measured():
    ranks = {"published": [], "measured": []}
    for table in range(11, 16):
        document = ExhibitResult.from_json((RESULTS / "cpu" / f"table{table}.json").read_text())
        rows = [row.name for row in document.rows if document.cell(row.name, "Acc").measured]
        columns = [[document.cell(name, column) for name in rows] for column in ("Acc", "PGD16")]
        ranks["published"].append(spearmanr(*([cell.published for cell in column] for column in columns))[0])
        ranks["measured"].append(spearmanr(*([cell.measured.mean for cell in column] for column in columns))[0])
    published, measured = (f"{max(ranks[kind]):.2f} to {min(ranks[kind]):.2f}" for kind in ("published", "measured"))
    text = prose("docs/paper.md")
    assert f"ranks {len(rows)} models almost inversely" in text and f"Spearman {measured}; published {published}" in text


def test_what_the_readme_says_of_each_attacker_is_measured():
    def shares(source, nets):
        rates = (defense(PROTOCOL, net, source or net, PGD, "all" if source else "target-correct") for net in nets)
        return [f"{100 * rate['rate']:.1f}" for rate in rates]

    bottom, plain, madry = shares("bottom-0.1-2", nets := ("bottom-0.1", "plain", "madry"))
    assert f"Defective source: 0.1-bottom {bottom} %, plain {plain} %, adversarially trained {madry} %." in README
    for said, source in (("Plain source", "source"), ("White-box", "")):
        first, second, third = shares(source, nets)
        assert f"{said}: {first}, {second} and {third} %." in README


def test_the_checkpoints_beside_the_controls_are_the_measured_ones():
    widths, gaps, epochs = [], [], set()
    for cell in (cell for cell in TABLE12.cells if cell.control):
        widths.append(cell.control.difference.high - cell.control.difference.low)
        for value, (low, high) in zip(cell.measured.values, cell.control.checkpoints, strict=True):
            assert value > low.rate and value > high.rate
            gaps.append(high.accuracy - low.accuracy)
            epochs |= {low.epochs, high.epochs}
    text = prose("docs/verdicts.md")
    assert f"are {min(widths):.1f} to {max(widths):.0f} points wide" in text and f"up to {max(gaps):.1f} points of accuracy" in text
    assert f"come from epochs {min(epochs)} to {max(epochs)} of 24" in text
    for name in ("0.3-Bottom", "0.1-Bottom"):
        cell = TABLE12.cell(f"resnet18/{name.lower()}", "PGD16")
        columns = [TABLE12.cell(cell.row, "Acc").measured.values, cell.measured.values]
        for side in zip(*cell.control.checkpoints, strict=True):
            columns += [[each.accuracy for each in side], [each.rate for each in side]]
        expected = [", ".join(f"{value:.1f}" for value in column) for column in columns]
        lines = (ROOT / "docs" / "paper.md").read_text().splitlines()
        assert f"| {name} | {' | '.join(expected)} |" in lines


def test_what_the_protocol_says_of_white_box_attacks_is_measured():
    cells = [cell for cell in PROTOCOL["cells"] if cell["target"] == cell["source"]]
    own = {(cell["target"], cell["attack"]): 100 * cell["defense"]["all"]["rate"] for cell in cells}
    weak = {attack for _, attack in own if re.match(r"\w+:eps=[124]/", attack)}
    more = [own[net, attack] - own["plain", attack] for net in NETS[1:] for attack in weak]
    assert f"keep {min(more):.0f} to {max(more):.0f} points more" in prose("docs/evaluate.md")
    [strong] = {attack for _, attack in own if attack.startswith("pgd:eps=8/")}
    assert max(own[net, strong] for net in NETS) < 1.5 < own["madry", strong]
    text = prose("docs/practical.md")
    assert f"classify 0 to 1 % of the images correctly, a plain network 0 %, `madry` {own['madry', strong]:.0f} %" in text


def test_the_advice_of_the_docs_is_what_was_measured():
    text = prose("docs/practical.md")
    lowest = {
        net: [f"{100 * rate:.0f} %" for rate in lowest_shares(PROTOCOL, net).values()] for net in ("plain", "bottom-0.1", "madry")
    }
    assert lowest == {"plain": ["0 %", "57 %"], "bottom-0.1": ["47 %", "20 %"], "madry": ["56 %", "66 %"]}
    strongest = {net: f"{100 * lowest_share(evaluation_of('modern'), net):.0f} %" for net in ("plain", "bottom-0.1", "madry")}
    assert strongest == {"plain": "0 %", "bottom-0.1": "40 %", "madry": "52 %"}
    plain_sources = (
        "classifies 47 % of them correctly (plain 0 %), and 40 % under the strongest of seven attacks; `madry` 56 and 52 %"
    )
    assert plain_sources in text and "`bottom-0.1` classifies 20 % correctly, the plain network 57 %, `madry` 66 %" in text


@pytest.mark.parametrize("net", NETS)
def test_what_each_seed_gave_is_what_was_measured(net):
    names = sorted(file.stem for file in RESULTS.glob("evaluation*.json"))
    documents = {net + name.removeprefix("evaluation"): evaluation_of(name) for name in names}
    cells = []
    for attack in ("", PGD, FGSM):
        rates = [
            defense(document, name, "source", attack) if attack else document["accuracy"][name]
            for name, document in documents.items()
        ]
        cells.append(", ".join(f"{100 * rate['rate']:.1f}" for rate in rates))
    assert rows_of("docs/results.md")[f"`{net}`, each seed"] == cells


@pytest.mark.parametrize(("name", "page"), [("protocol", "results"), ("modern", "results"), ("live", "bench")])
def test_the_tables_of_the_docs_are_the_measured_ones(name, page):
    found = EvaluationResult.from_json((RESULTS / f"{name}.json").read_text())
    assert format_table(found.as_table(), "markdown") in (ROOT / "docs" / f"{page}.md").read_text()


def test_training_through_live_neurons_is_as_far_from_the_dense_way_as_the_docs_say():
    document = evaluation_of("live")
    dense, live = ([f"{kind}-{seed}" for seed in (0, 2, 4)] for kind in ("all", "live"))

    def rates(names, attack):
        return [
            100 * (defense(document, name, "source", attack) if attack else document["accuracy"][name])["rate"] for name in names
        ]

    assert sum(rates(live, "")) / 3 > max(rates(dense, ""))
    for attack in (PGD, FGSM):
        assert min(rates(dense, attack)) <= sum(rates(live, attack)) / 3 <= max(rates(dense, attack))
    assert f"{min(rates(dense, PGD)) - min(rates(live, PGD)):.1f}" == "2.9"


def test_the_docs_say_how_right_a_source_is_under_fresh_masks():
    sources = json.loads((RESULTS / "masks.json").read_text())["sources"]
    own, averaged = (f"{100 * sources[name]['rate']:.1f} %" for name in ("bottom-0.1-2", "bottom-0.1-2 over 4 masks"))
    text = prose("docs/evaluate.md")
    assert f"reaches {own} accuracy" in text and f"fresh draws of its masks {averaged}" in text


def test_every_result_carries_what_a_number_needs_and_no_more():
    for file in RESULTS.glob("*.json"):
        document = json.loads(file.read_text())
        assert {"device", "precision", "torch", "python", "defective"} <= document["machine"].keys(), file
        assert document["data"] == "cifar10-jpeg"
        kind = {"seed", "recipe", "history"} if "history" in document else {"settings", "cells", "models"}
        assert kind | {"seconds"} <= document.keys(), file
        # Nor does it name a place on a machine.
        assert not re.search(r'"/|\\\\', file.read_text()), file
