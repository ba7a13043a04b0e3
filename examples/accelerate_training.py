"""A plain training loop with mixed precision, on one process or several: Accelerate shares the batches, stores the state and resumes.

``python accelerate_training.py``, or ``torchrun --nproc-per-node 2 accelerate_training.py``: the file is the same.
"""

import torch
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from defective import build, evaluation, load, save, verify
from defective.data import shapes


def main() -> None:
    accelerator = Accelerator(mixed_precision="bf16")
    torch.manual_seed(0)
    data, test = shapes("train"), shapes("test")
    model = build("resnet18/0.3-bottom", width_mult=0.0625)  # alike in each process: weights and masks follow from the seed
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    batches = DataLoader(TensorDataset(data.x[:1600], data.y[:1600]), batch_size=32, shuffle=True, num_workers=0)
    model, optimizer, batches = accelerator.prepare(model, optimizer, batches)
    for epoch in range(2):
        model.train()
        for x, y in batches:
            loss = nn.functional.cross_entropy(model(x / 255), y)  # the forward pass runs in bfloat16
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
        if epoch == 0:
            accelerator.save_state("state")
    accelerator.load_state("state")  # back to the end of the first epoch, masks included

    trained = accelerator.unwrap_model(model, keep_fp32_wrapper=False)  # in float32, as it is stored
    verify(trained)  # raises if the masks are not those of the name
    save(trained, "model.safetensors")
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        x, y = test.take(torch.arange(200))
        rates = [float(evaluation.accuracy(each, x, y)) for each in (trained, load("model.safetensors"))]
        print(f"processes: {accelerator.num_processes}, accuracy: {rates[0]:.2f}, the same after loading: {rates[0] == rates[1]}")
    accelerator.end_training()


if __name__ == "__main__":
    main()
