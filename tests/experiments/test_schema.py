import pytest

from defective.experiments.plan import read_plan
from defective.experiments.schema import JobResult
from defective.specs import AttackSpec, DecisionJob, GenerateJob, NoiseJob, ScoreJob, ShuffleJob
from runs import blank, made_values, net, plan_of

TARGET = net()
CRAFT = GenerateJob(sources=(TARGET,), attack=AttackSpec.parse("fgsm"), samples=5)
JOBS = [
    TARGET,
    CRAFT,
    ScoreJob(target=TARGET, adversarial=CRAFT),
    DecisionJob(target=TARGET, attack=AttackSpec.parse("boundary"), samples=5),
    NoiseJob(targets=(TARGET, net(seed=1)), sigmas=(1, 2), samples=5),
    ShuffleJob(targets=(TARGET,), grids=(2, 4), confidence=0.9, samples=5),
]
RATE, SCORE = {"num_correct": 1, "num_evaluated": 2}, {"score": 1e-5, "low": 1e-6, "high": None, "images": 5}
SHOWN = ["values", "seconds", "machine", "kind_of_device", "finished"]
UNSAFE = ["../../x", "/tmp/x", "a/b", "..", ".", "", "a\\b", "a\0", "a\n", "\x1b[31m", "x" * 201]


@pytest.mark.parametrize("job", JOBS, ids=[job.kind for job in JOBS])
def test_what_jobs_leave_passes(job):
    made = blank(job) | {"values": made_values(job)}
    for result in (blank(job), made, made | {"seconds": 3, "more": "of any kind"}):
        JobResult.model_validate(result)
    assert blank(job)["values"].keys() == made_values(job).keys()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        *(({"values": values}, "values") for values in (3, None, [], {}, {"paper": 3}, {"paper": RATE, "all": {}})),
        *(({"values": {"paper": RATE | rate}}, "num_") for rate in ({"num_correct": each} for each in (3, -1, "1", 0.5, 10**400))),
        ({"values": {"paper": {"num_correct": 1}}}, "num_evaluated"),
        *(({"values": {"score": SCORE | each}}, "score") for each in ({"score": "low"}, {"low": None}, {"high": -1.0})),
        ({"values": {"score": {"score": 1e-5}}}, "low"),
        *(({key: [1]}, key) for key in SHOWN),
        *(({"kind_of_device": name}, "kind_of_device") for name in UNSAFE),
        *(({"seconds": float(number)}, "seconds") for number in ("inf", "nan")),
        *(({"machine": {"device": each}}, "machine") for each in ({"nested": 1}, float("inf"))),
    ],
)
def test_what_no_job_leaves(changes, named):
    with pytest.raises(ValueError, match=named):
        JobResult.model_validate(blank(TARGET) | changes)


@pytest.mark.parametrize("key", SHOWN)
def test_what_is_shown_of_every_job_must_be_there(key):
    with pytest.raises(ValueError, match=key):
        JobResult.model_validate({name: each for name, each in blank(TARGET).items() if name != key})


@pytest.mark.parametrize("name", UNSAFE)
def test_a_name_of_a_plan_is_one_part_of_a_path(name):
    with pytest.raises(ValueError, match=r"data\.cifar10"):
        read_plan("", plan_of("table10", data=name).as_dict())
