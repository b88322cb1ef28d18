"""llama-cpp-python through LangChain's class: what it is given, what it tells, what it leaves out.

That its frequencies are the model's own is shown in test_exact_draws.py.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable
from random_gguf import Shape, write_random_gguf
from random_models import tiny_gguf

from lwd_agents.agents.llamacpp import LlamaCppChat
from lwd_agents.agents.models import POCKET, pocket_names, resolve_model
from lwd_agents.errors import BadInput, RunStopped

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (an extra)")
pytest.importorskip("langchain_community", reason="langchain-community is not installed (an extra)")

NORTH = POCKET / "north.gguf"
QUERY = "Please provide EXACTLY one concise sentence about the future prospects of Bitcoin."
MESSAGES = [HumanMessage(f"Posts from the Internet:\nBitcoin rises.\nIt fell.\n\n{QUERY}")]


def chat(path: Path = NORTH, **changes: Any) -> Any:
    from lwd_agents.agents.llama_cpp_python import make

    settings = {"temperature": 1.0, "max_tokens": 32, "draws": 4, **changes}
    return make(path, **settings)


@pytest.fixture(scope="module")
def north() -> Any:
    return chat()


@pytest.fixture(scope="module")
def reference() -> LlamaCppChat:
    return LlamaCppChat(model_path=NORTH, draws=4, max_tokens=32)


def draws(model: BaseChatModel, seeds: list[int]) -> list[str]:
    return [model.invoke(MESSAGES, seed=seed).text for seed in seeds]


def test_a_seed_repeats_whatever_came_before(north: Any) -> None:
    first = draws(north, [1, 2, 3, 4, 5, 6, 7, 8, 0])
    assert len(set(first)) > 5
    assert draws(north, [0, 8, 7, 6, 5, 4, 3, 2, 1]) == first[::-1]
    north.invoke("Something else altogether.", seed=9)
    assert draws(north, [2]) == first[1:2]
    assert draws(chat(), [2]) == first[1:2]


def test_without_a_seed_draws_differ_also_between_processes() -> None:
    """The library by itself gives the first draw of each process alike."""
    texts = {chat().invoke(MESSAGES).text for _ in range(6)}
    assert len(texts) > 2


def test_the_seed_of_a_run_is_taken_also_in_threads(north: Any) -> None:
    configs: Any = [{"metadata": {"lwd_seed": seed}} for seed in range(1, 7)]
    answers = Runnable.batch(north, [MESSAGES] * 6, configs)
    assert [answer.text for answer in answers] == draws(north, [1, 2, 3, 4, 5, 6])
    bound = [north.bind(seed=seed).invoke(MESSAGES).text for seed in (1, 2)]
    assert bound == draws(north, [1, 2])
    assert answers[3].response_metadata["seed"] == 4


@pytest.mark.parametrize("path", [NORTH, None], ids=["pocket", "random"])
def test_a_prompt_is_written_as_llama_cpp_does(path: Path | None) -> None:
    """The file's template, and its first token (BOS), which neither template writes."""
    path = path or tiny_gguf()
    own = LlamaCppChat(model_path=path, draws=1, max_tokens=8)
    model = chat(path)
    conversations = [
        MESSAGES,
        [SystemMessage("Be short."), HumanMessage("Hello \u00fc"), AIMessage("Hi."), *MESSAGES],
        [HumanMessage([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}])],
        [HumanMessage("<s></s><q><answer>")],
    ]
    for messages in conversations:
        assert model.tokens(messages) == own.tokens(messages)
        assert model.get_num_tokens_from_messages(messages) == own.count_tokens(messages)
        assert model.tokens(messages)[0] == model.client.token_bos()


@pytest.mark.parametrize("name", pocket_names())
def test_draws_are_those_of_llama_cpp_itself(name: str) -> None:
    """The weights, the sampler and its seed: nothing may differ."""
    path = POCKET / f"{name}.gguf"
    own = LlamaCppChat(model_path=path, draws=6, max_tokens=16, temperature=1.3)
    model = chat(path, max_tokens=16, temperature=1.3)
    for j, generation in enumerate(own.generate([MESSAGES], n=6, seed=11).generations[0]):
        answer = model.invoke(MESSAGES, seed=11 + j)
        assert answer.text == generation.text
        told, about = answer.response_metadata, generation.message.response_metadata  # type: ignore[union-attr]
        for key in ("seed", "input_tokens", "finish_reason"):
            assert told[key] == about[key], key
        end = about["finish_reason"] == "stop"  # its token is not counted by the library
        assert told["output_tokens"] == about["output_tokens"] - end


def with_rope_base(path: Path, base: float) -> Path:
    """The pocket model with another RoPE base in its header."""
    data = NORTH.read_bytes()
    key = b"llama.rope.freq_base" + struct.pack("<I", 6)
    at = data.index(key) + len(key)
    assert struct.unpack("<f", data[at : at + 4]) == (10_000.0,)
    path.write_bytes(data[:at] + struct.pack("<f", base) + data[at + 4 :])
    return path


def test_the_rope_base_is_the_files(tmp_path: Path, reference: LlamaCppChat) -> None:
    """LangChain's class has 10,000 for every model."""
    path = with_rope_base(tmp_path / "other.gguf", 20.0)
    own = LlamaCppChat(model_path=path, draws=4, max_tokens=32, temperature=0.0)
    model = chat(path, temperature=0.0)
    expected = own.invoke(MESSAGES).text
    assert model.invoke(MESSAGES).text == expected
    assert reference.invoke(MESSAGES, temperature=0.0).text != expected


def test_each_message_tells_of_its_draw(north: Any) -> None:
    answer = north.invoke(MESSAGES, seed=5)
    about = answer.response_metadata
    prompt, written = north.count_tokens(MESSAGES), about["output_tokens"]
    assert about["finish_reason"] == "stop"
    assert (about["input_tokens"], about["seed"]) == (prompt, 5)
    assert about["model_name"] == "north.gguf"
    usage = {"input_tokens": prompt, "output_tokens": written, "total_tokens": prompt + written}
    assert answer.usage_metadata == usage
    assert 5 < written < 32
    cut = north.invoke(MESSAGES, seed=5, max_tokens=3)
    assert cut.response_metadata["finish_reason"] == "length"
    assert cut.response_metadata["output_tokens"] == 3
    assert answer.text.startswith(cut.text)
    word = answer.text.split()[3]
    stopped = north.invoke(MESSAGES, seed=5, stop=[word])
    assert stopped.text == answer.text.partition(word)[0]
    assert "".join(chunk.text for chunk in north.stream(MESSAGES, seed=5)) == answer.text


def test_nothing_is_cut_in_silence() -> None:
    model = chat(max_tokens=48, options={"context_length": 100})
    prompt = model.count_tokens(MESSAGES)
    assert prompt + 48 <= 97
    model.invoke(MESSAGES)
    with pytest.raises(RunStopped, match=r"north.gguf: a prompt of \d+ tokens and 48 new ones"):
        model.invoke([HumanMessage(QUERY * 4)])
    with pytest.raises(RunStopped, match="context of 100 tokens"):
        model.invoke(MESSAGES, max_tokens=101 - prompt)


def test_an_answer_ends_at_max_tokens_also_inside_a_character() -> None:
    """A model of random bytes; the library alone goes on until a character is whole."""
    path = tiny_gguf(0.3)
    model = chat(path, options={"context_length": 256})
    room = 256 - model.count_tokens(MESSAGES)
    own = LlamaCppChat(model_path=path, draws=6, max_tokens=room)
    for j, generation in enumerate(own.generate([MESSAGES], n=6, seed=1).generations[0]):
        answer = model.invoke(MESSAGES, seed=1 + j, max_tokens=room)
        assert answer.text == generation.text.replace("\ufffd", "")
        assert answer.response_metadata["output_tokens"] <= room
        about = generation.message.response_metadata  # type: ignore[union-attr]
        assert answer.response_metadata["finish_reason"] == about["finish_reason"]


def test_what_a_manifest_is_told(north: Any) -> None:
    backend = north.backend
    assert (backend["class"], backend["model"]) == ("LlamaCppPythonChat", "north.gguf")
    assert backend["context"] == north.context == 2304
    assert backend["sampler"]["min_p"] == 0.0
    assert north.files == (NORTH.resolve(),)
    assert north.client._model.path_model == str(NORTH.resolve())
    assert (north.client.context_params.n_threads, north.client.n_ctx()) == (
        len(os.sched_getaffinity(0)),
        2304,
    )


def test_a_spec_makes_one() -> None:
    model: Any = resolve_model(
        f"llama-cpp-python:{NORTH}",
        draws=2,
        temperature=0.5,
        max_tokens=8,
        options={"n_threads": 1, "n_batch": 64},
    )
    assert (model.temperature, model.max_tokens, model.n_batch) == (0.5, 8, 64)
    assert model.client.context_params.n_threads == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"top_k": 40}, "option 'top_k' of model north.gguf: unknown; give context_length"),
        ({"context_length": 4000}, "context_length 4000 .* between 1 and 2304"),
        ({"context_length": 0}, "context_length 0"),
        ({"n_batch": "many"}, "n_batch 'many' of model north.gguf: it should be a number"),
        ({"n_threads": True}, "n_threads True"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        chat(options=options)


@pytest.mark.parametrize("kind", ["missing", "text", "cut", "nonsense", "untemplated"])
def test_a_broken_file_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    path = tmp_path / "model.gguf"
    if kind in ("text", "cut"):
        path.write_bytes(b"no model" if kind == "text" else tiny_gguf().read_bytes()[:60_000])
    elif kind == "nonsense":
        write_random_gguf(path, Shape(), architecture="nonsense")
    elif kind == "untemplated":
        write_random_gguf(path, Shape(), template=None)
    with pytest.raises(BadInput, match=str(path)) as error:
        chat(path)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **env},
    )


MAKE = (
    "from pathlib import Path; from lwd_agents.agents.llama_cpp_python import make;"
    f"model = make(Path({str(NORTH)!r}), temperature=1.0, max_tokens=8, options=OPTIONS);"
)


def test_nothing_is_printed() -> None:
    """Neither by the library, nor as a warning, nor when the process ends."""
    # in a context below the trained one, of which llama.cpp warns
    code = f"OPTIONS = {{'context_length': 512}}; {MAKE} print(model.invoke('Hi').text > '')"
    done = python(code, PYTHONWARNINGS="default::DeprecationWarning")
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.mark.parametrize("package", ["llama_cpp", "langchain_community"])
def test_without_the_extra_its_command_is_named(package: str) -> None:
    code = (
        "import sys; from importlib.abc import MetaPathFinder\n"
        "class Gone(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name.partition('.')[0] == {package!r}:\n"
        "            raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Gone())\n"
        "from lwd_agents.errors import BadInput\n"
        "try:\n"
        "    import lwd_agents.agents.llama_cpp_python\n"
        "except BadInput as error:\n"
        "    print(error)\n"
    )
    done = python(code)
    assert done.stdout.count("\n") == 1, done.stderr
    assert "pip install 'lwd-agents[llama-cpp-python]'" in done.stdout
