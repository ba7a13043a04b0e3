"""The table of tools: what is run on every model, and what ``docs/interop.md`` says of it; ``python -m interop.table`` writes the page."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from interop import graphs, processes, training, weights
from interop.models import Cell
from interop.weights import Model

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "interop.md"
_BLOCK = re.compile(r"(<!-- tools -->\n).*(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Tool:
    """One row.

    Attributes:
        name: What is done.
        call: How it is called; ``SITE`` is the name of a masked module.
        run: The call, see :mod:`interop.weights`.
        tolerance: Largest allowed difference of the logits, as a share of the largest; 0 is bitwise equality.
        packages: Where the tool comes from.
        refused: Model to the message that the tool stops with; ``""`` is every model.
        note: What else a user must know.
        slow: Left out by ``make check``.
    """

    name: str
    call: str
    run: Callable[[Cell], Model | tuple[Model, Model]]
    tolerance: float = 0.0
    packages: tuple[str, ...] = ("torch",)
    refused: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    slow: bool = False

    @property
    def id(self) -> str:
        return f"{self.run.__module__.rpartition('.')[2]}.{self.run.__name__}"


_FUSER = "did not find fuser method for"
_SUBTRACTION = "Subtraction, the `-` operator, with two bool tensors is not supported"
TOOLS = (
    Tool("Copy", "`copy.deepcopy(model)`", weights.deepcopied),
    Tool("Pickle", "`pickle.dumps(model)`", weights.pickled),
    Tool("Save whole", "`torch.save(model, file)`", weights.torch_saved),
    Tool("Save as safetensors", "`defective.save(model, file)`, `defective.load(file)`", weights.saved),
    Tool("State dict", "`load_state_dict`, `strict=True`", weights.state_loaded, note="into a model with other masks"),
    Tool("Plain weights", "`load_weights_(model, state)`", weights.weights_loaded),
    Tool("Plain model", "`attach_masks_(model, state)`", weights.attached),
    Tool("Meta device", "`torch.device('meta')`, `to_empty`, `load_state_dict`", weights.from_meta),
    Tool(
        "Hugging Face Hub",
        "`PyTorchModelHubMixin`",
        weights.published,
        packages=("huggingface_hub",),
        note="the class calls `defect_` in `__init__`",
    ),
    Tool(
        "Hugging Face Hub, plain class",
        "`from_pretrained`, then `attach_masks_`",
        weights.published_plain,
        packages=("huggingface_hub",),
        note="`from_pretrained` alone drops the masks silently",
    ),
    Tool("Lightning", "`Trainer.fit`, `load_from_checkpoint`", training.trained_by_lightning, packages=("lightning",), slow=True),
    Tool("Data parallel", "`nn.DataParallel(model)`", graphs.data_parallel, note="on a CPU"),
    Tool(
        "Two processes",
        "`DistributedDataParallel(model)`, `defective.save`",
        processes.data_parallel,
        1e-4,
        note="as one process with all images",
        slow=True,
    ),
    Tool(
        "Two processes, sharded",
        "`fully_shard(model)`, `get_state_dict`, `set_state_dict`, `defective.save`",
        processes.sharded,
        1e-4,
        note="as one process with all images",
        slow=True,
    ),
    Tool("Gradient checkpointing", "`torch.utils.checkpoint`", graphs.checkpointed, note="and the same gradients"),
    Tool(
        "Average of weights",
        "`AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)`",
        training.averaged,
        1e-4,
    ),
    Tool("Average of weights", "`AveragedModel(model)`", training.averaged_weights, 1e-4),
    Tool(
        "Average of weights",
        "`AveragedModel(model, use_buffers=True)`",
        training.averaged_buffers,
        refused={"": _SUBTRACTION},
        note="use one of the two calls above",
    ),
    Tool("Average of weights", "`ModelEmaV3(model)`", training.averaged_by_timm, 1e-4, ("timm",)),
    Tool("Frozen norms", "`freeze_batch_norm_2d(model)`", training.frozen, 1e-4, ("timm",)),
    Tool(
        "Synchronised norms",
        "`convert_sync_batchnorm(model)`",
        training.synchronised,
        packages=("torch", "timm"),
        note="of `nn.SyncBatchNorm` or `timm.layers`; models of timm need the latter with masks or without",
    ),
    Tool("Pruning", "`prune.l1_unstructured(SITE.module, 'weight', 0.5)`", training.pruned),
    Tool(
        "Pruning",
        "`prune.l1_unstructured(SITE, 'weight', 0.5)`",
        training.pruned_site,
        refused={"": "call this on the module inside the wrapper, SITE.module"},
    ),
    Tool("Weight norm", "`parametrizations.weight_norm(SITE.module)`", training.weight_normed, 1e-4),
    Tool(
        "Weight norm",
        "`parametrizations.weight_norm(SITE)`",
        training.weight_normed_site,
        refused={"": "does not have a parameter, a buffer, or a parametrized element with name 'weight'"},
        note="call it on `SITE.module`",
    ),
    Tool("LoRA by hand", "`model.set_submodule('SITE.module', LoRA(conv))`", training.low_rank, 1e-4),
    Tool(
        "LoRA by PEFT",
        "`LoraConfig(target_modules=['SITE.module'])`, `save_pretrained`, `from_pretrained`, `merge_and_unload`",
        training.adapted,
        1e-4,
        ("peft",),
        note="the file holds no masks: load it into a defective model",
    ),
    Tool(
        "LoRA by PEFT",
        "`LoraConfig(target_modules=['SITE'])`",
        training.adapted_site,
        packages=("peft",),
        refused={"": "is not supported. Currently, only the following modules are supported"},
        note="name `SITE.module`",
    ),
    Tool("bfloat16", "`model.bfloat16()`", graphs.bfloat16, 0.1, note="rounding"),
    Tool("float16", "`model.half()`", graphs.half, 0.02, note="rounding"),
    Tool("Memory format", "`model.to(memory_format=torch.channels_last)`", graphs.channels_last, 1e-4),
    Tool("vmap over images", "`torch.func.vmap`", graphs.vmapped, 1e-4),
    Tool("Functional call", "`functional_call(model, model.state_dict(), x)`", graphs.functional),
    Tool(
        "Fuse conv and norm",
        "`fuse_modules(model, [['conv', 'SITE.module']])`",
        graphs.fused_by_name,
        1e-4,
        refused={"efficientnet_b0 (timm)": _FUSER},
        note="torch does not know timm's `BatchNormAct2d`, with masks or without",
    ),
    Tool(
        "Fuse conv and norm",
        "`fuse_modules(model, [['conv', 'SITE']])`",
        graphs.fused_site,
        refused={"": _FUSER},
        note="name `SITE.module`",
    ),
    Tool(
        "Fuse conv and norm",
        "`fuse_conv_bn_eval(conv, SITE.module)`, `SITE.module = nn.Identity()`",
        graphs.fused_by_hand,
        1e-4,
        note="`SITE = nn.Identity()` silently removes the mask too",
    ),
    Tool("Fuse conv and norm", "`torch.fx.experimental.optimization.fuse(model)`", graphs.fused_graph, 1e-4),
    Tool("Static quantization", "`prepare_fx`, `convert_fx`", graphs.quantized_graph, 0.4, note="rounding to 8 bits"),
    Tool(
        "Static quantization",
        "`prepare_pt2e`, `convert_pt2e`",
        graphs.quantized_export,
        0.15,
        ("torchao",),
        note="rounding to 8 bits",
        slow=True,
    ),
    Tool(
        "Quantized weights",
        "`quantize_(model, Int8WeightOnlyConfig())`",
        graphs.int8_weights,
        0.02,
        ("torchao",),
        note="rounding to 8 bits",
    ),
    Tool(
        "Compile",
        "`torch.compile(model, fullgraph=True)`",
        graphs.compiled,
        1e-4,
        note="after a plain model of the same class too",
        slow=True,
    ),
    Tool("Compile, then `defect_`", "`torch.compile(model)`, `defect_(model, ...)`", graphs.masked_after_compile, 1e-4, slow=True),
    Tool("Export", "`torch.export.export(model, (x,))`", graphs.exported, 1e-4),
    Tool(
        "ONNX",
        "`torch.onnx.export(model, (x,), dynamo=True)`",
        graphs.onnx,
        1e-4,
        ("onnx", "onnxscript", "onnxruntime"),
        note="run by ONNX Runtime",
        slow=True,
    ),
    Tool("TorchScript", "`torch.jit.trace(model, x)`", graphs.traced, 1e-4),
    Tool("TorchScript", "`torch.jit.script(model)`", graphs.scripted, 1e-4, slow=True),
)


def table() -> str:
    """The rows as Markdown; versions are those that ``make`` installs."""
    lines = ["| What is done | Call | Result | Tested with |", "| :-- | :-- | :-- | :-- |"]
    lines += [f"| {tool.name} | {tool.call} | {_result(tool)} | {_versions(tool)} |" for tool in TOOLS]
    return "\n".join(lines) + "\n"


def _versions(tool: Tool) -> str:
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    return ", ".join(f"{package} {pins[package]}" for package in tool.packages)


def _result(tool: Tool) -> str:
    messages = [
        f"{model + ': ' if model else ''}refused, “{message.replace('`', '')} …”" for model, message in tool.refused.items()
    ]
    kept = [] if "" in tool.refused else [f"same function, {f'within {tool.tolerance:g}' if tool.tolerance else 'bitwise'}"]
    return "; ".join([*kept, *messages, *([tool.note] if tool.note else [])])


if __name__ == "__main__":
    PAGE.write_text(_BLOCK.sub(rf"\1\n{table()}\n\2", PAGE.read_text()))
