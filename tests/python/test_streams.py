"""Devices, streams and their contexts in one thread and in several; memory figures; what the namespace tells of itself."""

import threading

import mlx.core as mx
import numpy as np
import pytest
from devices import in_host_memory, without_gpu
from samples import EVERY, INTEGERS
from threads import in_a_thread


@pytest.fixture(autouse=True)
def restored():
    device, stream, precision = (
        mx.default_device(),
        mx.default_stream(mx.cpu),
        mx.get_printoptions().precision,
    )
    yield
    mx.set_default_device(device)
    mx.set_default_stream(stream)
    mx.set_printoptions(precision)


# ---- Devices ----
def test_devices_compare_by_type_and_index():
    cpu = mx.Device(mx.cpu)
    assert cpu == mx.cpu and cpu == mx.Device(mx.cpu, 0) and cpu != mx.Device(mx.cpu, 1) and cpu != mx.gpu
    assert cpu != 1 and cpu.type == mx.cpu and repr(cpu) == "Device(cpu, 0)"
    assert mx.DeviceType.cpu is mx.cpu and mx.cpu.name == "cpu"


@without_gpu
def test_only_the_cpu_is_available():
    assert mx.is_available(mx.cpu) and not mx.is_available(mx.Device(mx.cpu, 1))
    assert mx.device_count(mx.cpu) == 1
    assert mx.device_info(mx.cpu) == mx.device_info() == mx.device_info(mx.Device(mx.cpu, 0))


# ---- Streams ----
def test_a_new_stream_is_another_stream_of_its_device():
    s, t = mx.new_stream(mx.cpu), mx.new_stream(mx.Device(mx.cpu))
    assert s == s and s != t and s != mx.default_stream(mx.cpu) and s.device == mx.cpu
    assert mx.add(1, 2, stream=s).item() == 3


@pytest.mark.parametrize("make", [mx.new_stream, mx.new_thread_local_stream, mx.new_thread_unsafe_stream])
def test_every_kind_of_stream_runs_operations_and_can_be_waited_for(make):
    s = make(mx.cpu)
    a = mx.ones(5, stream=s) + 1
    with mx.stream(s):
        b = mx.exp(mx.zeros(5)) + a
    mx.async_eval(b)
    mx.synchronize(s)
    assert b.tolist() == [3] * 5 and "cpu" in repr(s) and s.device == mx.cpu


# ---- Failures of posted work ----
def failing(stream, order=3):
    """What fails when it is computed, in words that name the order."""
    return mx.linalg.inv(mx.ones((order, order), stream=stream), stream=stream)


def fails(call):
    with pytest.raises((RuntimeError, ValueError)) as error:
        call()
    return str(error.value)


def test_a_failure_of_posted_work_comes_once_from_the_wait_for_its_stream():
    s, other = mx.new_stream(mx.cpu), mx.new_stream(mx.cpu)
    x = failing(s)
    mx.async_eval(x)
    mx.synchronize(other)
    assert "inv" in fails(lambda: mx.synchronize(s))
    mx.synchronize(s)
    fails(x.tolist)
    mx.synchronize(s)


def test_the_first_of_several_failures_is_told():
    s = mx.new_stream(mx.cpu)
    first, second = failing(s), mx.linalg.cholesky(-mx.eye(3), stream=s)
    mx.async_eval(first)
    mx.async_eval(second)
    mx.async_eval(mx.ones(3, stream=s) + 1)
    assert "inv" in fails(lambda: mx.synchronize(s))
    mx.synchronize(s)
    assert "cholesky" in fails(second.tolist)


def test_a_failure_that_a_read_has_told_of_is_not_told_again():
    s = mx.new_stream(mx.cpu)
    x = failing(s)
    mx.async_eval(x)
    fails(x.tolist)
    mx.synchronize(s)
    y = failing(s)
    mx.async_eval(y)
    fails(lambda: mx.eval(y + 1))
    mx.synchronize(s)


def test_another_error_that_a_read_tells_of_hides_none():
    s = mx.new_stream(mx.cpu)
    mx.async_eval(failing(s))
    fails(lambda: mx.eval(mx.linalg.cholesky(-mx.eye(3), stream=s)))
    assert "inv" in fails(lambda: mx.synchronize(s))


def test_an_eval_that_fails_leaves_nothing_to_the_wait():
    s = mx.new_stream(mx.cpu)
    fails(lambda: mx.eval(failing(s)))
    mx.synchronize(s)


def test_a_context_sets_the_default_stream_and_restores_it_also_after_an_exception():
    before, s, t = mx.default_stream(mx.cpu), mx.new_stream(mx.cpu), mx.new_stream(mx.cpu)
    with mx.stream(s) as nothing:
        assert nothing is None and mx.default_stream(mx.cpu) == s
        with mx.StreamContext(t):
            assert mx.default_stream(mx.cpu) == t
        assert mx.default_stream(mx.cpu) == s
    with pytest.raises(KeyError), mx.stream(s):
        raise KeyError
    assert mx.default_stream(mx.cpu) == before


def test_a_context_can_be_entered_again():
    context, s = mx.stream(mx.cpu), mx.new_stream(mx.cpu)
    for _ in range(2):
        with context:
            assert mx.default_device() == mx.cpu
    mx.set_default_stream(s)
    assert mx.default_stream(mx.cpu) == s


def test_each_thread_has_its_own_default_stream():
    s = mx.new_stream(mx.cpu)
    mx.set_default_stream(s)
    assert in_a_thread(lambda: mx.default_stream(mx.cpu)) != s
    assert mx.default_stream(mx.cpu) == s

    def inside():
        with mx.stream(mx.new_stream(mx.cpu)):
            return (mx.arange(4) * 2).tolist()

    assert in_a_thread(inside) == [0, 2, 4, 6]
    assert mx.default_stream(mx.cpu) == s


def test_a_thread_local_stream_is_a_stream_of_its_own_in_each_thread():
    s = mx.new_thread_local_stream(mx.cpu)

    def default_inside():
        with mx.stream(s):
            return mx.default_stream(mx.cpu)

    here, there = default_inside(), in_a_thread(default_inside)
    assert here == default_inside() and here != there
    assert s == s and s != mx.new_thread_local_stream(mx.cpu)


def test_there_may_be_many_thread_local_streams():
    streams = [mx.new_thread_local_stream(mx.cpu) for _ in range(200)]
    assert [mx.add(i, 1, stream=s).item() for i, s in enumerate(streams)] == list(range(1, 201))


def test_any_thread_may_use_any_stream_and_any_array():
    s, a = mx.new_stream(mx.cpu), mx.arange(1000)
    lazy = mx.sum(a * a, stream=s)
    threads = [
        threading.Thread(target=lambda i=i: results.append(mx.add(lazy, i, stream=s).item()))
        for i in range(8)
    ]
    results = []
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(results) == [332833500 + i for i in range(8)]


def test_results_of_one_stream_serve_another():
    s, t = mx.new_stream(mx.cpu), mx.new_stream(mx.cpu)
    a = mx.ones((100, 100))
    for i in range(20):
        a = mx.add(a, 1, stream=s if i % 2 else t)
    assert mx.sum(a).item() == 21 * 100 * 100


# ---- Memory ----
@in_host_memory
def test_memory_in_use_rises_and_falls_with_arrays():
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    a = mx.ones((1000, 1000)) + 0
    mx.eval(a)
    assert mx.get_active_memory() >= before + 4_000_000 and mx.get_peak_memory() >= before + 4_000_000
    assert mx.get_array_buffer_size(a) == 4_000_000
    del a
    assert mx.get_active_memory() < before + 4_000_000
    mx.clear_cache()
    assert mx.get_cache_memory() == 0


@in_host_memory
def test_limits_give_the_limit_before_and_hold():
    old = mx.set_memory_limit(mx.get_active_memory() + 1_000_000)
    try:
        with pytest.raises(MemoryError):
            mx.eval(mx.ones((1000, 1000)) + 0)
        assert mx.set_memory_limit(old) < old and mx.get_memory_limit() == old
    finally:
        mx.set_memory_limit(old)
    cache = mx.set_cache_limit(0)
    mx.eval(mx.ones((1000, 1000)) + 0)
    assert mx.get_cache_memory() == 0 and mx.set_cache_limit(cache) == 0


# ---- Printing ----
def test_print_options_set_the_decimals_until_the_context_ends():
    a = mx.array([3.14159, 2.0])
    with mx.printoptions(precision=2):
        assert repr(a) == "array([3.14, 2.00], dtype=float32)" or "3.14" in repr(a)
        assert mx.get_printoptions().precision == 2
    assert mx.get_printoptions().precision == -1 and "3.14159" in repr(a)
    mx.set_printoptions(precision=1)
    assert "3.1" in repr(a) and "3.14" not in repr(a)
    options = mx.PrintOptions(4)
    options.precision = 3
    assert options.precision == 3


# ---- Dtypes ----
@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_finfo_tells_what_numpy_tells(name):
    ours, theirs = mx.finfo(getattr(mx, name)), np.finfo(name)
    for field in ("bits", "min", "max", "eps", "smallest_normal"):
        assert getattr(ours, field) == getattr(theirs, field)
    assert ours.dtype == getattr(mx, name)


def test_finfo_of_bfloat16_and_complex64():
    b = mx.finfo(mx.bfloat16)
    assert (b.bits, b.eps, b.smallest_normal) == (16, 2.0**-7, 2.0**-126) and b.max == -b.min == (
        2 - 2**-7
    ) * 2.0**127
    c = mx.finfo(mx.complex64)
    assert c.max == np.finfo(np.float32).max and c.eps == 2.0**-23


@pytest.mark.parametrize("name", INTEGERS)
def test_iinfo_tells_what_numpy_tells(name):
    ours, theirs = mx.iinfo(getattr(mx, name)), np.iinfo(name)
    assert (ours.min, ours.max, ours.dtype) == (theirs.min, theirs.max, getattr(mx, name))


# ---- The array API standard ----
def test_the_namespace_tells_its_dtypes_devices_and_capabilities():
    info = mx.__array_namespace_info__()
    assert info.default_device() == mx.default_device() and info.devices() == (mx.Device(mx.cpu),)
    assert info.capabilities() == {
        "boolean indexing": True,
        "data-dependent shapes": True,
        "max dimensions": 32,
    }
    assert info.default_dtypes() == {
        "real floating": mx.float32, "complex floating": mx.complex64, "integral": mx.int32, "indexing": mx.int32,
    }  # fmt: skip
    assert info.dtypes()["bool"] == mx.bool_ and len(info.dtypes()) == 12
    assert info.dtypes(kind="real floating") == {"float32": mx.float32, "float64": mx.float64}
    assert set(info.dtypes(kind=("bool", "unsigned integer"))) == {
        "bool",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    }
    assert info.dtypes(device=mx.Device(mx.cpu), kind=()) == {}
    for wrong in (dict(kind="x"), dict(kind=1), dict(device=1)):
        with pytest.raises((ValueError, TypeError)):
            info.dtypes(**wrong)


@pytest.mark.parametrize(
    "kind, members",
    [
        ("bool", "bool_"),
        ("signed integer", "int8 int16 int32 int64"),
        ("unsigned integer", "uint8 uint16 uint32 uint64"),
        ("real floating", "float16 bfloat16 float32 float64"),
        ("complex floating", "complex64"),
    ],
)
def test_isdtype_knows_the_kinds_of_the_standard(kind, members):
    assert [t for t in EVERY if mx.isdtype(getattr(mx, t), kind)] == members.split()
    assert all(mx.isdtype(getattr(mx, t), (kind, mx.bool_)) for t in members.split())
    assert all(mx.isdtype(getattr(mx, t), "numeric") for t in members.split()) == (kind != "bool")
