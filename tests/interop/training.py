"""Tools that train, average, convert and adapt a model; see :mod:`interop.weights` for what they take and return."""

import copy
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.optim import swa_utils

from interop.models import Cell
from interop.weights import Model


def averaged(cell: Cell) -> Model:
    average = swa_utils.AveragedModel(cell.model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True)
    return _updated(average, cell)


def averaged_weights(cell: Cell) -> Model:
    return _updated(swa_utils.AveragedModel(cell.model), cell)


def averaged_buffers(cell: Cell) -> Model:
    return _updated(swa_utils.AveragedModel(cell.model, use_buffers=True), cell)


def _updated(average: swa_utils.AveragedModel, cell: Cell) -> Model:
    for _ in range(3):
        average.update_parameters(cell.model)
    return average


def averaged_by_timm(cell: Cell) -> Model:
    from timm.utils import ModelEmaV3

    average = ModelEmaV3(cell.model, decay=0.9)
    for _ in range(3):
        average.update(cell.model)
    return average.module


def frozen(cell: Cell) -> Model:
    from timm.utils.model import freeze_batch_norm_2d

    model = freeze_batch_norm_2d(cell.model)
    assert "Frozen" in type(model.get_submodule(cell.site).module).__name__
    return model


def synchronised(cell: Cell) -> Model:
    convert = nn.SyncBatchNorm.convert_sync_batchnorm
    if "timm" in cell.name:
        # torch's converter leaves out the activation in timm's norms, masks or no masks.
        from timm.layers import convert_sync_batchnorm as convert
    model = convert(cell.model)
    assert isinstance(model.get_submodule(cell.site).module, nn.SyncBatchNorm)
    return model


def pruned(cell: Cell) -> tuple[Model, Model]:
    reference, conv = copy.deepcopy(cell.model), cell.model.get_submodule(cell.conv2)
    prune.l1_unstructured(conv, "weight", amount=0.5)
    with torch.no_grad():
        reference.get_submodule(cell.conv2).weight.mul_(conv.weight_mask)
    return cell.model, reference


def pruned_site(cell: Cell) -> Model:
    prune.l1_unstructured(cell.model.get_submodule(cell.site), "weight", amount=0.5)
    return cell.model


def weight_normed(cell: Cell) -> Model:
    parametrizations.weight_norm(cell.model.get_submodule(cell.conv2))
    return copy.deepcopy(cell.model)


def weight_normed_site(cell: Cell) -> Model:
    parametrizations.weight_norm(cell.model.get_submodule(cell.site))
    return cell.model


class LowRank(nn.Module):
    """A convolution and an update of rank 2 beside it."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.down = nn.Conv2d(conv.in_channels, 2, conv.kernel_size, conv.stride, conv.padding, bias=False)
        self.up = nn.Conv2d(2, conv.out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + self.up(self.down(x))


def low_rank(cell: Cell) -> tuple[Model, Model]:
    reference = copy.deepcopy(cell.model)
    for name in (cell.conv1, cell.conv2):
        update = LowRank(cell.model.get_submodule(name))
        cell.model.set_submodule(name, update)
        with torch.no_grad():
            product = torch.einsum("or,rihw->oihw", update.up.weight[:, :, 0, 0], update.down.weight)
            reference.get_submodule(name).weight.add_(product)
    return cell.model, reference


def adapted(cell: Cell) -> tuple[Model, Model]:
    import peft

    config = peft.LoraConfig(target_modules=[cell.conv1, cell.conv2], r=2, init_lora_weights=False)
    model = peft.get_peft_model(copy.deepcopy(cell.model), config).eval()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        loaded = peft.PeftModel.from_pretrained(cell.model, folder).eval()
    return loaded, model.merge_and_unload()


def adapted_site(cell: Cell) -> Model:
    import peft

    return peft.get_peft_model(cell.model, peft.LoraConfig(target_modules=[cell.site], r=2))


def trained_by_lightning(cell: Cell) -> tuple[Model, Model]:
    import lightning

    class Training(lightning.LightningModule):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Tensor, index: int) -> Tensor:
            return self.model(batch).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    quiet: Any = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(max_steps=1, accelerator="cpu", devices=1, default_root_dir=folder, **quiet)
        trainer.fit(Training(cell.model.train()), torch.utils.data.DataLoader(cell.x, batch_size=len(cell.x)))
        trainer.save_checkpoint(Path(folder) / "checkpoint")
        loaded = Training.load_from_checkpoint(Path(folder) / "checkpoint", model=cell.others(), weights_only=False)
    return loaded.model.eval(), cell.model.eval()
