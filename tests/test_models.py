from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from random_models import tiny_gguf, tiny_llama

from lwd_agents import hub
from lwd_agents.agents import models
from lwd_agents.agents.huggingface import HuggingFaceChat
from lwd_agents.agents.llamacpp import LlamaCppChat
from lwd_agents.agents.models import resolve_model
from lwd_agents.errors import BadInput


def resolve(spec: str, **options: object) -> object:
    return resolve_model(spec, draws=4, temperature=0.9, max_tokens=8, options=options)


def test_a_gguf_file_is_loaded_once_for_equal_settings() -> None:
    first, second = (resolve(f"gguf:{tiny_gguf()}", n_threads=2) for _ in range(2))
    assert isinstance(first, LlamaCppChat)
    assert isinstance(second, LlamaCppChat)
    assert first.engine is second.engine
    assert (first.temperature, first.draws, first.max_tokens) == (0.9, 4, 8)
    assert first.files == (tiny_gguf().resolve(),)


def test_a_folder_is_loaded_by_transformers() -> None:
    model = resolve(f"hf:{tiny_llama()}", chunk=3, device="cpu")
    assert isinstance(model, HuggingFaceChat)
    assert (model.chunk, model.max_tokens) == (3, 8)


def test_an_embedded_model_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(tiny_gguf(), tmp_path / "north.gguf")
    monkeypatch.setattr(models, "POCKET", tmp_path)
    model = resolve("pocket:north", n_threads=2)
    assert isinstance(model, LlamaCppChat)
    assert model.label == "north.gguf"
    with pytest.raises(BadInput, match=r"embedded models are north; did you mean pocket:north\?"):
        resolve("pocket:nort")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("north", "pocket:NAME, gguf:"),
        ("pocket:", "pocket:NAME, gguf:"),
        ("", "pocket:NAME, gguf:"),
        ("gguf", "pocket:NAME, gguf:"),
        ("opnai:gpt", "did you mean 'openai:gpt'"),
        ("file:x.gguf", "there is no provider and no module 'file' here"),
        ("GGUF:a/b/c.gguf", "pocket:NAME, gguf:"),
    ],
)
def test_an_unknown_spec_names_the_choices(spec: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as error:
        resolve(spec)
    assert "\n" not in str(error.value)


def test_an_unknown_option_names_the_choices() -> None:
    with pytest.raises(BadInput, match=r"'top_k' of model .*: unknown; give context_length"):
        resolve(f"gguf:{tiny_gguf()}", top_k=40)
    with pytest.raises(BadInput, match="n_ubatch 'many'"):
        resolve(f"gguf:{tiny_gguf()}", n_ubatch="many")


@pytest.mark.parametrize(
    "spec",
    [
        "gguf:organisation/repository/model.gguf",
        "gguf:/no/such/file.gguf",
        "gguf:file.gguf",
        "hf:organisation/model",
        "hf:/no/such/folder",
        "hf:./folder",
    ],
)
def test_without_a_network_a_model_of_the_hub_is_one_line_at_once(
    monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.setattr(hub, "reachable", lambda: False)
    start = time.perf_counter()
    with pytest.raises(BadInput) as error:
        resolve(spec)
    assert time.perf_counter() - start < 5
    assert spec.partition(":")[2] in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_the_hub_gave_before_is_used_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    root = tmp_path / "models--organisation--repository"
    snapshot = root / "snapshots" / "abc" / "q8"
    snapshot.mkdir(parents=True)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("abc")
    shutil.copy(tiny_gguf(), snapshot / "model.gguf")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "reachable", lambda: False)
    model = resolve("gguf:organisation/repository/q8/model.gguf", n_threads=2)
    assert isinstance(model, LlamaCppChat)
