"""Which GPU each of several programs is shown, where there are any."""

import pytest

from flowpot.potentials.gpus import gpu_variables, share_gpus, visible_gpus


@pytest.mark.parametrize(
    ("shown", "count", "names"),
    [
        (None, 3, ["0", "1", "2"]),
        ("", 0, []),
        ("-1", 0, []),
        ("5, 2", 2, ["5", "2"]),
        ("0,1,-1,2", 2, ["0", "1"]),
        ("0,1,7", 2, ["0", "1"]),  # there is no GPU 7
        ("GPU-8932f937,GPU-1f2a", 2, ["GPU-8932f937", "GPU-1f2a"]),
        ("MIG-a/1/0,MIG-b", 1, ["MIG-a/1/0", "MIG-b"]),  # torch counts one of them
    ],
)
def test_gpus_that_a_process_sees(shown, count, names):
    """By the CUDA C++ Programming Guide, section CUDA Environment Variables."""
    assert visible_gpus(shown, count) == names


@pytest.mark.parametrize(
    ("number", "n", "shares"),
    [("", 5, ["3", "1", "3", "1", "3"]), ("", 1, ["3"]), ("1", 2, ["1", "1"])],
)
def test_programs_get_gpus_in_turn(number, n, shares):
    assert share_gpus(number, n, ["3", "1"]) == shares


def test_nothing_to_choose():
    assert share_gpus("", 4, ["0"]) == share_gpus("", 4, []) == []
    assert gpu_variables("cpu", 2) == [{}, {}]


def test_a_gpu_that_is_not_there():
    with pytest.raises(ValueError, match="'cuda:2', and there are 2 GPUs here"):
        share_gpus("2", 1, ["0", "1"])


@pytest.fixture
def two_gpus(monkeypatch):
    """As torch would report; there are none where these tests run."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    for variable in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)


def test_amd(two_gpus, monkeypatch):
    monkeypatch.setattr("torch.version.hip", "6.4")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")  # ROCm heeds it, too
    assert gpu_variables("cuda:1", 1) == [{"HIP_VISIBLE_DEVICES": "5"}]
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "6,7")
    variables = gpu_variables("auto", 2)
    assert variables == [{"HIP_VISIBLE_DEVICES": "6"}, {"HIP_VISIBLE_DEVICES": "7"}]
