"""Experiments: their keys, one model a world, and how they are read and checked."""

from lwd_agents.config.experiment import CONFIGS, Experiment, read_experiment
from lwd_agents.config.gmm import GmmConfig
from lwd_agents.config.graph import GraphConfig
from lwd_agents.config.llm import EmbeddingConfig, LlmConfig
from lwd_agents.config.parts import ReadingConfig

Config = LlmConfig | GmmConfig | GraphConfig

__all__ = [
    "CONFIGS",
    "Config",
    "EmbeddingConfig",
    "Experiment",
    "GmmConfig",
    "GraphConfig",
    "LlmConfig",
    "ReadingConfig",
    "read_experiment",
]
