import pytest

from defective.experiments.schema import blank, check_result
from defective.experiments.store import name_of
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob, ShuffleJob
from runs import made_values, net

TARGET = net()
CRAFT = GenerateJob(sources=(TARGET,), attack=AttackSpec.parse("fgsm"), samples=5)
DECISION = DecisionJob(target=TARGET, attack=AttackSpec.parse("boundary"), samples=5)
NOISE = NoiseJob(targets=(TARGET, net(seed=1)), sigmas=(1, 2), samples=5)
SHUFFLE = ShuffleJob(targets=(TARGET,), grids=(2, 4), confidence=0.9, samples=5)
JOBS = [TARGET, CRAFT, ScoreJob(target=TARGET, adversarial=CRAFT), DECISION, NOISE, SHUFFLE]
RATE, SCORE = {"hits": 1, "total": 2}, {"score": 1e-5, "low": 1e-6, "high": None, "images": 5}


def changed(job, **changes):
    return blank(job) | {"values": made_values(job)} | changes


@pytest.mark.parametrize("job", JOBS, ids=[job.kind for job in JOBS])
def test_what_jobs_leave_passes_whether_the_job_or_its_name_is_known(job):
    for result in (blank(job), changed(job), changed(job, seconds=3, more="of any kind")):
        for known in (job, name_of(job)):
            check_result(result, known)
    assert blank(job)["values"].keys() == made_values(job).keys()


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        (3, "values"),
        (None, "values"),
        ([], "values"),
        ({}, "values: no "),
        ({"colour": RATE}, "values: no "),
        (dict.fromkeys(("test_accuracy", "fooled", "paper", "target-correct", "all", "score"), 3), "values"),
    ],
)
@pytest.mark.parametrize("job", JOBS, ids=[job.kind for job in JOBS])
def test_values_of_another_form(job, values, wrong):
    with pytest.raises(ValueError, match=wrong):
        check_result(changed(job, values=values), job)


@pytest.mark.parametrize("values", [{}, {"0/1": 3}, {"0/1": {}}, {"0/1": SCORE}])
@pytest.mark.parametrize("job", [NOISE, SHUFFLE], ids=["noise", "shuffle"])
def test_a_curve_of_which_only_the_name_is_known_holds_rates(job, values):
    with pytest.raises(ValueError, match=r"values|hits"):
        check_result(changed(job, values=values), name_of(job))
    check_result(changed(job, values={"0/7": RATE}), name_of(job))
    with pytest.raises(ValueError, match="values: no 0/"):
        check_result(changed(job, values={"0/7": RATE}), job)


@pytest.mark.parametrize(
    "rate",
    [SCORE, {"hits": 1}, {"hits": 3, "total": 2}, {"hits": -1, "total": 2}, {"hits": "1", "total": 2}, {"hits": 0.5, "total": 2}],
)
def test_what_is_no_rate(rate):
    with pytest.raises(ValueError, match=r"hits|total"):
        check_result(changed(TARGET, values={"test_accuracy": rate}), TARGET)


@pytest.mark.parametrize("score", [RATE, SCORE | {"score": "low"}, SCORE | {"low": None}, SCORE | {"high": -1.0}, {"score": 1e-5}])
def test_what_is_no_score(score):
    with pytest.raises(ValueError, match=r"score|low|high"):
        check_result(changed(DECISION, values={"score": score}), DECISION)
    check_result(changed(DECISION, values={"score": SCORE | {"score": None}}), DECISION)


@pytest.mark.parametrize("key", ["values", "seconds", "machine", "kind_of_device", "finished"])
def test_what_is_shown_of_every_job_must_be_there(key):
    for result in ({name: each for name, each in blank(TARGET).items() if name != key}, blank(TARGET) | {key: [1]}):
        with pytest.raises(ValueError, match=key):
            check_result(result, TARGET)
