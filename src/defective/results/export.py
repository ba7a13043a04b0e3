"""Measured exhibits as small JSON files in a folder, without images and models."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from defective.errors import InputError
from defective.experiments.json_files import write_json
from defective.experiments.schema import safe_name
from defective.experiments.store import Store
from defective.results.documents import ClaimsResult, ExhibitResult
from defective.results.from_store import best_documents, claims_by_scale


def export(stores: Sequence[Store], out: Path) -> tuple[list[Path], dict[Path, Path]]:
    """Write ``DATA/SCALE/DEVICE/EXHIBIT.json`` for each exhibit of which anything is measured.

    A file of an earlier export is removed where a new one in another folder, because its exhibit has since been measured on another device
    or data set too, holds all of its jobs. Files from other stores are left alone: their jobs took other times.

    The claims of each scale are written to ``claims/SCALE.json``; they rest on all documents of that scale below ``out``, those of these
    stores with per-image results. An exhibit that several stores hold is the last one's.

    Returns:
        The files written, and each that was removed with the one that holds its jobs now.
    """
    planned = ((store, *each) for store in stores for each in best_documents(store.plans()[0], store))
    found = {_file_for(document, out): (document, plan, store) for store, document, plan in planned if document.jobs}
    documents = {file: document for file, (document, *_) in found.items()}
    for file, document in documents.items():
        write_json(file, document.as_json())
    removed = {}
    for file, document in documents.items():
        for other in sorted(out.glob(f"*/{document.scale}/*/{file.name}")):
            if other not in documents and _holds_all_of(document, other):
                _remove(other)
                removed[other] = file
    claims = {
        out / "claims" / f"{safe_name(scale)}.json": ClaimsResult(scale=scale, claims=tuple(claims))
        for scale, claims in claims_by_scale(found.values(), _others(out, documents)).items()
    }
    for file, each in claims.items():
        write_json(file, each.as_json())
    return [*documents, *claims], removed


def _others(out: Path, documents: Mapping[Path, ExhibitResult]) -> list[ExhibitResult]:
    """Documents from other stores, of the scales that are exported."""
    scales = {document.scale for document in documents.values()}
    files = (file for scale in sorted(scales) for file in sorted(out.glob(f"*/{scale}/*/*.json")) if file not in documents)
    found = (_read(file) for file in files)
    return [other for other in found if other is not None and other.scale in scales]


def _read(file: Path) -> ExhibitResult | None:
    """The document in a file; None of one that holds something else."""
    with suppress(OSError, ValueError):
        return ExhibitResult.from_json(file.read_text(encoding="utf-8"))
    return None


def _file_for(document: ExhibitResult, out: Path) -> Path:
    devices = sorted({job.device_type for job in document.jobs.values()})
    # A store is read from anywhere: no name of it may lead out of the folder.
    names = ("-".join(document.data.values()), document.scale, "-".join(devices), document.exhibit)
    try:
        data, scale, device, exhibit = map(safe_name, names)
    except ValueError as error:
        raise InputError(f"{document.heading} is not exported: {error}; rename the data set") from None
    return out / data / scale / device / f"{exhibit}.json"


def _remove(file: Path) -> None:
    """Remove ``DATA/SCALE/DEVICE/EXHIBIT.json``, and those of its folders that are empty then."""
    file.unlink()
    with suppress(OSError):
        for folder in list(file.parents)[:3]:
            folder.rmdir()


def _holds_all_of(document: ExhibitResult, file: Path) -> bool:
    """Whether a file is an export of the same exhibit and scale whose jobs are all in a document, done at the same time."""
    other = _read(file)
    if other is None or (other.exhibit, other.scale) != (document.exhibit, document.scale):
        return False
    return _done(other) != set() and _done(other) <= _done(document)


def _done(document: ExhibitResult) -> set[tuple[str, float, str]]:
    """Which jobs, and what tells one that was done here from one that was done elsewhere."""
    return {(name, job.seconds, job.finished) for name, job in document.jobs.items()}
