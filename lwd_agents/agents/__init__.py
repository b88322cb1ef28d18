"""Agents: named models that read and answer.

``agent`` makes one of anything LangChain runs, ``sampling`` holds what a draw is, ``models``
resolves the specs of experiment files, ``llamacpp`` and ``huggingface`` are the two backends whose
n draws share one reading of the prompt. Importing this package imports none of them.
"""
