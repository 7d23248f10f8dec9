"""mlx.core.distributed: a group of this process alone, whose collectives are the identity."""

import importlib

import mlx.core as mx
import pytest

COLLECTIVES = ["all_sum", "all_max", "all_min", "all_gather", "sum_scatter"]


def test_distributed_is_a_module_that_can_be_imported():
    assert importlib.import_module("mlx.core.distributed") is mx.distributed


def test_the_group_holds_this_process_alone():
    group = mx.distributed.init()
    assert (group.rank(), group.size()) == (0, 1)
    assert type(group) is mx.distributed.Group
    with pytest.raises(TypeError):
        mx.distributed.Group()
    with pytest.raises(RuntimeError, match=r"\[split\] expected a group of more than one process"):
        group.split(0)
    with pytest.raises(TypeError, match="color"):
        group.split("a")


@pytest.mark.parametrize("backend", ["any", "mpi", "ring", "nccl", "jaccl"])
def test_no_backend_connects_processes(backend):
    assert not mx.distributed.is_available(backend)
    assert mx.distributed.init(backend=backend).size() == 1
    with pytest.raises(RuntimeError, match="backend"):
        mx.distributed.init(strict=True, backend=backend)


@pytest.mark.parametrize("name", COLLECTIVES)
@pytest.mark.parametrize("value", [[1, 2, 3], [[1.5], [2.5]], 2.5, True, [], [1 + 2j]])
def test_a_collective_of_one_process_is_the_identity(name, value):
    x = mx.array(value)
    for group in (None, mx.distributed.init()):
        y = getattr(mx.distributed, name)(x, group=group, stream=mx.cpu)
        assert y.dtype == x.dtype and y.shape == x.shape and y.tolist() == x.tolist()


@pytest.mark.parametrize("name", COLLECTIVES)
def test_a_collective_is_differentiated_vectorised_and_compiled(name):
    collective = getattr(mx.distributed, name)
    x = mx.array([1.0, 2.0])
    assert mx.grad(lambda x: collective(x * x).sum())(x).tolist() == [2, 4]
    assert mx.vmap(collective)(x).tolist() == [1, 2]
    assert mx.compile(lambda x: collective(x) + 1)(x).tolist() == [2, 3]
