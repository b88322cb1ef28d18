"""Every column of the exported tables: type, meaning, unit (docs/export.md has the same).

Types are pandas' names and do not depend on what is there, so tables of several runs fit together.
"""

from __future__ import annotations

from typing import NamedTuple

TEXT, WHOLE, REAL, YES, TIME = "string", "Int64", "float64", "boolean", "datetime64[us, UTC]"


class Column(NamedTuple):
    """A column: pandas' type, what it is, and the unit where it has one."""

    dtype: str
    about: str
    unit: str = ""


_RUN = Column(TEXT, "the run, as in `runs`")
_STEP = Column(WHOLE, "the step, 0 .. T")
_REPLICATE = Column(WHOLE, "of a numeric world, from 0; in world llm 0: its replicates are runs")
_QUERY = Column(WHOLE, "number of the query, from 0")
_READING = Column(WHOLE, "number of the reading of that step and query, 0 .. M - 1")

RUNS = {
    "run": Column(TEXT, "short name, different for each; the other tables have it too"),
    "path": Column(TEXT, "the run directory"),
    "world": Column(TEXT, "llm, gmm, graph"),
    "experiment": Column(TEXT, "name of the experiment"),
    "status": Column(TEXT, "running, complete, stopped, failed"),
    "placebo": Column(YES, "whether the run is a placebo (a numeric run holds both sides)"),
    "placebo_of": Column(TEXT, "`run` of the live run with its seed and config, if exported too"),
    "seed": Column(WHOLE, "seed of all its randomness"),
    "replicates": Column(WHOLE, "replicates in this directory"),
    "steps": Column(WHOLE, "T, the last step planned"),
    "committed": Column(WHOLE, "steps that are there"),
    "agents": Column(WHOLE, "N"),
    "agent_names": Column(TEXT, "their names in order, as a JSON list"),
    "draws": Column(WHOLE, "L, draws of each reading (llm)"),
    "readings": Column(WHOLE, "M, readings of each step and query (llm)"),
    "queries": Column(TEXT, "texts of the queries, as a JSON list (llm)"),
    "prompt": Column(TEXT, "the prompt's template (llm)"),
    "embedding": Column(TEXT, "name of the embedding model (llm)"),
    "normalised": Column(YES, "whether embeddings have unit length (llm)"),
    "stopped_at": Column(WHOLE, "the step at which the run found that it had converged"),
    "forked_at": Column(WHOLE, "of a fork, its first own step"),
    "created": Column(TIME, "when the run was made", "UTC"),
    "finished": Column(TIME, "when it ended", "UTC"),
    "version": Column(TEXT, "of lwd-agents, that made it"),
    "git_commit": Column(TEXT, "commit of the checkout that made it"),
    "schema": Column(WHOLE, "version of the run directory's layout"),
    "config": Column(TEXT, "every key of the experiment, resolved, as a JSON object"),
}

RESPONSES = {
    "run": _RUN,
    "t": _STEP,
    "agent": Column(TEXT, "who answered"),
    "query": _QUERY,
    "query_text": Column(TEXT, "text of the query"),
    "reading": _READING,
    "draw": Column(WHOLE, "number of the draw, 0 .. L - 1"),
    "text": Column(TEXT, "exactly as it was sampled; null where the draw is missing"),
    "missing": Column(TEXT, "why the draw is missing; null where it is there"),
    "post_id": Column(TEXT, "the post that the draw became; null where it was not posted"),
    "seed": Column(WHOLE, "seed of the draw"),
    "input_tokens": Column(WHOLE, "of the draw's request", "tokens"),
    "output_tokens": Column(WHOLE, "null where several were counted together", "tokens"),
    "finish_reason": Column(TEXT, "why the model ended, as its backend says"),
    "marks": Column(TEXT, "rules that mark the text, as a JSON list; null without rules"),
}

POSTS = {
    "run": _RUN,
    "post_id": Column(TEXT, "sha256 of author, step, slot, query and text"),
    "author": Column(TEXT, "an agent, an inflow, `human`, or `name@run` of another run"),
    "kind": Column(TEXT, "how it came: human (of A(0)), agent, placebo, inflow, foreign"),
    "written_as": Column(TEXT, "its own kind: human, synthetic, placebo, noise ..."),
    "written": Column(WHOLE, "step it was written in; -1 for A(0)", "step"),
    "entered": Column(WHOLE, "first t with the post in A(t)", "step"),
    "left": Column(WHOLE, "first t after that without it; null for one that stays", "step"),
    "query": Column(WHOLE, "number of the query it answers, from 0; null for A(0)"),
    "query_text": Column(TEXT, "text of that query; null for A(0)"),
    "text": Column(TEXT, "the post; null where it is not known"),
}

READS = {
    "run": _RUN,
    "t": _STEP,
    "agent": Column(TEXT, "who read"),
    "query": _QUERY,
    "reading": _READING,
    "place": Column(WHOLE, "place of the post in what was read, from 0"),
    "post_id": Column(TEXT, "the post that was read"),
}

STEPS = {
    "run": _RUN,
    "replicate": _REPLICATE,
    "t": _STEP,
    "internet_size": Column(WHOLE, "the size of A(t); rows that are kept (graph)", "posts, rows"),
    "synthetic": Column(
        WHOLE, "those that models wrote, or labelled (graph); none in a placebo", "posts, rows"
    ),
    "norm": Column(REAL, "||D(t)||_F, as the paper has it: the draw floor is in it (llm)"),
    "missing": Column(WHOLE, "draws that are missing, over all agents (llm)", "draws"),
    "calls": Column(WHOLE, "requests to models (llm)"),
    "input_tokens": Column(WHOLE, "of the step (llm)", "tokens"),
    "output_tokens": Column(WHOLE, "of the step (llm)", "tokens"),
    "cost": Column(REAL, "of the step (llm)", "US dollars"),
    "converged_estimate": Column(REAL, "stop rule: ||D||_F^2 less its draw floor"),
    "converged_se": Column(REAL, "its standard error"),
    "converged_p": Column(REAL, 'p of "at least the margin"'),
    "converged_level": Column(REAL, "level of the step's test"),
    "converged_rejected": Column(YES, "whether it was rejected"),
    "converged_row": Column(WHOLE, "rejections in a row"),
    "seconds_retrieve": Column(REAL, "reading, summed over agents", "s"),
    "seconds_generate": Column(REAL, "answers, summed over agents", "s"),
    "seconds_embed": Column(REAL, "embeddings", "s"),
    "seconds_measure": Column(REAL, "D and the norm", "s"),
    "seconds_store": Column(REAL, "adding the posts of the step before", "s"),
    "seconds_commit": Column(REAL, "writing, up to the line of the step", "s"),
    "clips": Column(WHOLE, "weights set to epsilon on the way to the step (gmm)"),
    "predicted_rms": Column(REAL, "theory: root mean square of the norm (gmm, graph)"),
    "predicted_mean_field": Column(REAL, "theory: norm of the mean field (gmm)"),
    "placebo_norm": Column(REAL, "||D(t)||_F of the placebo (gmm, graph)"),
    "placebo_clips": Column(WHOLE, "`clips` of the placebo (gmm)"),
    "placebo_predicted_rms": Column(REAL, "`predicted_rms` of the placebo (gmm, graph)"),
    "measured_norm": Column(REAL, "||D||_F again, of the first query and who is always there"),
    "between": Column(REAL, "||D||_F^2 without bias, signed"),
    "draw_floor": Column(REAL, "what the plain ||D||_F^2 has too much, in expectation"),
    "within": Column(
        REAL, "mean over agents of tr S_i; of mixtures and Gaussians, of their covariance's trace"
    ),
    "drift": Column(
        REAL, "squared distance of the agents' mean from that of A(0), or the truth; without bias"
    ),
    "error": Column(REAL, "mean over learners of their `error` (graph)"),
    "energy": Column(REAL, "mean over pairs of the energy distance, without bias"),
    "mmd": Column(REAL, "mean over pairs of MMD^2, Gaussian kernel, without bias"),
    "vendi_of_all": Column(REAL, "Vendi score of all agents' draws together"),
    "effective_rank_of_all": Column(REAL, "effective rank of all agents' draws together"),
    "between_models": Column(REAL, "M > 1: ||D||_F^2 of means over readings, without floors"),
    "edit_between": Column(REAL, "mean normalised edit distance of texts of different agents"),
    "support_of_all": Column(REAL, "share of the posts of A(0) that some answer is nearest to"),
    "lost_topics": Column(REAL, "posts of A(0) nearest to answers at t = 0 and to none now"),
    "clusters": Column(REAL, "number of clusters; 6 agents or more"),
    "agreement_with_step_0": Column(REAL, "adjusted Rand index with the clusters of step 0"),
    "agreement_with_classes": Column(REAL, "adjusted Rand index with the readership's classes"),
    "group_distance": Column(REAL, "distance of two classes' means, or from the adversary"),
    "polarization": Column(REAL, "`group_distance` over that at t = 0"),
    "placebo_between": Column(REAL, "`between` of the placebo (gmm, graph)"),
    "placebo_within": Column(REAL, "`within` of the placebo (gmm, graph)"),
    "placebo_drift": Column(REAL, "`drift` of the placebo (gmm, graph)"),
    "placebo_error": Column(REAL, "`error` of the placebo (graph)"),
}

AGENTS = {
    "run": _RUN,
    "replicate": _REPLICATE,
    "t": _STEP,
    "agent": Column(TEXT, "the agent"),
    "k": Column(
        WHOLE, "posts read, or rows fitted (graph); null where it is absent", "posts, rows"
    ),
    "k_asked": Column(WHOLE, "posts drawn, where a budget may leave some out (llm)", "posts"),
    "missing": Column(WHOLE, "draws that are missing (llm)", "draws"),
    "marked": Column(TEXT, "responses that each rule marks, as a JSON object; null without rules"),
    "spread": Column(REAL, "tr S_i, the spread of its draws; tr Sigma_i of a Gaussian (graph)"),
    "effective_rank": Column(REAL, "exp of the entropy of the covariance's eigenvalues"),
    "vendi": Column(REAL, "Vendi score: exp of the entropy of the eigenvalues of K/n"),
    "log_determinant": Column(REAL, "log det of the cosine Gram matrix with a ridge"),
    "cosine": Column(REAL, "mean cosine of pairs of draws"),
    "reading_floor": Column(REAL, "M > 1: variance between readings of their means, signed"),
    "x": Column(REAL, "first coordinate of X_i(t) in one frame for all steps of the run"),
    "y": Column(REAL, "second coordinate"),
    "off_the_plane": Column(REAL, "distance of X_i(t) from the frame's plane"),
    "distinct": Column(REAL, "distinct 3-grams over 3-grams"),
    "compression": Column(REAL, "bytes over zlib bytes; compare equal L"),
    "unique": Column(REAL, "different texts over texts"),
    "words": Column(REAL, "mean length of a text", "words"),
    "characters": Column(REAL, "mean length of a text", "characters"),
    "edit": Column(REAL, "mean normalised edit distance of pairs of draws"),
    "copied": Column(
        REAL, "share of words in runs of 3 or more that stand in a post that was read"
    ),
    "excess": Column(REAL, "that, less the same from as many posts that were not read"),
    "support": Column(REAL, "share of the posts of A(0) that an answer of it is nearest to"),
    "from_human": Column(REAL, "lineage: share of words in phrases whose origin people wrote"),
    "from_others": Column(REAL, "lineage: whose origin another agent of the run wrote"),
    "from_own": Column(REAL, "lineage: whose origin is a post of its own"),
    "from_elsewhere": Column(
        REAL, "lineage: whose origin is noise, an adversary's, or of another run"
    ),
    "from_new": Column(REAL, "lineage: in no phrase that was read; the five add up to 1"),
    "chain": Column(REAL, "mean number of posts on a phrase's way", "posts"),
    "effective_components": Column(REAL, "how many components its mixture uses (gmm)"),
    "placebo_effective_components": Column(REAL, "the same of the placebo (gmm)"),
    "error": Column(REAL, "squared distance of its parameter from the truth (graph)"),
    "predicted_error": Column(REAL, "theory: expected `error` (graph)"),
    "mean_error": Column(REAL, "squared distance of its mean alone, of Gaussians (graph)"),
    "predicted_mean_error": Column(REAL, "theory: expected `mean_error` (graph)"),
    "predicted_spread": Column(REAL, "theory: expected `spread` (graph)"),
    "placebo_error": Column(REAL, "`error` of the placebo (graph)"),
    "placebo_predicted_error": Column(REAL, "`predicted_error` of the placebo (graph)"),
    "placebo_mean_error": Column(REAL, "`mean_error` of the placebo (graph)"),
    "placebo_predicted_mean_error": Column(REAL, "`predicted_mean_error` of the placebo (graph)"),
    "placebo_spread": Column(REAL, "`spread` of the placebo (graph)"),
    "placebo_predicted_spread": Column(REAL, "`predicted_spread` of the placebo (graph)"),
}

PAIRS = {
    "run": _RUN,
    "replicate": _REPLICATE,
    "t": _STEP,
    "first": Column(TEXT, "one agent"),
    "second": Column(TEXT, "the other, later in the order of agents"),
    "distance": Column(REAL, "D_ij(t), over all queries; null where it was too large to be kept"),
    "measured_distance": Column(REAL, "D_ij(t) again, of the first query (llm)"),
    "squared_distance": Column(REAL, "D_ij^2 without bias, signed (llm)"),
    "energy_distance": Column(REAL, "energy distance, without bias (llm)"),
    "mmd_squared": Column(REAL, "MMD^2, without bias (llm)"),
    "model_squared_distance": Column(REAL, "M > 1: of means over readings, without floors (llm)"),
}

WEIGHTS = {
    "run": _RUN,
    "replicate": _REPLICATE,
    "t": _STEP,
    "agent": Column(TEXT, "the model"),
    "component": Column(WHOLE, "number of the component, from 0"),
    "weight": Column(REAL, "its weight in Pi_i(t)"),
    "placebo_weight": Column(REAL, "the same of the placebo"),
}

EDGES = {
    "run": _RUN,
    "from": Column(WHOLE, "first step at which the graph holds", "step"),
    "source": Column(TEXT, "who labels, or `real`"),
    "target": Column(TEXT, "the learner that fits it"),
    "weight": Column(REAL, "share of the target's data, or of its fits; into one they sum to 1"),
}

COLUMNS: dict[str, dict[str, Column]] = {
    "runs": RUNS,
    "responses": RESPONSES,
    "posts": POSTS,
    "reads": READS,
    "steps": STEPS,
    "agents": AGENTS,
    "pairs": PAIRS,
    "weights": WEIGHTS,
    "edges": EDGES,
}
"""table -> column -> type, what it is, unit."""

TABLES = {
    "llm": ("runs", "responses", "posts", "reads", "steps", "agents", "pairs"),
    "gmm": ("runs", "steps", "agents", "pairs", "weights"),
    "graph": ("runs", "steps", "agents", "pairs", "edges"),
}
"""The tables that a world has; of a world that is not here, runs and steps."""
