"""mlx.core.distributed, a group of this process alone, whose collectives are the identity; and the layers that are
spread over a group, in it and in parts of a larger one."""

import copy
import importlib
import pickle

import mlx.core as mx
import numpy as np
import pytest
from mlx import nn
from mlx.nn.layers.distributed import fully_shard, shard_inplace, shard_linear, sum_gradients
from mlx.optimizers import clip_grad_norm
from mlx.utils import tree_flatten

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


def test_a_group_copies_and_pickles():
    group = mx.distributed.init()
    assert copy.deepcopy(group).size() == pickle.loads(pickle.dumps(group)).size() == 1


# -- layers --


class Part:
    """A group of which this process is one: enough to split by."""

    def __init__(self, rank, size):
        self.rank, self.size = lambda: rank, lambda: size


def arrays(layer):
    return {name: np.array(a) for name, a in tree_flatten(layer.parameters())}


LAYERS = {
    "all-to-sharded": (nn.AllToShardedLinear, nn.QuantizedAllToShardedLinear),
    "sharded-to-all": (nn.ShardedToAllLinear, nn.QuantizedShardedToAllLinear),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sharding", LAYERS)
def test_a_layer_of_one_process_has_and_does_everything(sharding, bias):
    x = mx.random.normal((2, 3, 64))
    whole = nn.Linear(64, 32, bias=bias)
    layer = shard_linear(whole, sharding)
    assert type(layer) is LAYERS[sharding][0]
    assert all((a == arrays(whole)[name]).all() for name, a in arrays(layer).items())
    assert mx.allclose(layer(x), whole(x), atol=1e-6).item()
    loss = lambda layer: nn.value_and_grad(layer, lambda x: layer(x).square().sum())(x)
    for (name, a), (_, b) in zip(tree_flatten(loss(layer)), tree_flatten(loss(whole))):
        assert mx.allclose(a, b, rtol=1e-4, atol=1e-4).item(), name


@pytest.mark.parametrize("mode", ["affine", "mxfp4", "mxfp8", "nvfp4"])
@pytest.mark.parametrize("sharding", LAYERS)
def test_a_quantized_layer_of_one_process_has_and_does_everything(sharding, mode):
    x = mx.random.normal((2, 3, 64))
    whole = nn.Linear(64, 32).to_quantized(mode=mode)
    layer = shard_linear(whole, sharding)
    assert type(layer) is LAYERS[sharding][1]
    assert (layer.mode, layer.bits, layer.group_size) == (mode, whole.bits, whole.group_size)
    assert all((a == arrays(whole)[name]).all() for name, a in arrays(layer).items())
    assert mx.allclose(layer(x), whole(x), atol=1e-6).item()
    assert tree_flatten(layer.unfreeze().trainable_parameters()) == []


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    "segments, cuts", [(1, [0, 12]), (3, [0, 4, 8, 12]), ([0.5], [0, 6, 12]), ([4], [0, 4, 12])]
)
def test_each_process_gets_its_part_of_each_segment(segments, cuts, rank):
    whole, group = nn.Linear(12, 12), Part(rank, 2)
    w, b = np.array(whole.weight), np.array(whole.bias)
    pieces = [np.split(np.arange(low, high), 2)[rank] for low, high in zip(cuts, cuts[1:])]
    mine = np.concatenate(pieces)
    rows = shard_linear(whole, "all-to-sharded", segments=segments, group=group)
    assert (np.array(rows.weight) == w[mine]).all() and (np.array(rows.bias) == b[mine]).all()
    columns = shard_linear(whole, "sharded-to-all", segments=segments, group=group)
    assert (np.array(columns.weight) == w[:, mine]).all() and (np.array(columns.bias) == b).all()
    assert "input_dims=12, output_dims=12" in repr(rows) and "input_dims=12, output_dims=12" in repr(columns)
    assert whole.weight.shape == (12, 12)


@pytest.mark.parametrize("rank", [0, 1])
def test_each_process_gets_its_part_of_a_quantized_weight(rank):
    whole, group = nn.Linear(128, 8).to_quantized(32), Part(rank, 2)
    dense = lambda q: np.array(mx.dequantize(q.weight, q.scales, q.biases, 32, 4))
    rows, columns = (shard_linear(whole, sharding, group=group) for sharding in LAYERS)
    assert (dense(rows) == np.split(dense(whole), 2)[rank]).all() and rows.bias.shape == (4,)
    assert (dense(columns) == np.split(dense(whole), 2, 1)[rank]).all() and columns.bias.shape == (8,)
    assert "input_dims=128, output_dims=8" in repr(rows) and "input_dims=128, output_dims=8" in repr(columns)


def test_processes_together_compute_the_whole_product():
    x, whole = mx.random.normal((3, 64)), nn.Linear(64, 32)
    parts = [shard_linear(whole, "all-to-sharded", group=Part(rank, 4)) for rank in range(4)]
    y = mx.concatenate([x @ p.weight.T + p.bias for p in parts], axis=-1)
    assert mx.allclose(y, whole(x), atol=1e-5).item()
    parts = [shard_linear(whole, "sharded-to-all", group=Part(rank, 4)) for rank in range(4)]
    y = sum(a @ p.weight.T for a, p in zip(mx.split(x, 4, axis=-1), parts)) + whole.bias
    assert mx.allclose(y, whole(x), atol=1e-5).item()


def test_what_a_larger_group_sums_goes_through_its_collective(monkeypatch):
    """The collectives of two processes with equal numbers, in place of the real ones."""
    twice = lambda x, *, group, stream=None: 2 * x
    monkeypatch.setattr(mx.distributed, "all_sum", twice)
    monkeypatch.setattr(mx.distributed, "sum_scatter", lambda x, *, group: 2 * mx.split(x, 2)[0])
    monkeypatch.setattr(mx.distributed, "all_gather", lambda x, *, group: mx.concatenate([x, x]))
    group, x = Part(0, 2), mx.random.normal((3, 4))
    layer = nn.ShardedToAllLinear(8, 6, group=group)
    assert mx.allclose(layer(x), 2 * x @ layer.weight.T + layer.bias, atol=1e-6).item()
    layer = nn.AllToShardedLinear(4, 6, group=group)
    gradient = mx.grad(lambda x: layer(x).sum())(x)
    assert mx.allclose(gradient, mx.broadcast_to(2 * layer.weight.sum(0), x.shape), atol=1e-6).item()
    gradients = {"a": mx.array([3.0, 4.0])}
    assert nn.average_gradients(gradients, group)["a"].tolist() == [3, 4]
    clipped, norm = nn.utils.clip_grad_norm_sharded(gradients, 1.0, group)
    assert norm.item() == pytest.approx(50**0.5) and clipped["a"][0].item() == pytest.approx(
        3 / 50**0.5, rel=1e-5
    )
    module = fully_shard(nn.Linear(4, 6), group=group)
    assert module.module.weight.shape == (3, 4) and module.module.bias.shape == (3,)
    own = module.module.weight
    assert module(x).shape == (3, 6) and module.module.weight is own
    trained = nn.value_and_grad(module, lambda x: module(x).sum())(x)[1]["module"]
    assert trained["weight"].shape == (3, 4) and trained["bias"].tolist() == [6, 6, 6]


def test_shard_inplace_asks_for_the_axis_of_each_parameter():
    group, asked = Part(1, 2), {}
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 8, bias=False))
    before = arrays(model)

    def sharding(path, x):
        asked[path] = x.shape
        return {"layers.0.weight": -1, "layers.1.weight": (0, 2)}.get(path)

    assert shard_inplace(model, sharding, group=group) is None
    after = arrays(model)
    assert asked == {"layers.0.weight": (6, 4), "layers.0.bias": (6,), "layers.1.weight": (8, 6)}
    assert (after["layers.0.weight"] == before["layers.0.weight"][:, 2:]).all()
    assert (after["layers.0.bias"] == before["layers.0.bias"]).all()
    assert (after["layers.1.weight"] == before["layers.1.weight"][[2, 3, 6, 7]]).all()


def test_shard_inplace_splits_rows_or_columns_by_name():
    for sharding, shapes in [("all-to-sharded", [(3, 4), (3,)]), ("sharded-to-all", [(6, 2), (6,)])]:
        layer = nn.Linear(4, 6)
        shard_inplace(layer, sharding, group=Part(0, 2))
        assert [layer.weight.shape, layer.bias.shape] == shapes


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: shard_linear(nn.Linear(4, 4), "rows"), "got 'rows'"),
        (lambda: shard_inplace(nn.Linear(4, 4), "rows"), "got 'rows'"),
        (lambda: shard_linear(nn.Embedding(4, 4), "all-to-sharded"), "got Embedding"),
        (lambda: shard_inplace(nn.Linear(4, 4), lambda path, x: "x"), "got 'x'"),
        (lambda: shard_linear(nn.Linear(4, 4), "all-to-sharded", segments=3), "."),
        (lambda: nn.AllToShardedLinear(4, 3, group=Part(0, 2)), "group of 2 divides, got 3"),
        (lambda: nn.ShardedToAllLinear(3, 4, group=Part(0, 2)), "group of 2 divides, got 3"),
        (lambda: nn.QuantizedAllToShardedLinear(64, 3, group=Part(0, 2)), "group of 2 divides, got 3"),
        (lambda: nn.QuantizedShardedToAllLinear(65, 4, group=Part(0, 2)), "group of 2 divides, got 65"),
        (lambda: nn.FullyShardedModule(3), "expected a module, got int"),
    ],
)
def test_what_cannot_be_split_is_a_value_error(call, text):
    with pytest.raises(ValueError, match=text):
        call()


# -- whole modules --


def test_in_a_group_of_one_nothing_is_sharded_and_gradients_are_their_own_mean():
    module, gradients = nn.Linear(3, 4), {"a": mx.ones(2)}
    assert fully_shard(module) is module and nn.average_gradients(gradients) is gradients
    x = mx.ones(2)
    assert sum_gradients(mx.distributed.init())(x) is x


def test_a_fully_sharded_module_computes_in_its_dtype_and_trains_in_another():
    module = nn.FullyShardedModule(nn.Linear(3, 4), compute_dtype=mx.float16)
    x = mx.ones((2, 3), dtype=mx.float16)
    assert module(x).dtype == mx.float16 and module.module.weight.dtype == mx.float32
    gradients = nn.value_and_grad(module, lambda x: module(x).sum())(x)[1]
    assert gradients["module"]["weight"].dtype == mx.float32
    assert gradients["module"]["bias"].tolist() == [2] * 4
    with pytest.raises(AttributeError, match="as_linear"):
        module.as_linear(x)
    table = nn.FullyShardedModule(nn.Embedding(5, 3))
    assert table(mx.array([1, 2])).shape == (2, 3) and table.as_linear(mx.ones((2, 3))).shape == (2, 5)


def test_the_module_keeps_its_parameters_when_a_call_raises():
    module = nn.FullyShardedModule(nn.Linear(3, 4), compute_dtype=mx.float16)
    with pytest.raises(ValueError, match="."):
        module(mx.ones((2, 5)))
    assert module.module.weight.dtype == mx.float32


def test_sharded_gradients_are_clipped_like_others():
    gradients = {"a": mx.array([3.0, 4.0]), "b": [mx.array([12.0], dtype=mx.float16)]}
    for most in (1.0, 100.0):
        (ours, norm), (theirs, expected) = (
            clip(gradients, most) for clip in (nn.utils.clip_grad_norm_sharded, clip_grad_norm)
        )
        assert norm.item() == expected.item() == 13
        for (_, a), (_, b) in zip(tree_flatten(ours), tree_flatten(theirs)):
            assert a.dtype == b.dtype and a.tolist() == b.tolist()
