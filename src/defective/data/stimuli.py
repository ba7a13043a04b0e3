"""Stimuli that separate shape from texture: cue-conflict images, filled silhouettes and edge drawings."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from defective.data.archive import check_source, stem, unpack
from defective.data.folder import files_below, is_image
from defective.data.human_categories import ALIASES, category_weights
from defective.data.image_file import decode, named_warnings
from defective.errors import InputError
from defective.text import shortened

# The release of 2018 names the cue-conflict images after the way they were generated.
_FOLDERS = {
    "cue-conflict": "conflict",
    "style-transfer-preprocessed-512": "conflict",
    "filled-silhouettes": "silhouettes",
    "edges": "edges",
    # As model-vs-human calls them.
    "silhouette": "silhouettes",
    "edge": "edges",
}
# Cues that the name of an image gives.
_CUES = {"conflict": 2, "silhouettes": 1, "edges": 1}
_CUE = re.compile(r"([a-z_ ]*[a-z])\d+", re.IGNORECASE)
# Number of the trial and more that model-vs-human puts before a name.
_PREFIX = re.compile(r"^\d+_(.*_)?")


@dataclass(frozen=True)
class Stimuli:
    """Stimuli of the classes of a data set, resized to the image size of a model.

    Attributes:
        conflict: Images whose two cues disagree, uint8 ``(N, C, H, W)``, the classes of their shapes and those of their textures,
            int64 ``(N,)``.
        silhouettes: Filled silhouettes and their classes.
        edges: Edge drawings and their classes.
        other_class: Number of images skipped because the data set lacks the class of a cue.
        same_cues: Number of cue-conflict images skipped because both cues have the same class.
        categories: Where models choose among the categories of Geirhos et al. 2021, their weights ``(K,)`` by name
            (:func:`defective.data.human_categories.category_weights`). Labels are then indices into them, and cue-conflict images
            with one class for both cues are kept, for rates to skip.
        files: File names of the images of each kind.
    """

    conflict: tuple[Tensor, Tensor, Tensor]
    silhouettes: tuple[Tensor, Tensor]
    edges: tuple[Tensor, Tensor]
    other_class: int
    same_cues: int
    categories: Mapping[str, Tensor] | None = None
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def load_stimuli(
    path: str | Path, classes: Sequence[str], *, image_shape: tuple[int, int, int], human_categories: bool = False
) -> Stimuli:
    """Read the stimuli of Geirhos et al. and label them by the classes of a data set.

    Images of any size lie at any depth in folders called ``cue-conflict`` (or ``style-transfer-preprocessed-512``, as released)
    with names like ``cat7-truck3.png`` (shape, then texture), and ``filled-silhouettes`` and ``edges`` with names like ``cat7.png``.
    The folders of model-vs-human, ``cue-conflict``, ``silhouette`` and ``edge``, are read too, and so are its names with the number of
    a trial in front, like ``0001_s5n_s01_0_bird_00_bird3-bird2.png``. A kind of which there is no image is empty in the result.

    Args:
        path: Folder or archive (.zip, .tar, .tar.gz, .tar.xz).
        classes: Class names of the data set; labels are indices into them. Case does not matter, and boat is ship, car is automobile,
            airplane is aeroplane and plane.
        image_shape: ``(C, H, W)`` to scale to; ``C`` is 3, or 1 for grayscale.
        human_categories: Let models choose among the 16 categories of Geirhos et al. 2021, those of which the data set has a class;
            a category has the mean probability of its classes.

    Raises:
        InputError: If there are no stimuli, a file is corrupt or misnamed, or the data set has none of the classes shown.

    Source: Geirhos et al. 2018, which the paper builds on (Section 2); Geirhos et al. 2021.

    Example:
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "edges").mkdir()
        ...     Image.new("L", (64, 64)).save(Path(folder) / "edges" / "boat1.png")
        ...     stimuli = load_stimuli(folder, ("cat", "ship"), image_shape=(3, 32, 32))
        >>> stimuli.edges[0].shape, stimuli.edges[1], len(stimuli.conflict[0])
        (torch.Size([1, 3, 32, 32]), tensor([1]), 0)
    """
    if image_shape[0] not in (1, 3) or min(image_shape) < 1:
        raise InputError(f"image shape {tuple(image_shape)} is not (C, H, W) with 1 or 3 channels and at least 1 pixel")
    root = check_stimuli(path)
    categories = category_weights(classes) if human_categories else None
    if root.is_dir():
        return _read(root, root, classes, image_shape, categories)
    with tempfile.TemporaryDirectory() as temporary:
        unpacked = Path(temporary) / stem(root)
        unpack(root, unpacked)
        return _read(unpacked, root, classes, image_shape, categories)


def check_stimuli(path: str | Path) -> Path:
    """Refuse a path where there is neither a folder nor an archive, before anything is read."""
    return check_source(f"stimuli {path}", str(path))


def _read(
    root: Path, path: Path, classes: Sequence[str], image_shape: tuple[int, int, int], categories: Mapping[str, Tensor] | None
) -> Stimuli:
    labels = _labels(classes if categories is None else tuple(categories))
    kept: dict[str, list[tuple[Path, list[int]]]] = {kind: [] for kind in _CUES}
    shown: set[str] = set()
    other_class = same_cues = 0
    for file in files_below(root):
        kind = _kind(file, root)
        if kind is None:
            continue
        cues = _cues(file, kind)
        shown.update(cues)
        known = [labels[cue] for cue in cues if cue in labels]
        if len(known) < len(cues):
            other_class += 1
            continue
        same = len(set(known)) < len(known)
        same_cues += same
        if not same or categories is not None:
            kept[kind].append((file, known))
    if not shown:
        raise InputError(f"{path} holds no stimuli: it needs images in folders called {', '.join(_FOLDERS)}")
    if not any(kept.values()):
        raise InputError(
            f"{path} shows {shortened(sorted(shown), 20)}; the data set has {shortened(classes, 20)}: no image of it can be used"
        )
    kinds: dict[str, Any] = {}
    for kind, pairs in kept.items():
        y = torch.tensor([known for _, known in pairs], dtype=torch.int64).view(-1, _CUES[kind])
        kinds[kind] = (_images([file for file, _ in pairs], image_shape), *y.t().contiguous())
    files = {kind: tuple(file.name for file, _ in pairs) for kind, pairs in kept.items()}
    return Stimuli(**kinds, other_class=other_class, same_cues=same_cues, categories=categories, files=files)


def _labels(classes: Sequence[str]) -> dict[str, int]:
    """Index of the class for each of its names, in lower case; a name that is itself a class keeps its own index."""
    labels = {name.lower(): index for index, name in enumerate(classes)}
    for names in ALIASES:
        known = [labels[name] for name in names if name in labels]
        if known:
            labels = dict.fromkeys(names, known[0]) | labels
    return labels


def _kind(file: Path, root: Path) -> str | None:
    """The kind of stimulus by the innermost folder with such a name; None for other files."""
    folders = (root.resolve().name, *file.relative_to(root).parts[:-1])
    kind = next((_FOLDERS[folder.lower()] for folder in reversed(folders) if folder.lower() in _FOLDERS), None)
    return kind if kind and is_image(file) else None


def _cues(file: Path, kind: str) -> list[str]:
    matches = [_CUE.fullmatch(part) for part in _PREFIX.sub("", file.stem, count=1).split("-")]
    cues = [match[1].lower() for match in matches if match]
    if len(cues) != len(matches) or len(cues) != _CUES[kind]:
        example = "cat7-truck3.png (shape, then texture)" if kind == "conflict" else "cat7.png"
        raise InputError(f"{file} is misnamed: call it by class and number like {example}")
    return cues


def _images(files: list[Path], image_shape: tuple[int, int, int]) -> Tensor:
    """Uint8 ``(N, C, H, W)``."""
    from PIL import Image

    channels, height, width = image_shape
    images = np.empty((len(files), height, width, channels), np.uint8)
    with named_warnings():
        for index, file in enumerate(files):
            image = Image.fromarray(decode(file)).convert("L" if channels == 1 else "RGB")
            # Pillow's filters are antialiased: lines thinner than a pixel fade instead of breaking up.
            scaled = image.resize((width, height), Image.Resampling.BILINEAR)
            images[index] = np.asarray(scaled).reshape(height, width, channels)
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
