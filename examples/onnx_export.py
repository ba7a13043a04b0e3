"""Export a defective model to ONNX and run it without torch: the masks are constants of the graph, the batch size is free."""

import onnxruntime
import torch

from defective import build


def main() -> None:
    model = build("resnet18/0.1-bottom", width_mult=0.125).eval()
    x = torch.rand(2, 3, 32, 32)
    torch.onnx.export(model, (x,), "model.onnx", dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)

    session = onnxruntime.InferenceSession("model.onnx")
    (name,) = (each.name for each in session.get_inputs())
    for batch in (torch.rand(1, 3, 32, 32), torch.rand(5, 3, 32, 32)):
        with torch.no_grad():
            wanted = model(batch)
        logits = torch.from_numpy(session.run(None, {name: batch.numpy()})[0])
        print(f"{len(batch)} images, same logits: {torch.allclose(logits, wanted, atol=1e-4)}")


if __name__ == "__main__":
    main()
