"""Tools that run, trace, fuse, quantize, compile or export a model; see :mod:`interop.weights` for what they take and return."""

import io

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from defective import restore_
from interop.models import Cell, mask_
from interop.weights import Model


def bfloat16(cell: Cell) -> Model:
    model = cell.model.bfloat16()
    return lambda x: model(x.bfloat16()).float()


def half(cell: Cell) -> Model:
    model = cell.model.half()
    return lambda x: model(x.half()).float()


def channels_last(cell: Cell) -> Model:
    model = cell.model.to(memory_format=torch.channels_last)
    return lambda x: model(x.to(memory_format=torch.channels_last))


def vmapped(cell: Cell) -> Model:
    return torch.func.vmap(lambda image: cell.model(image.unsqueeze(0)).squeeze(0))


def functional(cell: Cell) -> Model:
    state, other = cell.model.state_dict(), cell.others()
    return lambda x: torch.func.functional_call(other, state, (x,))


def checkpointed(cell: Cell) -> Model:
    def recomputed(x: Tensor) -> Tensor:
        return torch.utils.checkpoint.checkpoint(cell.model, x, use_reentrant=False)

    torch.testing.assert_close(_gradient(cell, recomputed), _gradient(cell, cell.model), rtol=0, atol=0)
    return recomputed


def _gradient(cell: Cell, forward: Model) -> list[Tensor]:
    cell.model.zero_grad()
    with torch.enable_grad():
        forward(cell.x).square().sum().backward()
    return [parameter.grad for parameter in cell.model.parameters() if parameter.grad is not None]


def data_parallel(cell: Cell) -> Model:
    return nn.DataParallel(cell.model)


def fused_by_name(cell: Cell) -> Model:
    return torch.ao.quantization.fuse_modules(cell.model, [[cell.conv1, f"{cell.site}.module"]])


def fused_site(cell: Cell) -> Model:
    return torch.ao.quantization.fuse_modules(cell.model, [[cell.conv1, cell.site]])


def fused_by_hand(cell: Cell) -> Model:
    norm = cell.model.get_submodule(f"{cell.site}.module")
    cell.model.set_submodule(cell.conv1, fuse_conv_bn_eval(cell.model.get_submodule(cell.conv1), norm))
    # timm's norms have the activation inside.
    cell.model.set_submodule(f"{cell.site}.module", getattr(norm, "act", nn.Identity()))
    return cell.model


def fused_graph(cell: Cell) -> Model:
    from torch.fx.experimental.optimization import fuse

    return fuse(cell.model)


def quantized_graph(cell: Cell) -> Model:
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    observed = prepare_fx(cell.model, get_default_qconfig_mapping("x86"), (cell.x,))
    observed(cell.x)
    return convert_fx(observed)


def quantized_export(cell: Cell) -> Model:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    observed = prepare_pt2e(torch.export.export(cell.model, (cell.x,)).module(), quantizer)
    observed(cell.x)
    return convert_pt2e(observed)


def int8_weights(cell: Cell) -> Model:
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    quantize_(cell.model, Int8WeightOnlyConfig())
    return cell.model


def compiled(cell: Cell) -> Model:
    torch.compile(cell.plain(), backend="aot_eager", fullgraph=True)(cell.x)
    return torch.compile(cell.model, backend="aot_eager", fullgraph=True)


def masked_after_compile(cell: Cell) -> Model:
    restore_(cell.model)
    model = torch.compile(cell.model, backend="aot_eager", fullgraph=True)
    model(cell.x)
    mask_(cell.name, cell.model)
    return model


def exported(cell: Cell) -> Model:
    return torch.export.export(cell.model, (cell.x,)).module()


def onnx(cell: Cell) -> Model:
    import onnxruntime

    program = torch.onnx.export(cell.model, (cell.x,), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    return lambda x: torch.from_numpy(session.run(None, {session.get_inputs()[0].name: x.numpy()})[0])


def traced(cell: Cell) -> Model:
    return torch.jit.trace(cell.model, cell.x)


def scripted(cell: Cell) -> Model:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(cell.model), file)
    file.seek(0)
    return torch.jit.load(file)
