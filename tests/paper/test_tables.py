"""Tables 1-10: what is printed, what measures it."""

from collections import Counter
from itertools import product

import pytest

from defective import defects
from defective.build import build
from defective.errors import InputError
from defective.paper import EXHIBITS, exhibits
from defective.specs import DecisionJob, GenerateJob, ScoreJob, ShuffleJob, TrainJob
from exhibits import jobs, nets, setup_of

TABLES = [f"table{number}" for number in range(1, 11)]
TINY, PAPER = setup_of("tiny"), setup_of("paper")

# Rows, and the sum of each column, taken from the paper's text by another program than the eye that typed the tables.
PRINTED = {
    "table1": (2, (195.85, 141.27, 29.12)),
    "table2": (7, (327.90, 392.25, 645.78)),
    "table3": (15, (711.34, 454.12, 816.93, 713.54, 812.19, 1403.31)),
    "table4": (19, (577.47, 1042.98, 854.35, 837.48, 1748.82)),
    "table5": (15, (465.48, 508.65, 444.48, 459.70, 500.16, 1403.31)),
    "table6": (15, (123.02, 614.17, 157.16, 183.05, 388.73, 1490.68)),
    "table7": (3, (4.91e-05,)),
    "table8": (3, (252.16, 204.12, 157.79, 110.97, 28.76, 3.00, 280.55)),
    "table9": (4, (180.36, 154.76)),
    "table10": (2, (20.51, 17.12)),
    "table11": (31, (1943.61, 1141.35, 458.30, 1936.92, 1763.26, 1648.02, 1602.10, 2850.73)),
    "table12": (31, (1833.55, 1106.83, 467.77, 1663.84, 1496.87, 1400.92, 1648.71, 2850.73)),
    "table13": (31, (1769.82, 1044.58, 456.34, 1308.66, 1280.03, 978.00, 684.05, 2850.73)),
    "table14": (31, (1774.22, 1149.71, 520.60, 1682.39, 1576.14, 1385.83, 768.90, 2850.73)),
    "table15": (31, (1873.04, 1162.49, 500.47, 1859.38, 1694.74, 1515.93, 2850.73)),
}


def cells(name, setup=PAPER):
    return EXHIBITS[name].cells(setup)


def test_the_registry_is_in_the_papers_order():
    papers = [f"{kind}{number}" for kind in ("table", "figure") for number in range(1, 16)]
    assert list(EXHIBITS) == [*papers, "settings", "table3-text", "table4-text", "practical"]
    assert all(exhibit.name == name for name, exhibit in EXHIBITS.items())
    assert [exhibit.name for exhibit in exhibits(["figure2", "table9", "table1"])] == ["table1", "table9", "figure2"]
    assert [exhibit.name for exhibit in exhibits(["all"])] == [*papers, "settings"]


@pytest.mark.parametrize("name", ["table3", "table4"])
def test_a_table_by_the_text_has_the_same_models_with_other_placement(name):
    ours, theirs = (EXHIBITS[each].cells(PAPER) for each in (f"{name}-text", name))
    assert ours.keys() == theirs.keys() and EXHIBITS[f"{name}-text"].rows == EXHIBITS[name].rows
    for place, cell in ours.items():
        job, other = cell.job, theirs[place].job
        target, plain = (job.target, other.target) if isinstance(job, ScoreJob) else (job, other)
        assert str(target.net) == str(plain.net) + ("@text" if plain.net.defects else "")
        assert (target.recipe, target.seed) == (plain.recipe, plain.seed)
        if isinstance(job, ScoreJob):
            assert job.adversarial == other.adversarial


def test_an_unknown_exhibit_is_said():
    with pytest.raises(InputError, match="no table or figure 'table16'"):
        exhibits(["table1", "table16"])


@pytest.mark.parametrize("name", PRINTED)
def test_the_printed_numbers_are_the_papers(name):
    rows, sums = PRINTED[name]
    exhibit = EXHIBITS[name]
    assert len(exhibit.rows) == rows
    assert all(len(row.published) == len(sums) == len(exhibit.columns) for row in exhibit.rows)
    columns = zip(*(row.published for row in exhibit.rows), strict=True)
    assert [sum(number for number in column if number is not None) for column in columns] == pytest.approx(sums, abs=1e-9)


def test_numbers_printed_twice_agree():
    printed = {(name, row.name): row.published for name in TABLES for row in EXHIBITS[name].rows}
    for row in EXHIBITS["table3"].rows:
        assert printed["table5", row.name][-1] == row.published[-1]
    for net in ("resnet18", "densenet121"):
        assert printed["table10", net] == printed["table3", net][0:3:2]
    for variant in ("", "/0.5-bottom", "/0.3-bottom"):
        net = f"resnet18{variant}"
        assert printed["table4", net][-1] == printed["table8", net][-1] == printed["table3", net][-1]
        assert EXHIBITS["table4"].published(net, "PGD16") == EXHIBITS["table3"].published(net, "DenseNet-121")
    assert printed["table4", "resnet18/0.5-bottom"] == printed["table4", "resnet18/0.5-bottom again"]


@pytest.mark.parametrize("scale", ["tiny", "small", "fast", "paper"])
@pytest.mark.parametrize("name", TABLES)
def test_every_number_is_measured(name, scale):
    exhibit = EXHIBITS[name]
    found = exhibit.cells(setup_of(scale, 1))
    assert found.keys() >= set(product((row.name for row in exhibit.rows), exhibit.columns))


@pytest.mark.parametrize("name", TABLES)
def test_cells_name_values_that_their_jobs_have(name):
    has = {
        TrainJob: {"test_accuracy", "half_way"},
        GenerateJob: {"fooled"},
        ScoreJob: {"all"} if name == "table2" else {"target-correct", "paper", "same-class"},
        DecisionJob: {"score"},
        ShuffleJob: {f"{number}/{grid}" for number in (0, 1) for grid in (2, 4, 8)},
    }
    for (_, column), cell in cells(name).items():
        assert cell.value in has[type(cell.job)]
        assert isinstance(cell.job, TrainJob) == (column in ("Test Accuracy", "half-way"))
        if isinstance(cell.job, ScoreJob):
            assert (cell.value == "target-correct") == (name == "table8" or "of all correct" in column)


PGD16 = "pgd:eps=16/255,step_size=1/255,steps=20"
PGD7 = "pgd:eps=8/255,step_size=2/255,steps=7"
MNIST = "pgd:eps=0.3,step_size=0.01,steps=40"
# Of Tables 4 and 11-15.
VARIANTS = {
    **{f"FGSM{eps}": f"fgsm:eps={eps}/255" for eps in (8, 16, 32)},
    "PGD16": PGD16,
    "PGD2,16": "pgd:eps=16/255,step_size=2/255,steps=10",
    "PGD32": "pgd:eps=32/255,step_size=1/255,steps=40",
    **{f"CW{k}": f"cw:confidence={k},steps=1000,search_steps=30,lr=0.01,initial_const=0.001" for k in (40, 20)},
}
EVERY_PGD = ("FGSM8", "FGSM16", "FGSM32", "PGD16", "PGD2,16", "PGD32")
LABELS = ("ResNet-18", "ResNet-50", "DenseNet-121", "SENet-18", "VGG-19")
ATTACKS = {
    "table2": {"FGSM": "fgsm:eps=8/255", "PGD": PGD7},
    "table3": dict.fromkeys(LABELS, PGD16),
    "table4": {column: VARIANTS[column] for column in ("FGSM16", "PGD16", "PGD32", "CW40")},
    "table5": {f"-{label}": PGD7 for label in LABELS},
    "table6": dict.fromkeys(LABELS, MNIST),
    "table8": {
        "FGSM1": "fgsm:eps=1/255",
        "FGSM2": "fgsm:eps=2/255",
        "FGSM4": "fgsm:eps=4/255",
        "PGD2": "pgd:eps=2/255,step_size=1/255,steps=4",
        "PGD4": "pgd:eps=4/255,step_size=1/255,steps=6",
        "PGD8": "pgd:eps=8/255,step_size=1/255,steps=10",
        # Beside the table, for observations of ours.
        "PGD8, 40 steps": "pgd:eps=8/255,step_size=1/255,steps=40",
        "noise of 8": "noise:sigma=8/255",
    },
    "table9": {"0.5-Bottom": PGD16, "0.3-Bottom": PGD16},
    "table10": {"ResNet-18": PGD16, "DenseNet-121": PGD16},
    "table12": {column: VARIANTS[column] for column in (*EVERY_PGD, "CW20")},
    **{f"table{number}": {column: VARIANTS[column] for column in (*EVERY_PGD, "CW40")} for number in (11, 13, 14)},
    "table15": {column: VARIANTS[column] for column in EVERY_PGD},
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attacks_are_the_papers(name):
    samples = {"table2": 10_000}.get(name, 5000)
    attacked = [column for column in EXHIBITS[name].columns if column not in ("Test Accuracy", "Acc")]
    assert attacked == list(ATTACKS[name])[: len(attacked)]
    for (_, column), cell in cells(name).items():
        column = column.partition(" (")[0]
        if isinstance(cell.job, ScoreJob):
            generated = cell.job.adversarial
            assert str(generated.attack) == ATTACKS[name][column]
            assert generated.images == ("all" if name == "table2" else "correct")
            assert generated.samples == (1000 if column.startswith("CW") else samples)


def test_decisions_and_shuffled_images_are_the_papers():
    for cell in cells("table7").values():
        assert (str(cell.job.attack), cell.job.samples) == ("boundary:steps=5000,directions=25", 500)
    (job,) = {cell.job for cell in cells("table1").values()}
    assert (job.grids, job.samples, job.confidence) == ((2, 4, 8), 4000, 0.99)
    assert [(str(net.net), net.data) for net in job.targets] == [("resnet18", "imagenet"), ("resnet18/0.1-bottom", "imagenet")]


# Nets, generated sets and scores of each table alone; a row printed twice is measured once.
NEEDS = {
    "table1": {"train": 2, "shuffle": 1},
    "table2": {"train": 8, "generate": 2, "score": 14},
    "table3": {"train": 20, "generate": 5, "score": 75},
    "table4": {"train": 19, "generate": 4, "score": 72},
    "table5": {"train": 20, "generate": 5, "score": 75},
    "table6": {"train": 20, "generate": 5, "score": 75},
    "table7": {"train": 3, "decision": 3},
    "table8": {"train": 3, "generate": 24, "score": 22},
    "table9": {"train": 7, "generate": 2, "score": 10},
    "table10": {"train": 4, "generate": 2, "score": 4},
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_needs_no_more_than_its_jobs(name):
    found = jobs(TINY, name).values()
    assert Counter(job.kind for job in found) == NEEDS[name]
    assert len(set(found)) == len(found)


def test_repetitions_share_no_net_but_those_with_other_masks():
    first, second = setup_of("tiny", 0), setup_of("tiny", 1)
    for name in TABLES:
        shared = {net.key for net in nets(first, name)} & {net.key for net in nets(second, name)}
        assert len(shared) == (2 if name == "table9" else 0), name


@pytest.mark.parametrize("name", ["table3", "table5", "table6", "table8"])
def test_sources_are_plain_nets_of_another_seed(name):
    """But for white-box attacks."""
    for job in (cell.job for cell in cells(name).values() if isinstance(cell.job, ScoreJob)):
        if name == "table8":
            assert job.adversarial.sources == (job.target,)
        else:
            assert job.target.seed == 0
            assert all(source.seed == 1 and not source.net.defects for source in job.adversarial.sources)


def test_four_nets_are_fused_and_the_one_named_is_left_out():
    sources = {column: cell.job.adversarial.sources for (row, column), cell in cells("table5").items() if column != "Test Accuracy"}
    by_label = dict(zip(LABELS, ("resnet18", "resnet50", "densenet121", "senet18", "vgg19"), strict=True))
    for column, fused in sources.items():
        assert {str(source.net) for source in fused} == set(by_label.values()) - {by_label[column[1:]]}


def test_the_baselines_are_trained_as_their_papers_say():
    trained = {row: cell.job for (row, column), cell in cells("table2").items() if column == "Test Accuracy"}
    attacks = {row: str(job.recipe.adversarial) for row, job in trained.items() if job.recipe.adversarial}
    lspga = "lspga:eps=8/255,logit_step=1,steps=7,anneal=1.2"
    assert attacks == {
        "wrn32_4 adversarial": f"{PGD7},random_start=1",
        "wrn32_4/therm16 adversarial": lspga,
        "wrn32_4/therm32 adversarial": lspga,
    }
    smoothing = {row: cell.job.target.recipe.label_smoothing for (row, _), cell in cells("table7").items()}
    assert smoothing == {"resnet18": 0, "resnet18 smoothed": 0.1, "resnet18/0.1-bottom": 0}


@pytest.mark.parametrize("scale", ["tiny", "paper"])
def test_what_advice_compares_is_trained_for_as_many_epochs(scale):
    targets = {row: cell.job for (row, column), cell in cells("practical", setup_of(scale)).items() if column == "Test Accuracy"}
    assert len({job.recipe.epochs for job in targets.values()}) == 1
    assert [row for row, job in targets.items() if job.recipe.adversarial] == [
        row for row in targets if row.endswith("adversarial")
    ]


def test_dropout_lies_in_block_3_of_the_wide_model_as_the_text_has_it():
    for name in ("wrn32_4/0.9-spatial", "wrn32_4/0.9-dropblock"):
        assert str(cells("table2")[name, "Test Accuracy"].job.net) == f"{name}@text"


@pytest.mark.parametrize("replicate", [0, 3])
def test_gray_box_sources_share_masks_with_one_target_and_weights_with_none(replicate):
    for (row, _), cell in cells("table9", setup_of("tiny", replicate)).items():
        target, (source,) = cell.job.target, cell.job.adversarial.sources
        assert isinstance(cell.job.adversarial, GenerateJob)
        assert source.seed != target.seed
        assert (source.mask_seed == target.mask_seed) == (not row.endswith("dif"))


def test_masks_of_one_seed_are_nested_as_table_9_says():
    few, many, others = (
        {defect.site: net.get_submodule(defect.site).defect_mask for defect in defects(net)}
        for net in (
            build("resnet18/0.3-bottom", mask_seed=0, width_mult=0.25),
            build("resnet18/0.5-bottom", mask_seed=0, width_mult=0.25),
            build("resnet18/0.5-bottom", mask_seed=2, width_mult=0.25),
        )
    )
    assert len(few) == 10
    for site, live in few.items():
        assert bool((live <= many[site]).all()) and not bool((live <= others[site]).all())
    assert any(note.startswith("Masks of one seed are nested") for note in EXHIBITS["table9"].notes)
