"""tools/check_layers.py, on graphs of calls with and without faults; a C test runs it on the library that was built."""

import importlib.util
import pathlib

import pytest

PATH = pathlib.Path(__file__).parents[2] / "tools" / "check_layers.py"


@pytest.fixture
def layers(monkeypatch):
    spec = importlib.util.spec_from_file_location("check_layers", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "UPCALLS", {})
    monkeypatch.setattr(module, "CIRCLES", {})
    return module


def test_calls_down_and_within_a_folder_are_fine(layers):
    edges = {("ops/fft", "core/node"): {"mxi_apply"}, ("core/node", "core/array"): {"mxi_array_new"}}
    assert layers.upward(edges) == layers.circles(edges) == []


@pytest.mark.parametrize(
    "pair", [("core/array", "engine/run"), ("ops/fft", "cpu/fft"), ("ops/fft", "engine/run")]
)
def test_a_call_upward_or_across_is_a_fault_that_names_it(layers, pair):
    (fault,) = layers.upward({pair: {"mxi_call"}})
    assert fault.startswith(f"{pair[0]} uses mxi_call of {pair[1]}")


def test_a_declared_upcall_is_fine_and_one_without_callers_is_a_fault(layers, monkeypatch):
    monkeypatch.setattr(layers, "UPCALLS", {"mx_eval": "reading evaluates"})
    assert layers.upward({("core/array", "engine/run"): {"mx_eval"}}) == []
    assert layers.upward({}) == ["nothing calls mx_eval upward any more: take it out"]


def test_a_circle_of_files_is_a_fault_unless_a_reason_excuses_it(layers, monkeypatch):
    edges = {
        ("io/a", "io/b"): {"mxi_x"},
        ("io/b", "io/c"): {"mxi_y"},
        ("io/c", "io/a"): {"mxi_z"},
        ("io/d", "io/a"): {"x"},
    }
    assert layers.circles(edges)[0] == "a circle of files: io/a, io/b, io/c"
    monkeypatch.setattr(layers, "CIRCLES", {("io/a", "io/b", "io/c"): "a reason"})
    assert layers.circles(edges) == []
    assert layers.circles({}) == ["io/a, io/b, io/c is no circle any more: take it out"]


def test_ops_may_be_made_of_each_other_by_their_public_functions(layers):
    edges = {("ops/scan", "ops/gather"): {"mx_take"}, ("ops/gather", "ops/scan"): {"mx_cumsum"}}
    assert layers.circles(edges) == []
    edges = {("ops/scan", "ops/gather"): {"mxi_take"}, ("ops/gather", "ops/scan"): {"mxi_cumsum"}}
    assert layers.circles(edges) != []
