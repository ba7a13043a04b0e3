"""The core protocol of ``evaluate`` for one model, against the same with the peers' attacks."""

from collections.abc import Callable
from functools import partial
from math import sqrt

from benchmarks import peers
from benchmarks.boundary import startable
from benchmarks.nets import attacked, image_set, ours
from benchmarks.paired import fastest, in_turn, ratios
from benchmarks.settings import Found, Settings, absent, measured, wrong
from benchmarks.usual_evaluation import CHECKS, Case, Turn, rate_of, usual_evaluation
from defective.data import pick
from defective.evaluation import evaluate
from defective.evaluation.measurement import Measurement, Tensors, compute
from defective.inference import as_images
from defective.machine import Precision
from defective.statistics import Rate

TARGET, SOURCE = "resnet18/0.1-bottom", "resnet18"
# Line to contestant.
LINES = {"plain": "ours", "bf16": "ours, bf16", "sparsify": "ours, sparsify"}
# Rates may differ by a hundredth or three images, where rounding decides, and by so many standard deviations more where other random
# numbers are drawn; distances of the walk by such a factor, image by image in the median.
SAME_RATE, SAME_IMAGES, DEVIATIONS, SAME_DISTANCE = 0.01, 3, 3.0, 1.25
RANDOM = ("noise", "shuffle", "checks noise")
# Parts of the measurements of an evaluation; those of an attack are of the part that it is in.
PARTS = {"predict": "accuracy", "probe": "checks", "check": "checks"}


def measure(settings: Settings) -> Found:
    """Row ``protocol``."""
    case = _case(settings)
    best = {attack: _fastest(settings, attack, case) for attack in ("fgsm", "pgd")}
    about = {"net": f"{TARGET}, attacked from {SOURCE}", "images": len(case.x), "fastest": best, "missing": peers.missing()}
    if "Foolbox" not in peers.versions():
        return {"lines": dict.fromkeys(LINES, absent("Foolbox is not installed")), **about}
    acts: dict[str, Callable[[], Turn]] = {
        "theirs": lambda: usual_evaluation(case, best),
        "ours": lambda: own_evaluation(case),
        "ours, bf16": lambda: own_evaluation(case, "bf16"),
        "ours, sparsify": lambda: own_evaluation(_sparse(case)),
    }
    # Only on a CPU do attacks work on a copy in bfloat16.
    if settings.emulates_bf16 or settings.device.type != "cpu":
        del acts["ours, bf16"]
    turns: dict[str, list[Turn]] = {who: [] for who in acts}
    contestants = {who: partial(_append, turns[who], act) for who, act in acts.items()}
    try:
        seconds = settings.in_turn(contestants, warm=False)
    except ValueError as error:
        return {"lines": dict.fromkeys(LINES, absent(f"Foolbox found no start: {error}")), **about}
    parts = {who: {part: [turn.seconds[part] for turn in each] for part in each[0].seconds} for who, each in turns.items()}
    note = f"{len(case.x)} images, {case.checks} in the sanity checks; {case.decision} walk for {case.steps} steps"
    lines = {}
    for line, who in LINES.items():
        if who not in turns:
            lines[line] = absent("not measured: this device has no bfloat16 of its own, or is no CPU")
            continue
        passed, check = agreement(turns[who][0], turns["theirs"][0])
        by_part = {part: ratios(parts["theirs"][part], taken) for part, taken in parts[who].items()}
        found = measured(check, ratios(seconds["theirs"], seconds[who]), seconds=seconds, note=note, parts=by_part)
        lines[line] = found if passed else wrong(check)
    return {"lines": lines, "part_seconds": parts, **about}


def _append(turns: list[Turn], act: Callable[[], Turn]) -> None:
    turns.append(act())


def own_evaluation(case: Case, precision: Precision = "fp32") -> Turn:
    """The protocol by :func:`defective.evaluation.evaluate`."""
    turn, tensors, parts = Turn(), dict[str, Tensors](), dict(PARTS)

    def run(measurement: Measurement) -> Tensors:
        kind = str(measurement.chunks[0].inputs["measurement"])
        if kind == "generate":
            parts["generate"] = parts["score"] = "white-box" if measurement.description.endswith(" on target") else "transfer"
        with turn.timed(parts.get(kind, kind)):
            tensors[kind] = compute(measurement)
        return tensors[kind]

    found = evaluate(
        {"target": case.target},
        (case.x.cpu(), case.y.cpu()),
        sources={"source": case.source},
        samples=len(case.x),
        decision=f"boundary:steps={case.steps}",
        decision_samples=case.decision,
        check_samples=case.checks,
        precision=precision,
        run=run,
    )
    turn.distances = (tensors["decision"]["squared"] * case.x[0].numel()).sqrt()
    rates: dict[str, Rate] = {"accuracy": found.accuracy["target"]}
    for cell in found.cells:
        part, denominator = ("white-box", "target-correct") if cell.threat_model == "white-box" else ("transfer", "paper")
        rates[f"{part} {cell.attack}"] = cell.defense[denominator]
    for name, curves in (("noise", found.noise), ("shuffle", found.shuffle)):
        rates |= {f"{name} {strength}": rate for strength, rate in (curves.accuracy["target"] if curves else {}).items()}
    turn.rates = {name: (rate.num_correct, rate.num_evaluated) for name, rate in rates.items()}
    length, falls = (tensors["probe"][name] for name in ("norm", "falls"))
    checks = {"gradient": length.isfinite() & (length > 0), "surface": falls}
    checks |= dict(zip((*CHECKS, "noise"), tensors["check"]["correct"], strict=True))
    turn.rates |= {f"checks {name}": rate_of(each) for name, each in checks.items()}
    return turn


def agreement(own: Turn, their: Turn) -> tuple[bool, str]:
    """Whether both found the same, as far as rounding and random numbers allow, and the two rates that come nearest to failing."""

    def excess(name: str) -> float:
        """Difference of two rates, in units of what is allowed."""
        (correct, counted), (other, others) = own.rates[name], their.rates[name]
        few, both = min(counted, others), (correct + other) / max(1, counted + others)
        if not few:
            return (counted + others) / SAME_IMAGES
        random = DEVIATIONS * sqrt(2 * both * (1 - both) / few) if name.startswith(RANDOM) else 0.0
        return abs(correct / counted - other / others) / (max(SAME_RATE, SAME_IMAGES / few) + random)

    worst = max(own.rates, key=excess)
    quotient = float((own.distances / their.distances).median())
    (correct, counted), (other, others) = own.rates[worst], their.rates[worst]
    text = (
        f"{len(own.rates)} rates agree best to worst: {worst} {correct} of {counted} and {other} of {others}; "
        f"the walk ends {quotient:.3f} times as far, image by image in the median"
    )
    same = own.rates.keys() == their.rates.keys() and excess(worst) <= 1.01
    return same and 1 / SAME_DISTANCE <= quotient <= SAME_DISTANCE, text


def _case(settings: Settings) -> Case:
    """Nets and images: on a CPU a tenth of the protocol for 1,000 images, every part alike."""
    full = settings.device.type != "cpu"
    target, source = (attacked(settings, 1, name).net for name in (TARGET, SOURCE))
    test = image_set(settings, "test")
    x, y = test.take(pick(len(test), settings.amount(1000 if full else 100, 48)))
    x, y = as_images(x).to(settings.device), y.to(settings.device)
    # Foolbox refuses all images if one of them finds no start.
    kept = startable(target, x, y)
    steps, checks = settings.amount(5000 if full else 500, 5), settings.amount(200 if full else 20, 4)
    return Case(target, source, x[kept], y[kept], settings.amount(100, 4), steps, checks)


def _fastest(settings: Settings, attack: str, case: Case) -> str:
    """The peer that is fastest in one short turn."""
    numbers = {"eps": 16 / 255, "step_size": 1 / 255, "steps": 5}
    found = {name: peers.gradient(name, attack, case.target, case.x[:64], case.y[:64], **numbers) for name in peers.versions()}
    acts = {name: act for name, act in found.items() if act is not None}
    return fastest(in_turn(acts, 1, device=settings.device), list(acts)) if acts else ""


def _sparse(case: Case) -> Case:
    target, source = (ours(net, case.x, "fp32") for net in (case.target, case.source))
    return case._replace(target=target, source=source)
