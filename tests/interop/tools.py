"""What people do to models, as data: each row changes a defective model and says what must hold afterwards.

A row's function takes a :class:`Cell` and returns a callable that maps images to logits, or two of them where the tool is meant to
change the function: its result and a reference made without the tool.
"""

import copy
import io
import pickle
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from interop.models import MODELS, defective_model, images, mask_, plain_model
from torch import Tensor, nn

from defective import attach_masks_, defect_, restore_
from defective.wrapper import SiteWrapper

Model = Callable[[Tensor], Tensor]
SAME = "same function"


class Cell:
    """One model that a tool is tried on."""

    def __init__(self, name: str) -> None:
        self.name, self.model, self.x = name, defective_model(name), images()
        self.stem_conv, self.stem_norm = MODELS[name].stem
        self.head = MODELS[name].head
        # As named_modules() calls it: a masked convolution lies inside its wrapper.
        wrapped = isinstance(self.model.get_submodule(MODELS[name].conv), SiteWrapper)
        self.conv = MODELS[name].conv + ".module" * wrapped

    def others(self) -> nn.Module:
        """The same architecture with other masks."""
        return defective_model(self.name, seed=1)


@dataclass(frozen=True)
class Tool:
    """One row. ``call`` and ``result`` stand in the documentation; ``tolerance`` is a share of the largest logit."""

    name: str
    call: str
    run: Callable[[Cell], Model | tuple[Model, Model]]
    tolerance: float = 0.0
    result: str = SAME
    needs: tuple[str, ...] = ()
    # Model name, or "" for all, to the message that the tool stops with.
    refused: Mapping[str, str] = field(default_factory=dict)


def _copied(cell: Cell) -> Model:
    return copy.deepcopy(cell.model)


def _pickled(cell: Cell) -> Model:
    return pickle.loads(pickle.dumps(cell.model))


def _saved(cell: Cell) -> Model:
    file = io.BytesIO()
    torch.save(cell.model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def _loaded(cell: Cell) -> Model:
    other = cell.others()
    other.load_state_dict(cell.model.state_dict())
    return other


def _attached(cell: Cell) -> Model:
    plain = plain_model(cell.name)
    plain.load_state_dict(cell.model.state_dict(), strict=False)
    attach_masks_(plain, cell.model.state_dict())
    return plain


def _from_meta(cell: Cell) -> Model:
    with torch.device("meta"):
        model = mask_(cell.name, MODELS[cell.name].make())
    model.to_empty(device="cpu").load_state_dict(cell.model.state_dict())
    return model.eval()


def _bfloat16(cell: Cell) -> Model:
    model = cell.model.bfloat16()
    return lambda x: model(x.bfloat16()).float()


def _half(cell: Cell) -> Model:
    model = cell.model.half()
    return lambda x: model(x.half()).float()


def _channels_last(cell: Cell) -> Model:
    model = cell.model.to(memory_format=torch.channels_last)
    return lambda x: model(x.to(memory_format=torch.channels_last))


def _vmapped(cell: Cell) -> Model:
    one = lambda image: cell.model(image.unsqueeze(0)).squeeze(0)  # noqa: E731
    return torch.func.vmap(one)


def _functional(cell: Cell) -> Model:
    state, other = cell.model.state_dict(), cell.others()
    return lambda x: torch.func.functional_call(other, state, (x,))


def _gradient(model: nn.Module, x: Tensor, forward: Model) -> Tensor:
    model.zero_grad()
    forward(x).square().sum().backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


def _checkpointed(cell: Cell) -> Model:
    recomputed: Model = lambda x: torch.utils.checkpoint.checkpoint(cell.model, x, use_reentrant=False)  # noqa: E731
    torch.testing.assert_close(_gradient(cell.model, cell.x, recomputed), _gradient(cell.model, cell.x, cell.model))
    return recomputed


def _averaged(cell: Cell) -> Model:
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    averaged = torch.optim.swa_utils.AveragedModel(cell.model, multi_avg_fn=average, use_buffers=True)
    for _ in range(3):
        averaged.update_parameters(cell.model)
    return averaged


def _equally_averaged(cell: Cell) -> Model:
    averaged = torch.optim.swa_utils.AveragedModel(cell.model, use_buffers=True)
    for _ in range(3):
        averaged.update_parameters(cell.model)
    return averaged


def _timm_averaged(cell: Cell) -> Model:
    from timm.utils import ModelEmaV3

    averaged = ModelEmaV3(cell.model, decay=0.9)
    for _ in range(3):
        averaged.update(cell.model)
    return averaged.module


def _frozen(cell: Cell) -> Model:
    from timm.utils.model import freeze_batch_norm_2d

    model = freeze_batch_norm_2d(cell.model)
    assert "Frozen" in type(model.get_submodule(cell.stem_norm).module).__name__
    return model


def _synchronised(cell: Cell) -> Model:
    from timm.layers import convert_sync_batchnorm

    # torch's converter leaves out the activation in timm's norms, masks or no masks.
    convert = convert_sync_batchnorm if cell.name.startswith("timm") else nn.SyncBatchNorm.convert_sync_batchnorm
    model = convert(cell.model)
    assert isinstance(model.get_submodule(cell.stem_norm).module, nn.SyncBatchNorm)
    return model


def _fused_by_name(cell: Cell) -> Model:
    pair = [cell.stem_conv, f"{cell.stem_norm}.module"]
    return torch.ao.quantization.fuse_modules(cell.model, [pair])


def _fused_by_site(cell: Cell) -> Model:
    return torch.ao.quantization.fuse_modules(cell.model, [[cell.stem_conv, cell.stem_norm]])


def _fused_graph(cell: Cell) -> Model:
    from torch.fx.experimental.optimization import fuse

    return fuse(cell.model)


def _quantized_graph(cell: Cell) -> Model:
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    observed = prepare_fx(cell.model, get_default_qconfig_mapping("x86"), (cell.x,))
    observed(cell.x)
    return convert_fx(observed)


def _quantized_export(cell: Cell) -> Model:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    observed = prepare_pt2e(torch.export.export(cell.model, (cell.x,)).module(), quantizer)
    observed(cell.x)
    return convert_pt2e(observed)


def _int8_weights(cell: Cell) -> Model:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    quantize_(cell.model, Int8WeightOnlyConfig())
    return cell.model


def _pruned(cell: Cell) -> tuple[Model, Model]:
    from torch.nn.utils import prune

    conv = cell.model.get_submodule(cell.conv)
    reference = copy.deepcopy(cell.model)
    prune.l1_unstructured(conv, "weight", amount=0.5)
    with torch.no_grad():
        reference.get_submodule(cell.conv).weight.mul_(conv.weight_mask)
    return cell.model, reference


def _pruned_site(cell: Cell) -> Model:
    from torch.nn.utils import prune

    prune.l1_unstructured(cell.model.get_submodule(cell.stem_norm), "weight", amount=0.5)
    return cell.model


def _weight_normed(cell: Cell) -> Model:
    torch.nn.utils.parametrizations.weight_norm(cell.model.get_submodule(cell.conv))
    return copy.deepcopy(cell.model)


class _LowRank(nn.Module):
    """A convolution and an update of its weights of rank 2."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.down = nn.Conv2d(conv.in_channels, 2, conv.kernel_size, conv.stride, conv.padding, bias=False)
        self.up = nn.Conv2d(2, conv.out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.up(self.down(x))

    def update(self) -> Tensor:
        return torch.einsum("or,rihw->oihw", self.up.weight[:, :, 0, 0], self.down.weight)


def _low_rank(cell: Cell) -> tuple[Model, Model]:
    reference = copy.deepcopy(cell.model)
    for name, module in list(cell.model.named_modules()):
        if isinstance(module, nn.Conv2d) and module.groups == 1:
            parent, _, child = name.rpartition(".")
            update = _LowRank(module)
            setattr(cell.model.get_submodule(parent), child, update)
            with torch.no_grad():
                reference.get_submodule(name).weight.add_(update.update())
    return cell.model, reference


def _peft(cell: Cell) -> tuple[Model, Model]:
    import peft

    config = peft.LoraConfig(target_modules=[cell.stem_conv, cell.conv], r=2, init_lora_weights=False)
    adapted = peft.get_peft_model(copy.deepcopy(cell.model), config).eval()
    with tempfile.TemporaryDirectory() as folder:
        adapted.save_pretrained(folder)
        loaded = peft.PeftModel.from_pretrained(cell.model, folder).eval()
    return loaded, adapted.merge_and_unload()


def _compiled(cell: Cell) -> Model:
    torch.compile(plain_model(cell.name), backend="aot_eager", fullgraph=True)(cell.x)
    return torch.compile(cell.model, backend="aot_eager", fullgraph=True)


def _masked_after_compile(cell: Cell) -> Model:
    restore_(cell.model)
    compiled = torch.compile(cell.model, backend="aot_eager", fullgraph=True)
    compiled(cell.x)
    mask_(cell.name, cell.model)
    return compiled


def _exported(cell: Cell) -> Model:
    return torch.export.export(cell.model, (cell.x,)).module()


def _onnx(cell: Cell) -> Model:
    import onnxruntime

    program = torch.onnx.export(cell.model, (cell.x,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    return lambda x: torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def _traced(cell: Cell) -> Model:
    return torch.jit.trace(cell.model, cell.x)


def _scripted(cell: Cell) -> Model:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(cell.model), file)
    file.seek(0)
    return torch.jit.load(file)


def _data_parallel(cell: Cell) -> Model:
    return nn.DataParallel(cell.model)


def _hub_class(make: Callable[[], nn.Module]) -> Any:
    from huggingface_hub import PyTorchModelHubMixin

    class Published(nn.Module, PyTorchModelHubMixin):
        def __init__(self) -> None:
            super().__init__()
            self.net = make()

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x)

    return Published


def _published(cell: Cell) -> Model:
    """The class makes its masks itself."""
    kind = _hub_class(cell.others)
    return _from_folder(cell, kind)


def _from_folder(cell: Cell, kind: Any) -> Model:
    published = kind()
    published.net = cell.model
    with tempfile.TemporaryDirectory() as folder:
        published.save_pretrained(folder)
        return kind.from_pretrained(folder).eval()


def _published_plain(cell: Cell) -> Model:
    """The class makes a plain model: loading leaves the masks out, and they are put back from the file."""
    from safetensors.torch import load_file

    kind = _hub_class(lambda: plain_model(cell.name))
    published = kind()
    published.net = cell.model
    with tempfile.TemporaryDirectory() as folder:
        published.save_pretrained(folder)
        loaded = kind.from_pretrained(folder).eval()
        attach_masks_(loaded, load_file(Path(folder) / "model.safetensors"))
    return loaded
