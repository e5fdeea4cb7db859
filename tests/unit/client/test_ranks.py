"""Ranks as `job top` shows them: their GPUs, their ages, and whom they are slower than."""

import pytest

from footplate.api import ObjectMeta
from footplate.api.reports import LastBeat, RankBeat
from footplate.client.pods import Pod
from footplate.client.ranks import loads, rows


@pytest.mark.parametrize(
    ("said", "percent"),
    [
        ("97\n0\n", [97.0, 0.0]),
        ('simulated\nGPU-1,GPU-2\n{"GPU-2": 40, "GPU-9": 7}', [0.0, 40.0]),
        ("simulated\n\n{}", []),
        ("", []),
        ("No devices were found\n", []),
        ("[N/A]\n", []),
        ("simulated\nGPU-1\n", []),
    ],
)
def test_the_load_of_gpus_is_read_where_it_is_told(said: str, percent: list[float]) -> None:
    assert loads(said) == percent


def test_a_gpu_a_rank_where_there_are_as_many_and_else_the_mean() -> None:
    beat = LastBeat(0.0, (RankBeat(4, silent=1.0), RankBeat(5)))
    pod = Pod(ObjectMeta(name="train-1-2"))
    assert [(row.gpu, row.age) for row in rows(pod, beat, 3.0, [90.0, 10.0])] == [(90.0, 4.0), (10.0, None)]
    assert [row.gpu for row in rows(pod, beat, 3.0, [90.0, 10.0, 20.0])] == [40.0, 40.0]
    assert [row.gpu for row in rows(pod, beat, 3.0, [])] == [None, None]
