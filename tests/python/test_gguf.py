"""Quantised tensors of GGUF files: every weight of random blocks equals what the format defines, computed here from
the bits, and a language model in such formats runs."""

import importlib.util
import pathlib
import struct
import sys

import mlx.core as mx
import numpy as np
import pytest
from formats import GGUF_BLOCKS, GGUF_REFUSED

# name: ggml's type, elements of a block, its bytes, where its float16 factors stand
FORMATS = {
    "Q4_0": (2, 32, 18, [0]),
    "Q4_1": (3, 32, 20, [0, 2]),
    "Q5_0": (6, 32, 22, [0]),
    "Q5_1": (7, 32, 24, [0, 2]),
    "Q8_0": (8, 32, 34, [0]),
    "Q2_K": (10, 256, 84, [80, 82]),
    "Q3_K": (11, 256, 110, [108]),
    "Q4_K": (12, 256, 144, [0, 2]),
    "Q5_K": (13, 256, 176, [0, 2]),
    "Q6_K": (14, 256, 210, [208]),
    "IQ4_NL": (20, 32, 18, [0]),
    "IQ4_XS": (23, 256, 136, [0]),
}
IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])


# ---- What the formats define ---- blocks (n, bytes) uint8 -> weights (n, elements) float32
def half(blocks: np.ndarray, at: int) -> np.ndarray:
    return np.ascontiguousarray(blocks[:, at : at + 2]).view(np.float16).astype(np.float32)


def fields(octets: np.ndarray, bits: int, runs: int) -> np.ndarray:
    """Integers of `bits` bits: all lowest fields of a run of bytes, then all second ones ...; as int64."""
    n, count = octets.shape
    parts = octets.reshape(n, runs, 1, count // runs) >> (bits * np.arange(8 // bits))[:, None].astype(
        np.uint8
    )
    return (parts & ((1 << bits) - 1)).reshape(n, -1).astype(np.int64)


def grouped(scale: np.ndarray, q: np.ndarray, offset: np.ndarray | float = 0.0) -> np.ndarray:
    """scale (n, groups) times q (n, elements) plus offset (n, groups), in float32."""
    q = q.reshape(*scale.shape, -1).astype(np.float32)
    offset = np.broadcast_to(np.float32(offset), scale.shape)
    return (scale[..., None] * q + offset[..., None]).reshape(len(scale), -1)


def six_bits(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The eight scales and minima in the 12 bytes of Q4_K and Q5_K."""
    a, b, c = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate([a % 64, c % 16 + (a // 64) * 16], axis=1)
    minima = np.concatenate([b % 64, c // 16 + (b // 64) * 16], axis=1)
    return scales.astype(np.float32), minima.astype(np.float32)


def reference(name: str, b: np.ndarray) -> np.ndarray:
    def fifth(at: int) -> np.ndarray:
        return np.unpackbits(b[:, at : at + 4], axis=1, bitorder="little").astype(np.int64)

    match name:
        case "Q4_0":
            return grouped(half(b, 0), fields(b[:, 2:], 4, 1) - 8)
        case "Q4_1":
            return grouped(half(b, 0), fields(b[:, 4:], 4, 1), half(b, 2))
        case "Q5_0":
            return grouped(half(b, 0), fields(b[:, 6:], 4, 1) + 16 * fifth(2) - 16)
        case "Q5_1":
            return grouped(half(b, 0), fields(b[:, 8:], 4, 1) + 16 * fifth(4), half(b, 2))
        case "Q8_0":
            return grouped(half(b, 0), b[:, 2:].view(np.int8))
        case "Q2_K":
            scales, minima = b[:, :16] % 16, b[:, :16] // 16
            return grouped(half(b, 80) * scales, fields(b[:, 16:80], 2, 2), -(half(b, 82) * minima))
        case "Q3_K":
            low, high = fields(b[:, 96:104], 4, 1), fields(b[:, 104:108], 2, 1)
            scales = (low + 16 * high - 32).astype(np.float32)
            return grouped(half(b, 108) * scales, fields(b[:, 32:96], 2, 2) + 4 * fields(b[:, :32], 1, 1) - 4)
        case "Q4_K":
            scales, minima = six_bits(b[:, 4:16])
            return grouped(half(b, 0) * scales, fields(b[:, 16:], 4, 4), -(half(b, 2) * minima))
        case "Q5_K":
            scales, minima = six_bits(b[:, 4:16])
            q = fields(b[:, 48:], 4, 4) + 16 * fields(b[:, 16:48], 1, 1)
            return grouped(half(b, 0) * scales, q, -(half(b, 2) * minima))
        case "Q6_K":
            scales = b[:, 192:208].view(np.int8).astype(np.float32)
            q = fields(b[:, :128], 4, 2) + 16 * fields(b[:, 128:192], 2, 2) - 32
            return grouped(half(b, 208) * scales, q)
        case "IQ4_NL":
            return grouped(half(b, 0), IQ4[fields(b[:, 2:], 4, 1)])
        case "IQ4_XS":
            low = np.stack([b[:, 4:8] % 16, b[:, 4:8] // 16], axis=-1).reshape(len(b), 8).astype(np.int64)
            scales = (low + 16 * fields(b[:, 2:4], 2, 2) - 32).astype(np.float32)
            return grouped(half(b, 0) * scales, IQ4[fields(b[:, 8:], 4, 8)])
    raise ValueError(name)


# ---- Files ----
def random_blocks(name: str, shape: tuple, seed: int = 0, size: float = 1.0) -> np.ndarray:
    """Random blocks for a tensor of this shape, of any bits but finite factors: (blocks, bytes)."""
    _, elements, octets, factors = FORMATS[name]
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (int(np.prod(shape)) // elements, octets), dtype=np.uint8)
    for at in factors:
        values = rng.normal(size=len(blocks)) * size * 10.0 ** rng.integers(-5, 1, len(blocks))
        blocks[:, at : at + 2] = values.astype(np.float16).view(np.uint8).reshape(-1, 2)
    return blocks


def string(s: str) -> bytes:
    return struct.pack("<Q", len(s.encode())) + s.encode()


def value(v) -> bytes:
    match v:
        case str():
            return struct.pack("<I", 8) + string(v)
        case int():
            return struct.pack("<II", 4, v)
        case float():
            return struct.pack("<If", 6, v)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(v)) + b"".join(map(string, v))
        case _:
            return struct.pack("<IIQ", 9, 5, len(v)) + struct.pack(f"<{len(v)}i", *v)


def write_gguf(path: pathlib.Path, tensors: dict, metadata: dict | None = None) -> None:
    """tensors: name -> (type, shape, bytes), the shape outermost first."""
    metadata = metadata or {}
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, v in metadata.items():
        head += string(key) + value(v)
    offset, data = 0, b""
    for name, (kind, shape, octets) in tensors.items():
        head += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, len(data))
        data += octets + bytes(-len(octets) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def dequantized(arrays: dict, stem: str, name: str, columns: int) -> mx.array:
    """The weights by the affine form, in float32; group size and bits follow from the shapes."""
    packed, scales, biases = arrays[name], arrays[f"{stem}.scales"], arrays[f"{stem}.biases"]
    group, bits = columns // scales.shape[-1], 32 * packed.shape[-1] // columns
    if packed.ndim == 1:
        packed, scales, biases = packed[None], scales[None], biases[None]
    return mx.dequantize(packed, scales.astype(mx.float32), biases.astype(mx.float32), group, bits)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("shape", [(3, 768), (2, 5, 256), (1280,), (1, 256), (0, 256)])
def test_every_weight_is_what_the_format_defines(tmp_path, name, shape):
    blocks = random_blocks(name, shape)
    write_gguf(tmp_path / "a.gguf", {"x.weight": (FORMATS[name][0], shape, blocks.tobytes())})
    arrays = mx.load(tmp_path / "a.gguf")
    assert sorted(arrays) == ["x.biases", "x.scales", "x.weight"]
    got = np.array(dequantized(arrays, "x", "x.weight", shape[-1])).reshape(shape)
    want = reference(name, blocks).reshape(shape) if blocks.size else np.zeros(shape)
    assert np.array_equal(got, want)


@pytest.mark.parametrize("name", FORMATS)
def test_extreme_blocks_are_exact(tmp_path, name):
    """All bits set or clear, and factors at the ends of float16's range."""
    kind, elements, octets, factors = FORMATS[name]
    blocks = np.repeat(np.array([[0], [255], [0], [255]], np.uint8), octets, axis=1)
    for at in factors:
        blocks[:, at : at + 2] = (
            np.array([65504, -65504, 6e-8, 6e-8], np.float16).view(np.uint8).reshape(4, 2)
        )
    write_gguf(tmp_path / "a.gguf", {"x": (kind, (4, elements), blocks.tobytes())})
    got = dequantized(mx.load(tmp_path / "a.gguf"), "x", "x", elements)
    assert np.array_equal(np.array(got), reference(name, blocks))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rows", [1, 6, 50])
def test_products_use_the_packed_weights(tmp_path, name, rows):
    shape = (40, 512)
    blocks = random_blocks(name, shape)
    write_gguf(tmp_path / "a.gguf", {"x.weight": (FORMATS[name][0], shape, blocks.tobytes())})
    a = mx.load(tmp_path / "a.gguf")
    w = reference(name, blocks).reshape(shape).astype(np.float64)
    format = {"group_size": 512 // a["x.scales"].shape[-1], "bits": a["x.weight"].shape[-1] * 32 // 512}
    parts = a["x.weight"], a["x.scales"].astype(mx.float32), a["x.biases"].astype(mx.float32)
    scales, biases = np.abs(np.array(parts[1])), np.abs(np.array(parts[2]))
    terms = np.repeat(2.0 ** format["bits"] * scales + biases, format["group_size"], axis=1)
    for transpose in [True, False]:
        x = np.random.default_rng(1).normal(size=(rows, 512 if transpose else 40)).astype(np.float32)
        got = mx.quantized_matmul(mx.array(x), *parts, transpose=transpose, **format)
        want = x.astype(np.float64) @ (w.T if transpose else w)
        size = np.abs(x).astype(np.float64) @ (terms.T if transpose else terms)
        assert np.all(np.abs(np.array(got) - want) <= 1e-6 * size)


@pytest.mark.parametrize("name", [n for n, (_, elements, *_) in FORMATS.items() if elements == 256])
def test_rows_of_broken_blocks_are_refused(tmp_path, name):
    kind, _, octets, _ = FORMATS[name]
    for shape in [(2, 128), (256, 255), ()]:
        write_gguf(tmp_path / "a.gguf", {"x": (kind, shape, bytes(octets))})
        with pytest.raises(ValueError, match="blocks of 256"):
            mx.load(tmp_path / "a.gguf")
    write_gguf(tmp_path / "a.gguf", {"x": (kind, (2, 256), bytes(2 * octets - 32))})
    with pytest.raises(ValueError, match="bytes"):
        mx.load(tmp_path / "a.gguf")


def test_mxfp4_is_the_format_of_that_name(tmp_path):
    """A block: an exponent, then nibbles of floats of 4 bits: sign, two bits of exponent, one of mantissa."""
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (3 * 2, 17), dtype=np.uint8)
    blocks[:, 0] = rng.integers(100, 150, 6)
    write_gguf(tmp_path / "a.gguf", {"x.weight": (39, (3, 64), blocks.tobytes())})
    arrays = mx.load(tmp_path / "a.gguf")
    assert sorted(arrays) == ["x.scales", "x.weight"]
    got = mx.dequantize(arrays["x.weight"], arrays["x.scales"], mode="mxfp4", dtype=mx.float32)
    values = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
    q = fields(blocks[:, 1:], 4, 1)
    want = np.where(q < 8, 1, -1) * values[q % 8] * np.exp2(blocks[:, :1].astype(np.float32) - 127)
    assert np.array_equal(np.array(got), want.reshape(3, 64))


def test_every_type_of_blocks_that_is_read_is_tested_here():
    tested = {name: kind for name, (kind, *_) in FORMATS.items()}
    assert tested | {"MXFP4": 39} == GGUF_BLOCKS


def test_other_types_are_refused_by_name(tmp_path):
    for name, kind in [*GGUF_REFUSED.items(), ("type", 99)]:
        write_gguf(tmp_path / "a.gguf", {"x": (kind, (256,), bytes(1024))})
        with pytest.raises(ValueError, match=name):
            mx.load(tmp_path / "a.gguf")


# ---- A model ----
def chat_module():
    path = pathlib.Path(__file__).parents[2] / "examples" / "python" / "chat.py"
    spec = importlib.util.spec_from_file_location("chat", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat"] = module
    spec.loader.exec_module(module)
    return module


def test_the_chat_example_runs_models_of_mixed_formats(tmp_path):
    """Like llama.cpp's Q4_K_M: most matrices Q4_K, some Q6_K; the logits are those of the dense weights."""
    dim, hidden, heads, words, layers = 256, 512, 4, 300, 2
    rng = np.random.default_rng(0)
    metadata = {"general.architecture": "llama"} | {
        f"llama.{k}": v
        for k, v in {
            "embedding_length": dim,
            "feed_forward_length": hidden,
            "block_count": layers,
            "attention.head_count": heads,
            "attention.head_count_kv": heads // 2,
            "attention.layer_norm_rms_epsilon": 1e-5,
        }.items()
    }
    shapes = {"token_embd": ((words, dim), "Q6_K"), "output": ((words, dim), "Q5_K")}
    for i in range(layers):
        shapes |= {
            f"blk.{i}.attn_q": ((dim, dim), "Q4_K"),
            f"blk.{i}.attn_k": ((dim // 2, dim), "Q4_K"),
            f"blk.{i}.attn_v": ((dim // 2, dim), "Q6_K"),
            f"blk.{i}.attn_output": ((dim, dim), "Q3_K"),
            f"blk.{i}.ffn_gate": ((hidden, dim), "Q2_K"),
            f"blk.{i}.ffn_up": ((hidden, dim), "Q4_K"),
            f"blk.{i}.ffn_down": ((dim, hidden), "Q6_K"),
        }
    packed, dense = {}, {}
    for seed, (name, (shape, format)) in enumerate(shapes.items()):
        blocks = random_blocks(format, shape, seed, 1e-3)
        packed[f"{name}.weight"] = (FORMATS[format][0], shape, blocks.tobytes())
        dense[f"{name}.weight"] = (0, shape, reference(format, blocks).tobytes())
    norms = ["output_norm"] + [f"blk.{i}.{part}_norm" for i in range(layers) for part in ("attn", "ffn")]
    for name in norms:
        vector = (0, (dim,), (1 + rng.normal(size=dim) * 0.1).astype(np.float32).tobytes())
        packed[f"{name}.weight"] = dense[f"{name}.weight"] = vector
    write_gguf(tmp_path / "packed.gguf", packed, metadata)
    write_gguf(tmp_path / "dense.gguf", dense, metadata)
    chat = chat_module()
    logits = []
    for file in ["packed.gguf", "dense.gguf"]:
        model, _ = chat.load(str(tmp_path / file))
        caches = [chat.Cache() for _ in model.blk]
        first = model(mx.array([[1, 2, 3, 4, 5]]), caches)
        logits.append(np.array(mx.concatenate([first, model(mx.array([[7]]), caches)])))
    assert np.all(np.isfinite(logits[1])) and np.abs(logits[1]).max() > 0
    assert np.allclose(logits[0], logits[1], atol=2e-3 * np.abs(logits[1]).max())
