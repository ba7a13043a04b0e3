import pytest

from defective.experiments.schema import JobResult, PlanRecord
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob, ShuffleJob
from runs import blank, made_values, net

TARGET = net()
CRAFT = GenerateJob(sources=(TARGET,), attack=AttackSpec.parse("fgsm"), samples=5)
DECISION = DecisionJob(target=TARGET, attack=AttackSpec.parse("boundary"), samples=5)
NOISE = NoiseJob(targets=(TARGET, net(seed=1)), sigmas=(1, 2), samples=5)
SHUFFLE = ShuffleJob(targets=(TARGET,), grids=(2, 4), confidence=0.9, samples=5)
JOBS = [TARGET, CRAFT, ScoreJob(target=TARGET, adversarial=CRAFT), DECISION, NOISE, SHUFFLE]
RATE, SCORE = {"num_correct": 1, "num_evaluated": 2}, {"score": 1e-5, "low": 1e-6, "high": None, "images": 5}


def changed(job, **changes):
    return blank(job) | {"values": made_values(job)} | changes


@pytest.mark.parametrize("job", JOBS, ids=[job.kind for job in JOBS])
def test_what_jobs_leave_passes(job):
    for result in (blank(job), changed(job), changed(job, seconds=3, more="of any kind")):
        JobResult.model_validate(result)
    assert blank(job)["values"].keys() == made_values(job).keys()


@pytest.mark.parametrize("values", [3, None, [], {}, {"paper": 3}, {"paper": RATE, "all": {}}])
def test_values_of_another_form(values):
    with pytest.raises(ValueError, match="values"):
        JobResult.model_validate(changed(TARGET, values=values))


@pytest.mark.parametrize(
    "rate",
    [
        {"num_correct": 1},
        {"num_correct": 3, "num_evaluated": 2},
        {"num_correct": -1, "num_evaluated": 2},
        {"num_correct": "1", "num_evaluated": 2},
        {"num_correct": 0.5, "num_evaluated": 2},
    ],
)
def test_what_is_no_rate(rate):
    with pytest.raises(ValueError, match=r"num_correct|num_evaluated"):
        JobResult.model_validate(changed(TARGET, values={"test_accuracy": rate}))


@pytest.mark.parametrize("score", [SCORE | {"score": "low"}, SCORE | {"low": None}, SCORE | {"high": -1.0}, {"score": 1e-5}])
def test_what_is_no_score(score):
    with pytest.raises(ValueError, match=r"score|low|high|num_correct"):
        JobResult.model_validate(changed(DECISION, values={"score": score}))
    JobResult.model_validate(changed(DECISION, values={"score": SCORE | {"score": None}}))


@pytest.mark.parametrize("key", ["values", "seconds", "machine", "kind_of_device", "finished"])
def test_what_is_shown_of_every_job_must_be_there(key):
    for result in ({name: each for name, each in blank(TARGET).items() if name != key}, blank(TARGET) | {key: [1]}):
        with pytest.raises(ValueError, match=key):
            JobResult.model_validate(result)


UNSAFE = ["../../x", "/tmp/x", "a/b", "..", ".", "", "a\\b", "a\0", "a\n", "\x1b[31m", "x" * 201]


@pytest.mark.parametrize("name", UNSAFE)
def test_a_name_from_a_store_is_one_part_of_a_path(name):
    with pytest.raises(ValueError, match="kind_of_device"):
        JobResult.model_validate(blank(TARGET) | {"kind_of_device": name})
    with pytest.raises(ValueError, match=r"data\.cifar10"):
        PlanRecord.model_validate(
            {"exhibits": [], "scale": "tiny", "data": {"cifar10": name}, "shapes": {"cifar10": (3, 32, 32)}, "seeds": 1}
        )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seconds", float("inf")),
        ("seconds", float("nan")),
        ("machine", {"device": {"nested": 1}}),
        ("machine", {"device": float("inf")}),
        ("values", {"test_accuracy": {"num_correct": 10**400, "num_evaluated": 10**400}}),
    ],
)
def test_numbers_that_no_job_leaves(key, value):
    with pytest.raises(ValueError, match=key):
        JobResult.model_validate(blank(TARGET) | {key: value})
