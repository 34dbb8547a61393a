import pytest
import torch
from basin_escape.samplers.host.conditioning import absent

EARLY, LATE = {"timestep_end": 5.0}, {"timestep_start": 5.0}


@pytest.mark.parametrize(
    ("conds", "high", "at", "low"),
    [
        (None, True, True, True),
        ([], True, True, True),
        ([{}], False, False, False),
        ([EARLY], False, False, True),
        ([LATE], True, False, False),
        ([EARLY, LATE], False, False, False),
        ([{"timestep_start": 6.0, "timestep_end": 4.0}], True, False, True),
        ([{"timestep_start": 1e9, "timestep_end": 0.0}], False, False, False),
        ([EARLY, {}], False, False, False),
    ],
)
def test_a_conditioning_is_absent_outside_of_its_range(conds, high, at, low):
    assert [absent(conds, torch.full((2,), sigma)) for sigma in (8.0, 5.0, 2.0)] == [high, at, low]
