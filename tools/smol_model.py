"""Writes the example model as a folder that mlx-lm reads: smol_model.py OUT [GGUF]

OUT gets config.json, generation_config.json, model.safetensors with MLX's parameter names, tokenizer.json and
tokenizer_config.json with the chat template. Nothing is lost on the way: GGUF's Q4_1 and Q8_0 blocks are MLX's affine
groups of 32 with 4 and 8 bits, and `mx.load` gives them as such."""

import json
import sys
from pathlib import Path

import mlx.core as mx
from model import example_model
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

PARTS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
CONTROL = 3  # the type that GGUF gives to tokens such as <|im_start|>


def mlx_name(name):
    """MLX's name of a tensor: blk.3.attn_q.weight is model.layers.3.self_attn.q_proj.weight."""
    match name.split("."):
        case ["token_embd", kind]:
            return f"model.embed_tokens.{kind}"
        case ["output_norm", kind]:
            return f"model.norm.{kind}"
        case ["blk", layer, part, kind]:
            return f"model.layers.{layer}.{PARTS[part]}.{kind}"
    raise ValueError(f"unknown tensor {name}")


def halves_first(rows, heads):
    """The rows of a query or key projection, (heads * head_dim, width), in the order that rotary embedding of halves needs:
    GGUF has the two coordinates that one angle rotates side by side, MLX's checkpoints half a head apart."""
    pairs = rows.reshape(heads, -1, 2, rows.shape[-1])
    return pairs.swapaxes(1, 2).reshape(rows.shape)


def weights(tensors, heads, key_heads):
    result = {}
    for name, value in tensors.items():
        if ".attn_q." in name:
            value = halves_first(value, heads)
        elif ".attn_k." in name:
            value = halves_first(value, key_heads)
        result[mlx_name(name)] = value
    return result


def packed_bits(weight, scales):
    """Bits of a value, where a row of `scales` has one for every group of 32."""
    return weight.shape[-1] * 32 // (scales.shape[-1] * 32)


def quantization(parameters):
    """What config.json says of bits: those of most layers, then the layers that differ."""
    bits = {
        name.removesuffix(".scales"): packed_bits(parameters[name.removesuffix("scales") + "weight"], scales)
        for name, scales in parameters.items()
        if name.endswith(".scales")
    }
    usual = max(bits.values(), key=list(bits.values()).count)
    others = {name: {"group_size": 32, "bits": n} for name, n in bits.items() if n != usual}
    return {"group_size": 32, "bits": usual, "mode": "affine", **others}


def config(metadata, parameters):
    def value(key):
        return metadata["llama." + key].item()

    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": value("attention.head_count"),
        "num_key_value_heads": value("attention.head_count_kv"),
        "max_position_embeddings": value("context_length"),
        "rms_norm_eps": value("attention.layer_norm_rms_epsilon"),
        "rope_theta": value("rope.freq_base"),
        "vocab_size": value("vocab_size"),
        "tie_word_embeddings": "lm_head.weight" not in parameters,
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"].item(),
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"].item(),
        "quantization": quantization(parameters),
    }


def tokenizer(metadata):
    tokens = metadata["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    result = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    result.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    result.decoder = decoders.ByteLevel()
    types = metadata["tokenizer.ggml.token_type"].tolist()
    result.add_special_tokens(
        [AddedToken(t, special=True) for t, kind in zip(tokens, types) if kind == CONTROL]
    )
    return result


def tokenizer_config(metadata):
    def token(role):
        return metadata["tokenizer.ggml.tokens"][metadata[f"tokenizer.ggml.{role}_token_id"].item()]

    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": token("bos"),
        "eos_token": token("eos"),
        "unk_token": token("unknown"),
        "pad_token": token("padding"),
        "model_max_length": metadata["llama.context_length"].item(),
        "chat_template": metadata["tokenizer.chat_template"],
    }


def write_model(out, gguf):
    """Writes the folder `out` from the file `gguf` of a llama model with a byte-level BPE tokenizer."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    tensors, metadata = mx.load(gguf, return_metadata=True)
    heads, key_heads = (
        metadata[f"llama.attention.{name}"].item() for name in ("head_count", "head_count_kv")
    )
    parameters = weights(tensors, heads, key_heads)
    mx.save_safetensors(str(out / "model.safetensors"), parameters, {"format": "mlx"})
    settings = config(metadata, parameters)
    ends = {name: settings[name] for name in ("bos_token_id", "eos_token_id")}
    tokenizer(metadata).save(str(out / "tokenizer.json"))
    for name, content in {
        "config.json": settings,
        "generation_config.json": ends,
        "tokenizer_config.json": tokenizer_config(metadata),
    }.items():
        (out / name).write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3:
        sys.exit(__doc__)
    write_model(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else example_model())
