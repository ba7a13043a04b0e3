import pytest
import torch

from defective import InputError
from defective.models import Normalize


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(InputError, match=r"^std \(0.5, 0.0\) holds 0"):
        Normalize((0.5, 0.5), (0.5, 0.0))


@pytest.mark.filterwarnings("error")
def test_constants_may_be_tensors_which_stay_apart():
    x, mean, std = torch.rand(2, 2, 4, 4), torch.tensor([0.1, 0.2]), torch.tensor([0.5, 0.25])
    normalize = Normalize(mean, std)
    mean.zero_()
    assert torch.equal(normalize(x), Normalize((0.1, 0.2), (0.5, 0.25))(x))
