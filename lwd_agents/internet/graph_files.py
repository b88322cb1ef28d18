"""Graphs over agents from files: .csv and .graphml."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from lwd_agents.errors import unreadable
from lwd_agents.extensions import said
from lwd_agents.internet.graphs import from_edges

SUFFIXES = (".csv", ".graphml")


def edges_of(path: Path, names: Sequence[str]) -> list[list[str]]:
    """The edges of a file, from reader to author.

    A .csv file has the header reader,author and an edge a line. In a .graphml file a node's id is
    an agent's name, and the edges of an undirected graph are read both ways.

    Raises:
        ValueError: it cannot be read, or its names are not the agents'; without the path.
    """
    try:
        return _csv(path) if path.suffix.lower() == ".csv" else _graphml(path, names)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(unreadable(error)) from None


def _csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = [cell.strip() for cell in next(rows, [])]
        if header != ["reader", "author"]:
            raise ValueError(f"its header is {','.join(header)!r}; it should be 'reader,author'")
        edges = []
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != 2:
                raise ValueError(
                    f"line {rows.line_num}: {','.join(row)!r}; should be reader,author"
                )
            edges.append([cell.strip() for cell in row])
    if not edges:
        raise ValueError("there is no edge in it")
    return edges


def _graphml(path: Path, names: Sequence[str]) -> list[list[str]]:
    import networkx

    with path.open("rb") as file:
        try:
            graph = networkx.read_graphml(file)
        except Exception as error:  # the parser's, of many kinds
            raise ValueError(f"is no GraphML: {said(error)}") from None
    from_edges(names, [(node, node) for node in graph])  # a node without edges is to be known too
    edges = [[reader, author] for reader, author in graph.edges()]
    if not edges:
        raise ValueError("there is no edge in it")
    return edges if graph.is_directed() else edges + [edge[::-1] for edge in edges]
