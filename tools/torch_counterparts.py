"""What layers, losses, optimizers and schedules are called in PyTorch, and how their parameters lie there: the tables of
compare_layers_with_torch.py."""

from dataclasses import dataclass, field

import numpy as np

# ---- Layers ----
# What differs between the layouts: our parameters -> PyTorch's, all as NumPy arrays. None of them depends on values, so
# gradients go the same way.


def same(p):
    return p


def channels_first(x):
    """(N, ..., C) -> (N, C, ...)"""
    return np.moveaxis(x, -1, 1) if x.ndim > 2 else x


def convolution(p):
    return p | {"weight": channels_first(p["weight"])}


def transposed_convolution(p):
    """(out, K..., in) -> (in, out, K...)"""
    return p | {"weight": np.moveaxis(p["weight"], -1, 0)}


def bilinear(p):
    return p | {"weight": p["weight"].swapaxes(1, 2)}


def recurrent(inputs, states, bias):
    def theirs(p):
        r = {"weight_ih_l0": p[inputs], "weight_hh_l0": p[states]}
        if bias in p:
            r["bias_ih_l0"], r["bias_hh_l0"] = p[bias], np.zeros_like(p[bias])
        if "bhn" in p:
            r["bias_hh_l0"] = np.concatenate([0 * p["bhn"], 0 * p["bhn"], p["bhn"]])
        return r

    return theirs


def attention(p, ours="", theirs=""):
    """Three projections in one; ours have no bias unless they are asked for."""
    parts = [p[f"{ours}{name}_proj.weight"] for name in ("query", "key", "value")]
    r = {
        f"{theirs}in_proj_weight": np.concatenate(parts),
        f"{theirs}out_proj.weight": p[f"{ours}out_proj.weight"],
    }
    if f"{ours}query_proj.bias" in p:
        parts = [p[f"{ours}{name}_proj.bias"] for name in ("query", "key", "value")]
        return r | {
            f"{theirs}in_proj_bias": np.concatenate(parts),
            f"{theirs}out_proj.bias": p[f"{ours}out_proj.bias"],
        }
    size = r[f"{theirs}in_proj_weight"].shape
    return r | {f"{theirs}in_proj_bias": np.zeros(size[0]), f"{theirs}out_proj.bias": np.zeros(size[1])}


def transformer_layer(p, ours="", theirs=""):
    own = (
        ("self_attention", "cross_attention")
        if f"{ours}self_attention.out_proj.weight" in p
        else ("attention",)
    )
    r = {}
    for name, other in zip(own, ("self_attn", "multihead_attn")):
        r |= attention(p, f"{ours}{name}.", f"{theirs}{other}.")
    for name, value in p.items():
        part, _, kind = name.removeprefix(ours).rpartition(".")
        if name.startswith(ours) and part in ("ln1", "ln2", "ln3", "linear1", "linear2"):
            r[f"{theirs}{part.replace('ln', 'norm')}.{kind}"] = value
    return r


def stack(p, ours="", theirs=""):
    r = {f"{theirs}norm.{kind}": p[f"{ours}ln.{kind}"] for kind in ("weight", "bias")}
    numbers = {name.removeprefix(ours).split(".")[1] for name in p if name.startswith(f"{ours}layers.")}
    for i in numbers:
        r |= transformer_layer(p, f"{ours}layers.{i}.", f"{theirs}layers.{i}.")
    return r


def encoder_and_decoder(p):
    return stack(p, "encoder.", "encoder.") | stack(p, "decoder.", "decoder.")


@dataclass
class Layer:
    """`ours` and `theirs` are expressions of a function of the inputs; modules bring parameters."""

    ours: str
    theirs: str
    inputs: list  # shapes of normal numbers, or expressions of NumPy arrays from `rng`
    parameters: object = same
    images: bool = False  # (N, ..., C) here, (N, C, ...) there
    ours_too: str = "{}"  # keyword arguments of the call
    theirs_too: str = "{}"
    ignore: tuple = ()  # ends of the names of parameters that ours lack


def activations():
    plain = {
        "nn.relu": "F.relu", "nn.relu6": "F.relu6", "nn.leaky_relu": "F.leaky_relu", "nn.elu": "F.elu", "nn.celu": "F.celu",
        "nn.selu": "F.selu", "nn.sigmoid": "torch.sigmoid", "nn.log_sigmoid": "F.logsigmoid", "nn.softplus": "F.softplus",
        "nn.silu": "F.silu", "nn.mish": "F.mish", "nn.gelu": "F.gelu", "nn.gelu_approx": "partial(F.gelu, approximate='tanh')",
        "nn.tanh": "torch.tanh", "nn.hard_tanh": "F.hardtanh", "nn.hardswish": "F.hardswish", "nn.softsign": "F.softsign",
        "nn.hard_shrink": "F.hardshrink", "nn.softshrink": "F.softshrink", "nn.softmax": "partial(F.softmax, dim=-1)",
        "nn.softmin": "partial(F.softmin, dim=-1)", "nn.log_softmax": "partial(F.log_softmax, dim=-1)",
        "nn.glu": "partial(F.glu, dim=-1)", "partial(nn.elu, alpha=0.7)": "partial(F.elu, alpha=0.7)",
        "partial(nn.celu, alpha=0.7)": "partial(F.celu, alpha=0.7)",
        "partial(nn.softmax, axis=0)": "partial(F.softmax, dim=0)",
    }  # fmt: skip
    for ours, theirs in plain.items():
        yield Layer(ours, theirs, ["3 * rng.standard_normal((7, 40))"])
    modules = {
        "nn.CELU(0.6)": "nn.CELU(0.6)", "nn.ELU(0.6)": "nn.ELU(0.6)", "nn.GELU()": "nn.GELU()",
        "nn.GELU('tanh')": "nn.GELU('tanh')", "nn.GLU()": "nn.GLU()", "nn.SELU()": "nn.SELU()",
        "nn.HardShrink(0.7)": "nn.Hardshrink(0.7)", "nn.HardTanh()": "nn.Hardtanh()", "nn.Hardswish()": "nn.Hardswish()",
        "nn.LeakyReLU(0.2)": "nn.LeakyReLU(0.2)", "nn.LogSigmoid()": "nn.LogSigmoid()",
        "nn.LogSoftmax()": "nn.LogSoftmax(-1)", "nn.Mish()": "nn.Mish()", "nn.ReLU()": "nn.ReLU()", "nn.ReLU6()": "nn.ReLU6()",
        "nn.SiLU()": "nn.SiLU()", "nn.Sigmoid()": "nn.Sigmoid()", "nn.Softmax()": "nn.Softmax(-1)",
        "nn.Softmin()": "nn.Softmin(-1)", "nn.Softplus()": "nn.Softplus()", "nn.Softshrink(0.7)": "nn.Softshrink(0.7)",
        "nn.Softsign()": "nn.Softsign()", "nn.Tanh()": "nn.Tanh()", "nn.PReLU()": "nn.PReLU()", "nn.Identity()": "nn.Identity()",
        "nn.Dropout(0.3).eval()": "nn.Dropout(0.3).eval()",
    }  # fmt: skip
    for ours, theirs in modules.items():
        yield Layer(ours, theirs, [(7, 40)])
    yield Layer("nn.PReLU(5)", "nn.PReLU(5)", [(2, 7, 5)], images=True)
    yield Layer("nn.Dropout2d(0.3).eval()", "nn.Dropout2d(0.3).eval()", [(2, 4, 5, 3)], images=True)
    yield Layer("nn.Dropout3d(0.3).eval()", "nn.Dropout3d(0.3).eval()", [(2, 4, 2, 5, 3)], images=True)


def large():
    """Sums of many."""
    yield Layer("nn.Linear(2048, 512)", "nn.Linear(2048, 512)", [(64, 2048)])
    yield Layer(
        "nn.Conv2d(64, 64, 3, 1, 1)",
        "nn.Conv2d(64, 64, 3, 1, 1)",
        [(2, 28, 28, 64)],
        convolution,
        images=True,
    )
    yield Layer("nn.LayerNorm(4096)", "nn.LayerNorm(4096)", [(32, 4096)])
    yield Layer("nn.BatchNorm(8)", "nn.BatchNorm2d(8)", [(8, 40, 40, 8)], images=True)
    yield Layer(
        "nn.MultiHeadAttention(64, 4)",
        "(lambda l: lambda *x: l(*x)[0])(nn.MultiheadAttention(64, 4, batch_first=True))",
        [(2, 300, 64)] * 3,
        attention,
        ignore=("in_proj_bias", "out_proj.bias"),
    )
    yield Layer(
        "nn.GRU(16, 32)",
        "(lambda l: lambda x: l(x)[0])(nn.GRU(16, 32, batch_first=True))",
        [(4, 80, 16)],
        recurrent("Wx", "Wh", "b"),
        ignore=("bias_hh_l0",),
    )
    yield Layer("nn.losses.cross_entropy", "partial(F.cross_entropy, reduction='none')",
                ["5 * rng.standard_normal((40, 5000))", "rng.integers(0, 5000, 40)"])  # fmt: skip


def linear_layers():
    for bias in (True, False):
        yield Layer(f"nn.Linear(64, 33, bias={bias})", f"nn.Linear(64, 33, bias={bias})", [(5, 7, 64)])
        yield Layer(
            f"nn.Bilinear(8, 9, 10, bias={bias})",
            f"nn.Bilinear(8, 9, 10, bias={bias})",
            [(6, 8), (6, 9)],
            bilinear,
        )
    ids = "rng.integers(0, 20, (4, 6))"
    yield Layer("nn.Embedding(20, 9)", "nn.Embedding(20, 9)", [ids])
    yield Layer(
        "nn.Embedding(20, 9).as_linear",
        "(lambda e: lambda x: F.linear(x, e.weight))(nn.Embedding(20, 9))",
        [(3, 9)],
    )


def convolutions():
    rows = [
        (1, "6, 8, 3", (2, 20)), (1, "6, 8, 5, 2, 2, 1", (2, 21)), (1, "6, 8, 3, 1, 2, 2", (2, 21)),
        (1, "6, 9, 3, 2, 1, groups=3", (2, 21)), (1, "6, 8, 4, bias=False", (2, 20)),
        (2, "6, 8, 3", (2, 12, 13)), (2, "6, 8, (3, 5), (2, 1), (1, 2)", (2, 12, 13)), (2, "6, 8, 3, 1, 2, 2", (2, 12, 13)),
        (2, "6, 12, 3, 2, 1, groups=3", (2, 12, 13)), (2, "32, 64, 3, 1, 1", (2, 14, 14)), (2, "6, 6, 3, 1, 1, groups=6", (1, 9, 9)),
        (2, "6, 8, 1, bias=False", (2, 6, 6)), (3, "3, 8, 3", (2, 6, 7, 8)), (3, "3, 8, (2, 3, 1), 2, 1", (2, 6, 7, 8)),
        (3, "3, 8, 2, 1, 2, 2", (1, 6, 7, 8)),
    ]  # fmt: skip
    for dims, arguments, size in rows:
        channels = int(arguments.split(",")[0])
        layer = f"nn.Conv{dims}d({arguments})"
        yield Layer(layer, layer, [(*size, channels)], convolution, images=True)
    rows = [
        (1, "6, 8, 3", (2, 10)), (1, "6, 8, 5, 2, 2, dilation=2, output_padding=1", (2, 10)), (2, "6, 8, 3", (2, 6, 7)),
        (2, "6, 8, (3, 4), (2, 1), (1, 2)", (2, 6, 7)), (2, "6, 8, 3, 2, 1, dilation=2, output_padding=1", (2, 6, 7)),
        (2, "6, 8, 2, 2, bias=False", (2, 6, 7)), (3, "3, 4, 3", (1, 4, 5, 6)), (3, "3, 4, 2, 2, 1, output_padding=1", (1, 4, 5, 6)),
    ]  # fmt: skip
    for dims, arguments, size in rows:
        channels = int(arguments.split(",")[0])
        layer = f"nn.ConvTranspose{dims}d({arguments})"
        yield Layer(layer, layer, [(*size, channels)], transposed_convolution, images=True)


def normalisations():
    for arguments in ("40", "40, eps=1e-3", "40, bias=False"):
        yield Layer(f"nn.LayerNorm({arguments})", f"nn.LayerNorm({arguments})", [(5, 7, 40)])
    yield Layer("nn.LayerNorm(40, affine=False)", "nn.LayerNorm(40, elementwise_affine=False)", [(5, 7, 40)])
    yield Layer("nn.RMSNorm(40)", "nn.RMSNorm(40, eps=1e-5)", [(5, 7, 40)])
    for affine in (True, False):
        yield Layer(f"nn.GroupNorm(3, 12, affine={affine}, pytorch_compatible=True)", f"nn.GroupNorm(3, 12, affine={affine})",
                    [(4, 5, 6, 12)], images=True)  # fmt: skip
    for dims, size in ((1, (4, 9, 6)), (2, (4, 5, 6, 6)), (3, (2, 3, 4, 5, 6))):
        for affine in (True, False):
            layer = f"nn.InstanceNorm(6, affine={affine})"
            yield Layer(layer, layer.replace("Norm(", f"Norm{dims}d("), [size], images=True)
    for dims, size in ((1, (30, 6)), (1, (4, 9, 6)), (2, (4, 5, 6, 6))):
        for options in ("", ", affine=False", ", track_running_stats=False", ", eps=1e-3, momentum=0.3"):
            layer = f"nn.BatchNorm(6{options})"
            yield Layer(layer, layer.replace("Norm(", f"Norm{dims}d("), [size], images=True)
            yield Layer(
                f"{layer}.eval()", f"{layer.replace('Norm(', f'Norm{dims}d(')}.eval()", [size], images=True
            )


def pools():
    for arguments in ("3", "2, 2", "3, 2, 1", "3, 1, 1"):
        for dims, size in ((1, (2, 13)), (2, (2, 9, 10)), (3, (2, 6, 7, 8))):
            for kind in ("Max", "Avg"):
                layer = f"nn.{kind}Pool{dims}d({arguments})"
                yield Layer(layer, layer, [(*size, 3)], images=True)
    yield Layer("nn.MaxPool2d((2, 3), (1, 2))", "nn.MaxPool2d((2, 3), (1, 2))", [(2, 9, 10, 3)], images=True)


def upsamples():
    names = {
        "nearest": ["nearest"] * 3,
        "linear": ["linear", "bilinear", "trilinear"],
        "cubic": [None, "bicubic", None],
    }
    for dims, size in ((1, (2, 20)), (2, (2, 10, 20)), (3, (1, 10, 10, 20))):
        for mode in names:
            for scale in (2, 3, 0.5) if mode == "nearest" else (2, 3, 1.6, 0.5, 0.7):
                for corners in (False, True) if mode != "nearest" else (False,):
                    if theirs := names[mode][dims - 1]:
                        corner = f", align_corners={corners}" if mode != "nearest" else ""
                        yield Layer(f"nn.Upsample({scale}, '{mode}', {corners})",
                                    f"nn.Upsample(scale_factor={scale}, mode='{theirs}'{corner})", [(*size, 3)], images=True)  # fmt: skip
    for mode in ("linear", "cubic"):
        for scale in (2, 0.4, 0.7):
            yield Layer(f"nn.Upsample({scale}, '{mode}', antialias=True)",
                        f"partial(F.interpolate, scale_factor={scale}, mode='bi{mode}', antialias=True)", [(2, 10, 20, 3)],
                        images=True)  # fmt: skip


def sequences():
    for bias in (True, False):
        rnn, gru, lstm = (
            recurrent("Wxh", "Whh", "bias"),
            recurrent("Wx", "Wh", "b"),
            recurrent("Wx", "Wh", "bias"),
        )
        options = f"6, 10, bias={bias}"
        first = "lambda layer: lambda x, *s: layer(x, *(a[None] for a in s))[0]"
        # ours has one bias for the sum of the products, a GRU's `bhn` aside: its gradient is that of `bias_ih`
        lacks = ("bias_hh_l0",) if bias else ()
        for states in ([], [(3, 10)]):
            yield Layer(f"nn.RNN({options})", f"({first})(nn.RNN({options}, batch_first=True))", [(3, 7, 6), *states], rnn,
                        ignore=lacks)  # fmt: skip
            yield Layer(f"nn.GRU({options})", f"({first})(nn.GRU({options}, batch_first=True))", [(3, 7, 6), *states], gru,
                        ignore=lacks)  # fmt: skip
        yield Layer(f"nn.RNN({options}, nonlinearity=nn.relu)",
                    f"({first})(nn.RNN({options}, nonlinearity='relu', batch_first=True))", [(3, 7, 6)], rnn, ignore=lacks)  # fmt: skip
        yield Layer(f"(lambda l: lambda x: l(x)[0])(nn.LSTM({options}))",
                    f"(lambda l: lambda x: l(x)[0])(nn.LSTM({options}, batch_first=True))", [(3, 7, 6)], lstm, ignore=lacks)  # fmt: skip
        yield Layer(f"(lambda l: lambda x, h, c: (lambda y: (y[0], y[0][:, -1], y[1][:, -1]))(l(x, h, c)))(nn.LSTM({options}))",
                    f"(lambda l: lambda x, h, c: (lambda y, s: (y, s[0][0], s[1][0]))(*l(x, (h[None], c[None]))))"
                    f"(nn.LSTM({options}, batch_first=True))", [(3, 7, 6), (3, 10), (3, 10)], lstm, ignore=lacks)  # fmt: skip


def transformers():
    causal = {
        "ours_too": "{'mask': 'causal'}",
        "theirs_too": "{'attn_mask': future(5), 'is_causal': True, 'need_weights': False}",
    }
    q, kv = (3, 5, 16), (3, 6, 16)
    first = "(lambda l: lambda *x, **k: l(*x, **k)[0])"
    for bias in (True, False):
        ours = f"nn.MultiHeadAttention(16, 4, bias={bias})"
        theirs = f"{first}(nn.MultiheadAttention(16, 4, batch_first=True))"
        lacks = () if bias else ("in_proj_bias", "out_proj.bias")
        yield Layer(ours, theirs, [q, kv, kv], attention, ignore=lacks)
        yield Layer(ours, theirs, [q, q, q], attention, ignore=lacks, **causal)
    both = "dropout=0.0, norm_first={}"
    for norm_first in (True, False):
        options = both.format(norm_first)
        theirs_options = f"16, 4, 32, batch_first=True, {options}"
        lacks = ("self_attn.in_proj_bias", "self_attn.out_proj.bias", "multihead_attn.in_proj_bias",
                 "multihead_attn.out_proj.bias")  # fmt: skip
        for activation in ("relu", "gelu"):
            yield Layer(f"nn.TransformerEncoderLayer(16, 4, 32, activation=nn.{activation}, {options})",
                        f"nn.TransformerEncoderLayer({theirs_options}, activation='{activation}')", [q], transformer_layer,
                        ours_too="{'mask': 'causal'}", theirs_too="{'src_mask': future(5)}", ignore=lacks)  # fmt: skip
        yield Layer(f"nn.TransformerDecoderLayer(16, 4, 32, {options})", f"nn.TransformerDecoderLayer({theirs_options})",
                    [q, kv], transformer_layer, ours_too="{'x_mask': 'causal', 'memory_mask': None}",
                    theirs_too="{'tgt_mask': future(5)}", ignore=lacks)  # fmt: skip
        yield Layer(f"nn.TransformerEncoder(2, 16, 4, 32, {options})",
                    f"nn.TransformerEncoder(nn.TransformerEncoderLayer({theirs_options}), 2, nn.LayerNorm(16))", [q], stack,
                    ours_too="{'mask': None}", ignore=lacks)  # fmt: skip
        yield Layer(f"nn.TransformerDecoder(2, 16, 4, 32, {options})",
                    f"nn.TransformerDecoder(nn.TransformerDecoderLayer({theirs_options}), 2, nn.LayerNorm(16))", [q, kv],
                    stack, ours_too="{'x_mask': None, 'memory_mask': None}", ignore=lacks)  # fmt: skip
        yield Layer(f"nn.Transformer(16, 4, 1, 2, 32, {options})", f"nn.Transformer(16, 4, 1, 2, 32, batch_first=True, {options})",
                    [kv, q], encoder_and_decoder,
                    ours_too="{'src_mask': None, 'tgt_mask': 'causal', 'memory_mask': None}",
                    theirs_too="{'tgt_mask': future(5)}", ignore=lacks)  # fmt: skip


def losses():
    x, y = "rng.standard_normal((6, 5))", "rng.standard_normal((6, 5))"
    classes, shares = "rng.integers(0, 5, 6)", "np.exp(log_softmax(rng.standard_normal((6, 5))))"
    signs, inside = "rng.choice([-1.0, 1.0], (6, 5))", "rng.uniform(0.01, 0.99, (6, 5))"
    logs = "log_softmax(rng.standard_normal((6, 5)))"
    rows = [
        ("l1_loss", "", "l1_loss", "", [x, y]), ("mse_loss", "", "mse_loss", "", [x, y]),
        ("smooth_l1_loss", "", "smooth_l1_loss", "", [x, y]), ("smooth_l1_loss", "beta=0.3, ", "smooth_l1_loss", "beta=0.3, ", [x, y]),
        ("huber_loss", "", "huber_loss", "", [x, y]), ("huber_loss", "delta=0.3, ", "huber_loss", "delta=0.3, ", [x, y]),
        ("cross_entropy", "", "cross_entropy", "", [x, classes]), ("cross_entropy", "", "cross_entropy", "", [x, shares]),
        ("cross_entropy", "label_smoothing=0.2, ", "cross_entropy", "label_smoothing=0.2, ", [x, classes]),
        ("cross_entropy", "label_smoothing=0.2, ", "cross_entropy", "label_smoothing=0.2, ", [x, shares]),
        ("binary_cross_entropy", "", "binary_cross_entropy_with_logits", "", [x, inside]),
        ("binary_cross_entropy", "with_logits=False, ", "binary_cross_entropy", "", [inside, inside]),
        ("nll_loss", "", "nll_loss", "", [logs, classes]),
        ("gaussian_nll_loss", "", "gaussian_nll_loss", "", [x, y, inside]),
        ("gaussian_nll_loss", "full=True, ", "gaussian_nll_loss", "full=True, ", [x, y, inside]),
        ("margin_ranking_loss", "margin=0.4, ", "margin_ranking_loss", "margin=0.4, ", [x, y, signs]),
    ]  # fmt: skip
    for ours, our_options, theirs, their_options, inputs in rows:
        for reduction in ("none", "mean", "sum"):
            options = [f"dict({text}reduction='{reduction}')" for text in (our_options, their_options)]
            yield Layer(
                f"nn.losses.{ours}", f"F.{theirs}", inputs, ours_too=options[0], theirs_too=options[1]
            )
    yield Layer("partial(nn.losses.cross_entropy, axis=1)", "partial(F.cross_entropy, reduction='none')",
                ["rng.standard_normal((3, 5, 4))", "rng.integers(0, 5, (3, 4))"])  # fmt: skip
    yield Layer("lambda x, t, w: nn.losses.binary_cross_entropy(x, t, mx.stop_gradient(w))",
                "lambda x, t, w: F.binary_cross_entropy_with_logits(x, t, w.detach())", [x, inside, inside])  # fmt: skip
    yield Layer("partial(nn.losses.kl_div_loss, axis=-1)",
                "lambda x, t: F.kl_div(x, t, reduction='none', log_target=True).sum(-1)", [logs, logs])  # fmt: skip
    yield Layer("nn.losses.cosine_similarity_loss", "F.cosine_similarity", [x, y])
    yield Layer(
        "partial(nn.losses.triplet_loss, eps=0)",
        "partial(F.triplet_margin_loss, eps=0, reduction='none')",
        [x, y, x],
    )
    yield Layer("partial(nn.losses.triplet_loss, eps=0, margin=0.3, p=3)",
                "partial(F.triplet_margin_loss, eps=0, margin=0.3, p=3, reduction='none')", [x, y, x])  # fmt: skip


# ---- Optimizers and schedules ----
@dataclass
class Optimizer:
    ours: str
    theirs: str
    shapes: list = field(default_factory=lambda: [(8, 5), (7,), (3, 4, 2)])


OPTIMIZERS = [
    Optimizer("optim.SGD(0.1)", "optim.SGD(p, 0.1)"),
    Optimizer("optim.SGD(0.1, momentum=0.9)", "optim.SGD(p, 0.1, momentum=0.9)"),
    Optimizer("optim.SGD(0.1, momentum=0.9, nesterov=True)", "optim.SGD(p, 0.1, momentum=0.9, nesterov=True)"),
    Optimizer("optim.SGD(0.1, weight_decay=0.02)", "optim.SGD(p, 0.1, weight_decay=0.02)"),
    Optimizer("optim.SGD(0.1, momentum=0.8, weight_decay=0.02, nesterov=True)",
              "optim.SGD(p, 0.1, momentum=0.8, weight_decay=0.02, nesterov=True)"),
    Optimizer("optim.RMSprop(0.01)", "optim.RMSprop(p, 0.01)"),
    Optimizer("optim.RMSprop(0.01, alpha=0.9, eps=1e-4)", "optim.RMSprop(p, 0.01, alpha=0.9, eps=1e-4)"),
    Optimizer("optim.Adagrad(0.1)", "optim.Adagrad(p, 0.1, eps=1e-8)"),
    Optimizer("optim.AdaDelta(1.0)", "optim.Adadelta(p, 1.0)"),
    Optimizer("optim.AdaDelta(0.5, rho=0.8, eps=1e-4)", "optim.Adadelta(p, 0.5, rho=0.8, eps=1e-4)"),
    Optimizer("optim.Adam(0.01, bias_correction=True)", "optim.Adam(p, 0.01)"),
    Optimizer("optim.Adam(0.01, betas=(0.8, 0.9), eps=1e-4, bias_correction=True)",
              "optim.Adam(p, 0.01, betas=(0.8, 0.9), eps=1e-4)"),
    Optimizer("optim.AdamW(0.01, bias_correction=True)", "optim.AdamW(p, 0.01)"),
    Optimizer("optim.AdamW(0.01, weight_decay=0.3, bias_correction=True)", "optim.AdamW(p, 0.01, weight_decay=0.3)"),
    # ours, as MLX's, has no correction of the bias: here the rate brings it
    Optimizer("optim.Adamax(lambda t: 0.01 / (1 - 0.9 ** (t + 1)), eps=1e-30)", "optim.Adamax(p, 0.01, eps=1e-30)"),
    Optimizer("optim.Adafactor()", "optim.Adafactor(p, eps=(1e-15, 1e-3))"),
    Optimizer("optim.Adafactor(0.005, relative_step=False, clip_threshold=1.2, decay_rate=-0.7)",
              "optim.Adafactor(p, 0.005, eps=(1e-15, 1e-3), d=1.2, beta2_decay=-0.7)"),
    Optimizer("optim.SGD(optim.exponential_decay(0.1, 0.9))", "scheduled(p, lambda o: S.ExponentialLR(o, 0.9))"),
    Optimizer("optim.SGD(optim.step_decay(0.1, 0.5, 6))", "scheduled(p, lambda o: S.StepLR(o, 6, 0.5))"),
    Optimizer("optim.SGD(optim.cosine_decay(0.1, 20))", "scheduled(p, lambda o: S.CosineAnnealingLR(o, 20))"),
    Optimizer("optim.SGD(optim.cosine_decay(0.1, 25, 0.02))", "scheduled(p, lambda o: S.CosineAnnealingLR(o, 25, 0.02))"),
    Optimizer("optim.SGD(optim.linear_schedule(0.02, 0.1, 10))", "scheduled(p, lambda o: S.LinearLR(o, 0.2, 1.0, 10))"),
    Optimizer("optim.SGD(optim.join_schedules([optim.linear_schedule(0.02, 0.1, 5), optim.exponential_decay(0.1, 0.9)], [5]))",
              "scheduled(p, lambda o: S.SequentialLR(o, [S.LinearLR(o, 0.2, 1.0, 5), S.ExponentialLR(o, 0.9)], [5]))"),
    Optimizer("clipped(optim.SGD(0.1), 0.5)", "clipped_sgd(p, 0.1, 0.5)"),
]  # fmt: skip

REASONS = """
ALiBi, RoPE, SinusoidalPositionalEncoding, QuantizedLinear, QuantizedEmbedding, QQLinear, Step, ReLU2, gelu_fast_approx,
  hinge_loss, log_cosh_loss, Lion: no counterpart in PyTorch.
Dropout in training: other random numbers.
GroupNorm without pytorch_compatible: other groups.
Upsample 'nearest' by a factor that is no integer: MLX takes the sample in whose cell a result's middle lies, PyTorch the one
  below i / scale. Upsample to a size that is rounded down: MLX lays the middles of both axes on each other, PyTorch their
  starts.
cross_entropy's weights: one for each row here, one for each class there. triplet_loss: eps is added to the power's sum here,
  to each difference there; compared at 0.
SGD with dampening: v is (1 - dampening) g at the first step here, g there.
Muon: PyTorch's has its products in bfloat16, and decouples the weight's decay.
Adafactor's weight_decay: times the rate that the parameter's size scales, PyTorch's times the plain one.
Adam and AdamW without bias_correction, Adamax: PyTorch always corrects the bias.
"""


def layer_rows():
    tables = (
        activations,
        large,
        linear_layers,
        convolutions,
        normalisations,
        pools,
        upsamples,
        sequences,
        transformers,
        losses,
    )
    return [row for table in tables for row in table()]
