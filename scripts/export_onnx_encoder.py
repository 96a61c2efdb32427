"""Export a sentence-transformers directory to what `--encoder onnx:DIR` reads.

    python scripts/export_onnx_encoder.py MODEL_DIRECTORY --out DIR [--int8]

Writes model.onnx (token embeddings; batch and length free), tokenizer.json and the pooling and
length settings. Needs torch, transformers, onnx and onnxscript. --int8 quantises the weights to
whole numbers (dynamic quantisation): a quarter of the size; benchmarks/encoders.py measures what it
does to speed, vectors and routing.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

SETTINGS = (
    "tokenizer.json",
    "sentence_bert_config.json",
    "modules.json",
    "1_Pooling/config.json",
    "config.json",
)


def export(source: Path, target: Path) -> None:
    """Trace the transformer of `source` with free batch and length, into `target`."""
    import torch
    from transformers import AutoModel

    transformer = AutoModel.from_pretrained(str(source), attn_implementation="eager").eval()

    class TokenEmbeddings(torch.nn.Module):
        """The transformer, giving its last hidden state alone."""

        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.transformer(input_ids=input_ids, attention_mask=attention_mask)[0]

    ids = torch.randint(100, 1000, (3, 17))
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
    torch.onnx.export(
        TokenEmbeddings(),
        (ids, torch.ones_like(ids)),
        str(target),
        input_names=["input_ids", "attention_mask"],
        output_names=["last_hidden_state"],
        dynamic_shapes={"input_ids": axes, "attention_mask": axes},
        dynamo=True,
        external_data=False,
    )


def optimise(path: Path, heads: int, width: int) -> None:
    """Fuse attention, layer norm and GELU, which speeds a CPU up by a third or so."""
    from onnxruntime.transformers import optimizer

    optimizer.optimize_model(
        str(path), model_type="bert", num_heads=heads, hidden_size=width
    ).save_model_to_file(str(path))


def quantise(path: Path) -> None:
    """Weights to int8, one scale per output channel; activations are scaled as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "model.onnx"
        shutil.move(path, whole)
        quantize_dynamic(whole, path, per_channel=True, weight_type=QuantType.QInt8)


def main() -> None:
    import json

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model_directory", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--int8", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in SETTINGS:
        if (arguments.model_directory / name).is_file():
            (arguments.out / name).parent.mkdir(exist_ok=True)
            shutil.copy(arguments.model_directory / name, arguments.out / name)
    model = arguments.out / "model.onnx"
    export(arguments.model_directory, model)
    config = json.loads((arguments.model_directory / "config.json").read_text(encoding="utf-8"))
    optimise(model, config["num_attention_heads"], config["hidden_size"])
    if arguments.int8:
        quantise(model)
    print(f"{model}: {model.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
