"""``defective reproduce``."""

import math
import re
import sys
from typing import Annotated, get_args

import torch
import typer

from defective.cli import options
from defective.cli.console import print_json, print_line, print_table, warn_corrupt
from defective.data import check_name
from defective.data.official import KINDS
from defective.errors import InputError
from defective.experiments.cost import each_job, outline
from defective.experiments.execute import ExperimentRunner
from defective.experiments.plan import MAX_SEEDS, Plan, check_scale, with_rows
from defective.experiments.processes import choose_processes, helped
from defective.experiments.ray import check_address, connect, run_on_ray
from defective.experiments.run import RunSummary, State, run
from defective.experiments.sources import data_name, data_sets, inspect_data
from defective.experiments.step_times import STEPS, MeasuredCosts
from defective.experiments.store import Store
from defective.files import check_folder
from defective.machine import choose_device, describe_machine, process_uptime, resolve_precision
from defective.paper import EXHIBITS, SCALES, exhibits
from defective.progress import until
from defective.report.claims import contrast_in_words, p_in_words, verdict_in_words
from defective.report.exhibit_table import compact_table
from defective.report.wording import is_official, warnings
from defective.results.documents import ClaimResult, ExhibitResult
from defective.results.from_store import measured
from defective.specs import trained_models
from defective.tables import count, duration, format_table

# Reserved of a time budget for writing results: a share of it, and at least so many seconds and so many more for each job.
RESERVE, LEAST, LEAST_A_JOB = 0.03, 2.0, 0.005


def reproduce(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            autocompletion=options.names("all", *EXHIBITS),
            help="table1 to table15, figure1 to figure15, settings (attacks of Appendix A.8 that no table prints), or all. Not in "
            "all: table3-text, table4-text (masks placed by the text), practical (defences against transfer attacks).",
        ),
    ],
    store: options.Store = options.STORE,
    data: Annotated[
        list[str] | None,
        typer.Option(
            autocompletion=options.DATA_NAMES,
            help="Data set, or KIND=DATA to use a substitute (imagenet=tiny-imagenet); repeatable. A folder without KIND replaces all sets "
            "not named. Default: the paper's.",
        ),
    ] = None,
    scale: Annotated[
        str, options.completed("tiny or small (two cores), fast (one GPU, short schedule), paper (Appendix D).", *SCALES)
    ] = "tiny",
    seeds: Annotated[int, typer.Option(min=1, max=MAX_SEEDS, help="Train every model this many times, with different seeds.")] = 1,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Run only the rows whose name or printed label matches a shell pattern, such as 'resnet18/0.[13]-bottom', and "
            "their controls of equal accuracy; repeatable.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the jobs, what is stored, and the estimated cost.")] = False,
    time_budget: Annotated[
        str | None, typer.Option(help="Stop after this time, such as 90s, 9m or 2h; the same command resumes.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="Number of processes that share jobs and CPU threads. Default: the fastest, by a few measured steps.",
        ),
    ] = None,
    ray: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Run the jobs on a Ray cluster (auto: the one here).")] = None,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Rerun tables and figures of the paper and show published beside measured numbers.

    Jobs that tables and figures share are done once; finished jobs are not repeated; a killed command resumes. Several
    commands may work on one store at a time. Exit code 1: a job failed, or a measured claim of the paper fails. After a run
    that a time budget stopped, the number of pending jobs is printed, and is jobs.pending of --json.

    Example: defective reproduce table4 --data cifar10 --scale tiny --store runs/store
    """
    wanted = with_rows(exhibits(names), rows or [])
    budget = math.inf if time_budget is None else _seconds(time_budget)
    choose_device(device)
    if ray is not None:
        check_address(ray)
        if processes is not None:
            raise InputError(f"--processes {processes} is for this machine alone: leave it out with --ray {ray}")
    sets = data_sets(data or [], wanted, planned=dry_run)
    check_scale(scale)
    kept = Store(store, make=False)
    if not dry_run:
        check_folder(store)
    for where in sets.values():
        # Of a plan that is not run, ImageNet may be nowhere.
        if not (dry_run and where in KINDS):
            check_name(where)
    cluster = connect(ray) if ray is not None and not dry_run else None
    named = {kind: data_name(where) for kind, where in sets.items()}
    runner = ExperimentRunner(kept, {named[kind]: where for kind, where in sets.items()}, device)
    inspected = {kind: inspect_data(where) for kind, where in sets.items()} if dry_run else {}
    plan = Plan(
        tuple(exhibit.name for exhibit in wanted),
        scale,
        named,
        {kind: inspected[kind][0] if dry_run else runner.split(name, "test").image_shape for kind, name in named.items()},
        seeds,
        {kind: where.partition(":")[0] for kind, where in sets.items()},
        {kind: size for kind, (_, size) in inspected.items()},
        tuple(rows or ()),
    )
    warn_corrupt(kept.corrupt(plan.jobs), "ignored; moved to corrupt/ when the job is done again")
    if dry_run:
        _dry(plan, kept, runner.torch_device, json)
        return
    kept.make()
    with until(_left(budget, plan)):
        for name in runner.data:
            runner.check_data(name)
        kept.note_plan(plan)
        if cluster is not None:
            summary = run_on_ray(plan.jobs, runner, cluster, _log)
        else:
            number = choose_processes(plan.jobs, runner, _log) if processes is None else processes
            with helped(plan.jobs, runner, number) as summary:
                run(plan.jobs, runner, _log, summary=summary, again=number == 1)
    _conclude(plan, kept, summary, json)


def _log(line: str) -> None:
    sys.stderr.write(line + "\n")


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not found or float(found[1]) == 0:
        raise InputError(f"time budget {text!r} is not a duration: write 90s, 9m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _left(budget: float, plan: Plan) -> float | None:
    """Seconds of a budget that jobs may take from now on."""
    reserve = max(RESERVE * budget, LEAST + LEAST_A_JOB * len(plan.jobs))
    return None if math.isinf(budget) else max(0.0, budget - reserve - process_uptime())


def _conclude(plan: Plan, store: Store, summary: RunSummary, json: bool) -> None:
    """Show what a run ended with; exit code 1 if a job failed, or a claim of the paper fails in what was measured."""
    found, tested = measured(plan, store)
    failed = [store.failure(job) or {} for job, state in summary.states.items() if state == "failed"]
    counts = {state: summary.count(state) for state in get_args(State)} | {"executed": summary.executed}
    if json:
        results = {"exhibits": [result.as_json() for result in found], "claims": [claim.as_json() for claim in tested]}
        print_json({"jobs": counts, "failed": failed, **results})
    else:
        _print(found, tested)
        for failure in failed:
            print_line(f"failed: {failure.get('job')}: {failure.get('error')}")
        print_line(
            f"{count(counts['finished'], 'job')} finished, {counts['executed']} of them now; {counts['failed']} failed, "
            f"{counts['blocked']} blocked, {counts['pending']} pending{': the same command resumes' * bool(counts['pending'])}. "
            f"Page: defective report --store {store.folder}"
        )
    # A claim without a p value is of models as they are built, whatever was run.
    if failed or any(claim.verdict == "fails" and not claim.ours and claim.p is not None for claim in tested):
        raise typer.Exit(1)


def _dry(plan: Plan, store: Store, device: torch.device, json: bool) -> None:
    missing = [job for job in plan.jobs if store.result(job) is None]
    costs = MeasuredCosts((net for job in missing for net in trained_models(job)), plan.images, device)
    jobs = each_job(plan, store, costs, device.type)
    rows = outline(plan, jobs)
    machine = describe_machine(device, resolve_precision(device))
    if json:
        print_json({"plan": plan.as_dict(), "machine": machine, "measured": costs.as_rows(), "exhibits": rows, "jobs": jobs})
        return
    # Scores take no time, and are many: they are counted below.
    listed = [job for job in jobs if not job["job"].startswith("score-")]
    times = [(job["about"], "stored" if job["stored"] else duration(job["seconds"])) for job in listed]
    print_table("Jobs but for scores", ("job", "estimated"), times)
    counted = ("train", "generate", "score", "stored")
    total = {"exhibit": "all"} | {key: sum(row[key] for row in rows) for key in (*counted, "seconds", "bytes")}
    table = [
        (row["exhibit"], *(str(row[key]) for key in counted), duration(row["seconds"]), f"{row['bytes'] / 1e6:,.1f} MB")
        for row in [*rows, total]
    ]
    substitutes = [
        f"{name} ({plan.sizes[kind][0]:,} training images) is a substitute for {kind}"
        for kind, name in plan.data.items()
        if not is_official(kind, plan)
    ]
    note = (
        f"Jobs shared with an earlier table or figure are counted there; store {store.folder}. No job was run. Estimated from "
        f"{STEPS} steps of training, attack and classification with each of {len(costs.found)} models of different architecture, "
        f"width or image shape, measured now on {machine['device']} ({machine['precision']}), and from the times of stored jobs. "
        f"{'; '.join(substitutes)}"
    )
    columns = ("table or figure", *counted, "estimated time", "disk")
    title = f"Plan at scale {plan.scale}, {count(plan.seeds, 'seed')}"
    print_table(f"{title}, rows {', '.join(plan.rows)}" if plan.rows else title, columns, table, note)


def _print(found: list[ExhibitResult], tested: list[ClaimResult]) -> None:
    for result in found:
        if result.cells:
            sys.stdout.write(format_table(compact_table(result), "terminal"))
        else:
            print_line(f"{result.exhibit}: {result.title}, drawn by defective report")
        for warning in warnings(result.at_chance):
            print_line(f"  warning: {warning}")
    for ours, title in ((False, "Claims of the paper"), (True, "Observations of ours")):
        listed = [claim for claim in tested if claim.ours == ours]
        if listed:
            print_line(f"{title}:")
        for claim in listed:
            numbers = [contrast_in_words(each) for each in claim.contrasts] + [p_in_words(claim)]
            said = f"{verdict_in_words(claim)}. {claim.text} ({'; '.join(filter(None, [claim.section, *numbers]))})"
            print_line(f"  {said} {claim.note}".rstrip())
