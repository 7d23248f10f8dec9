"""No call crashes, hangs or is silently accepted: wrong_calls.py is the table of wrong calls, good_calls.py of good ones
to spoil."""

import ast
import builtins
import enum
import re

import good_calls
import mlx.core as mx
import pytest
from wrong_calls import GROUPS, WRONG

# Public names that need no row, and why.
EXEMPT = {
    "ArrayAt": "made by x.at alone",
    "ArrayIterator": "made by iter alone",
    "AxisError": "an exception",
    "Dtype": "made by the module alone",
    "distributed.Group": "made by init alone",
    "Stream": "made by new_stream alone",
    "ThreadLocalStream": "made by new_thread_local_stream alone",
    "random.__getattr__": "mx.random.nothing is its row",
}  # fmt: skip

# No good call to spoil: these write files, change the process or are of an absent backend. Their wrong calls are rows.
NOT_SPOILT = {
    "clear_streams", "disable_compile", "enable_compile", "export_function", "exporter", "export_to_dot",
    "FunctionExporter", "import_function", "load", "random.seed", "save", "save_gguf", "save_safetensors",
    "savez", "savez_compressed", "set_cache_limit", "set_default_device", "set_default_stream", "set_memory_limit",
    "set_wired_limit", "metal.set_cache_limit", "metal.set_memory_limit", "metal.set_wired_limit", "metal.start_capture",
    "metal.stop_capture", "fast.precompiled_cuda_kernel", "distributed.send", "distributed.recv",
    "distributed.recv_like",
}  # fmt: skip
# Nothing is wrong: these take any object. An error of an array given to async_eval comes when it is read.
NEVER_WRONG = {"ArrayLike", "async_eval"}


def expand(call):
    """(call, name) for each name in braces."""
    for group, names in GROUPS.items():
        call = call.replace("{" + group, "{" + names)
    found = re.search(r"\{(\w+(?:\|\w+)*)\}(?=\()", call)
    if not found:
        return [(call, "")]
    return [(call[: found.start()] + name + call[found.end() :], name) for name in found[1].split("|")]


def rows():
    for line in WRONG.strip().splitlines():
        if not line:
            continue
        call, expected = line.split(" => ")
        error, text = expected.split(": ", 1)
        for one, name in expand(call):
            yield one, error, text.replace("@", name) if name else text


def function_of(call):
    """`random.key` of mx.random.key(1), `x.sum` of x.sum(5), `x.at.add` of x.at[0].add(1)."""
    call = re.sub(r"^(\w+)\.at\[.*?\]\.", "x.at.", call)
    found = re.match(r"mx\.((?:(?:random|fast|fft|linalg|cuda|metal|distributed)\.)?\w+)", call)
    if found:
        return found[1]
    found = re.match(r"(?:x|v|u|s|b)\.((?:at\.)?\w+)", call)
    return "x." + found[1] if found else call


GOOD = [call for call in good_calls.CALLS.splitlines() if call]
ROWS = list(rows())


def public_functions():
    modules = {"": mx} | {m + ".": getattr(mx, m) for m in dir(mx) if isinstance(getattr(mx, m), type(mx))}
    for prefix, module in modules.items():
        for name in dir(module):
            value = getattr(module, name)
            hidden = name.startswith("_") or isinstance(value, enum.EnumType)
            if callable(value) and not hidden and prefix + name not in EXEMPT:
                yield prefix + name
    for prefix, kind in ("x.", mx.array), ("x.at.", mx.ArrayAt):
        yield from (prefix + n for n in dir(kind) if not n.startswith("_") and callable(getattr(kind, n)))


def arrays_in(o):
    if isinstance(o, mx.array):
        return [o]
    return [a for part in o for a in arrays_in(part)] if isinstance(o, (list, tuple)) else []


def run(call):
    """Evaluates the call and its results, but not those that only a view of few bytes makes large."""
    result = eval(call, good_calls.names())
    mx.eval([a for a in arrays_in(result) if a.size < 1 << 24])
    return result


@pytest.fixture(autouse=True)
def default_print_options():
    yield
    mx.set_printoptions()


def test_every_public_function_has_good_and_wrong_calls():
    good, wrong = ({function_of(call) for call in table} for table in (GOOD, [call for call, _, _ in ROWS]))
    assert sorted(set(public_functions()) - good - NOT_SPOILT) == []
    assert sorted(set(public_functions()) - wrong - NEVER_WRONG) == []


@pytest.mark.parametrize("call", GOOD)
def test_good_calls_work(call):
    run(call)


@pytest.mark.parametrize("call, error, text", ROWS, ids=[call for call, _, _ in ROWS])
def test_a_wrong_call_says_what_was_expected(call, error, text):
    kind = mx.AxisError if error == "AxisError" else getattr(builtins, error)
    with pytest.raises(kind) as info:
        run(call)
    assert re.match(re.sub(r"(\\ )?\\\.\\\.\\\.", ".*", re.escape(text)), str(info.value)), str(info.value)


def test_an_axis_error_is_an_index_error_and_a_value_error():
    assert issubclass(mx.AxisError, IndexError) and issubclass(mx.AxisError, ValueError)


# ---- Every argument of a good call, spoilt ----
HOSTILE = """None|"abc"|-1|0|2**31|2**62|2**63|-2**63|10**30|1.5|nan|inf|[[1, 2], [3]]|[]|(2**62, 2**62)|(-1, -1)|(0,)
x|i|u|b|z|h|d|s|none|empty|cube|object()|mx.float32|mx.bool_|mx.complex64|{}|b"ab"|True|[x, x]|[None]|np.ones(3)
np.array(["a"])|tuple(range(9))|mx.array(2**62)|mx.array([-5, 7, 100])|mx.array([2**62, -(2**62)])|mx.zeros((1,) * 12)
mx.broadcast_to(i[0], (2**31, 2**31))|"\\ud800"|fn|[1, "a"]|(None,)""".replace("\n", "|").split("|")
TYPED = TypeError, ValueError, IndexError, MemoryError, NotImplementedError, AttributeError, BufferError


def spoilt(call):
    """The call with each argument, by position or name, replaced by each hostile value."""
    tree = ast.parse(call, mode="eval").body
    places = [(tree.args, i) for i in range(len(tree.args))] + [(k, "value") for k in tree.keywords]
    for holder, at in places:
        get, put = (getattr, setattr) if at == "value" else (list.__getitem__, list.__setitem__)
        before = get(holder, at)
        for value in HOSTILE:
            put(holder, at, ast.parse(value, mode="eval").body)
            yield ast.unparse(tree)
        put(holder, at, before)


@pytest.mark.parametrize("call", GOOD)
def test_a_spoilt_argument_gives_a_typed_error_or_a_result(call):
    names = good_calls.names()
    for wrong in spoilt(call):
        try:
            result = eval(wrong, names)
            mx.eval([a for a in arrays_in(result) if a.size < 1 << 24])
        except TYPED:
            pass
        except RuntimeError as e:  # of the library: a matrix that is singular
            assert str(e).startswith("["), wrong


# Their errors are those of the function that they call.
OF_CALLBACKS = {"checkpoint", "compile", "custom_function", "grad", "jvp", "value_and_grad", "vjp", "vmap"}
# Errors of arguments that can't be built, of strings without an encoding, and of foreign objects.
OF_OTHERS = r"\[malloc\]|\[broadcast_to\] expected a shape whose size|'utf-8' codec|DLPack only supports"


@pytest.mark.parametrize("call", [c for c in GOOD if function_of(c) not in OF_CALLBACKS])
def test_an_error_names_the_function_that_was_called(call):
    names, name = good_calls.names(), function_of(call).rsplit(".", 1)[-1].lower()
    if function_of(call).startswith("x.at."):
        name = rf"at\.{name}|array"
    named = re.compile(
        rf"(\[(?:{name})(_\w+)?\] |(mlx\.core\.\w+\.)?({name})\(\)|{OF_OTHERS})", re.IGNORECASE
    )
    for wrong in spoilt(call):
        try:
            eval(wrong, names)
        except (*TYPED, RuntimeError) as e:
            assert named.match(str(e)), (wrong, str(e))


VARIADIC = {
    "async_eval", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_shapes", "einsum", "einsum_path",
    "eval", "get_array_buffer_size", "meshgrid", "result_type", "reshape", "transpose",
}  # fmt: skip


@pytest.mark.parametrize("call", GOOD)
def test_too_many_unknown_and_missing_arguments_raise_type_errors_that_name_the_function(call):
    name = function_of(call).rsplit(".", 1)[-1]
    tree = ast.parse(call, mode="eval").body
    if isinstance(tree.func, ast.Call) or name in VARIADIC:
        return
    for extra in ("0, " * 20)[:-2], "unknown=1":
        text = f"{ast.unparse(tree)[:-1]}{', ' if tree.args or tree.keywords else ''}{extra})"
        if tree.keywords and extra != "unknown=1":
            continue
        with pytest.raises(TypeError, match=name):
            eval(text, good_calls.names())
