"""The keys of the world ``llm``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lwd_agents.config.parts import Count, Part, ReadingConfig


class InternetConfig(Part):
    """A(0) and where the Internet is kept. ``seed``: a name in stores/ or a path."""

    seed: str = "crypto"
    store: Literal["chroma"] = "chroma"


class AgentConfig(Part):
    """A named model: ``model`` is a spec such as ``pocket:north``, ``gguf:...`` or ``hf:...``."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[^\s/\\\x00]+$")
    model: str = Field(min_length=1)
    temperature: float = Field(default=1.0, ge=0.0, allow_inf_nan=False)
    max_tokens: Count = 48
    options: dict[str, Any] = Field(default_factory=dict)


class PostingConfig(Part):
    """What enters the Internet after a step: the first response of each agent, for good."""

    choose: Literal["first"] = "first"
    keep: Literal["accumulate"] = "accumulate"


class EmbeddingConfig(Part):
    """phi: ``minilm`` (shipped, offline), or a sentence-transformers model's name or folder.

    ``prefix`` is put before every text (some models ask for one).
    """

    model: str = Field(default="minilm", min_length=1)
    normalize: bool = True
    prefix: str = ""


class LlmConfig(Part):
    """The world ``llm``: Algorithm 1 of arXiv 2506.15690. Keys as in an experiment file."""

    world: Literal["llm"] = "llm"
    query: str = Field(default="bitcoin", min_length=1)
    prompt: str = Field(default="answer", min_length=1)
    internet: InternetConfig = InternetConfig()
    agents: tuple[AgentConfig, ...] = Field(min_length=1)
    steps: Count = 60
    draws: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 40
    reading: ReadingConfig = ReadingConfig()
    readership: Literal["complete"] = "complete"
    posting: PostingConfig = PostingConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()
    placebo: Literal[False] = False
    replicates: Literal[1] = 1
    max_missing: float = Field(default=0.5, ge=0.0, le=1.0)
    seed: Annotated[int, Field(strict=True)] = 0

    @model_validator(mode="after")
    def _names_differ(self) -> LlmConfig:
        names = [agent.name for agent in self.agents]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"agents: two agents are named {doubled[0]!r}; names must differ")
        return self
