"""What the paper compares defective layers with: dropout in training, and a thermometer code of the input.

Adversarial training, the third baseline, is a part of a :class:`defective.Recipe`.
"""

from defective.baselines.drop import Drop, attach_drop_, drop_, drops, undrop_
from defective.baselines.dropblock import drop_block, seed_rate
from defective.baselines.thermometer import Thermometer, thermometer_

__all__ = ["Drop", "Thermometer", "attach_drop_", "drop_", "drop_block", "drops", "seed_rate", "thermometer_", "undrop_"]
