"""Train the pocket models from scratch, and write them to GGUF.

    python scripts/train_pocket_models.py --work build/pocket --out lwd_agents/pocket

One tokenizer and one base model are trained on what all presses write; then each press's model is
trained on from the base with what its own press answers. Every batch is a function of the seed and
the step, and a checkpoint is written every ``--save-every`` steps: a killed training goes on with
the same command and ends with the same weights (on the same machine and number of threads).

A batch holds each reading once, with many independent answers behind it (pocket_llama.py).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pocket_gguf
import pocket_press as press
import torch
from pocket_llama import Llama, Shape
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

BOS, EOS, ANSWER = "<s>", "</s>", "<answer>"
TEMPLATE = "Posts from the Internet:\n{posts}\n\n{query}"
NO_POSTS = "(none)"
VOCABULARY = 2048
TRAINED_LENGTH = 2304  # tokens of prompt and answer
_LONGEST_PROMPT = 2250
_MOST_POSTS = 150
_POST_WEIGHT = 0.2  # of the readings' cross entropy in the loss; that of the answers has weight 1
_NONE = -100  # no target
STEPS = {"short": 1200, "middle": 500, "base": 900, "press": 350}


@dataclasses.dataclass(frozen=True)
class Stage:
    """One training.

    Attributes:
        name: the file of its checkpoint.
        press: whose answers are learned; None for all three.
        copy: the chance that a phrase of an answer comes from the reading.
        posts: the least and the most posts of a reading.
        readings, answers, tokens: of a batch: the most readings, the answers behind each, the
            most tokens of the readings, padding included.
        rate, last_rate: the learning rate falls linearly from the one to the other.
    """

    name: str
    press: str | None
    steps: int
    seed: int
    copy: float
    posts: tuple[int, int]
    readings: int
    answers: int
    tokens: int
    rate: float
    last_rate: float


def stages(seed: int, steps: dict[str, int]) -> list[Stage]:
    """What is trained, in order.

    First very short readings that every answer repeats: with them a model finds out, after some
    hundred steps, that the reading matters (on long readings it did not, in the time there was).
    Then readings of all lengths, and then each press alone.
    """
    full = {"copy": press.COPY, "posts": (0, _MOST_POSTS), "seed": seed}
    short = Stage(
        "short", None, steps["short"], seed, 1.0, (2, 3), 32, 3, 2600, rate=1.5e-3, last_rate=1.2e-3
    )
    middle = Stage(
        "middle", None, steps["middle"], seed, press.COPY, (0, 20), 20, 6, 4000, 1.2e-3, 1.0e-3
    )
    base = Stage(
        "base", None, steps["base"], seed, press.COPY, (0, _MOST_POSTS), 12, 12, 5000, 1.0e-3, 5e-4
    )
    alone = [
        Stage(
            name,
            name,
            steps["press"],
            readings=12,
            answers=16,
            tokens=5000,
            rate=5e-4,
            last_rate=5e-6,
            **full,
        )
        for name in press.PRESSES
    ]
    return [short, middle, base, *alone]


@dataclasses.dataclass(frozen=True)
class Batch:
    """R readings with K answers each: ids, and where the loss is taken.

    prompts: (R, P); sizes: (R,); answers, targets: (R, K, A), -100 is no target;
    post_targets: (R, P), the next token of a sample of the reading's tokens.
    """

    prompts: torch.Tensor
    sizes: torch.Tensor
    answers: torch.Tensor
    targets: torch.Tensor
    post_targets: torch.Tensor


def train_tokenizer(path: Path, seed: int) -> Tokenizer:
    """A byte-level BPE tokenizer of what the presses write; read back if it is there."""
    if path.is_file():
        return Tokenizer.from_file(str(path))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS, EOS, ANSWER],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rng = random.Random(f"{seed} tokenizer")
    texts = []
    for i in range(4000):
        query = list(press.QUERIES)[i % len(press.QUERIES)]
        posts = press.write_posts(rng, 12)
        texts.append(TEMPLATE.format(posts="\n".join(posts), query=press.QUERIES[query]))
        writer = list(press.PRESSES.values())[i % len(press.PRESSES)]
        texts += [press.write_answer(rng, writer, query, posts) for _ in range(6)]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(path))
    return tokenizer


class Data:
    """Batches, each a function of (seed, stage, step)."""

    def __init__(self, tokenizer: Tokenizer, stage: Stage) -> None:
        self._tokenizer = tokenizer
        self._stage = stage
        self._answer = tokenizer.token_to_id(ANSWER)
        self._bos, self._eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)

    def batch(self, step: int) -> Batch:
        """The batch of one step: readings of about one length, which is drawn anew each step."""
        stage = self._stage
        rng = random.Random(f"{stage.seed} {stage.name} {step}")
        most = self._number_of_posts(rng)
        rows: list[tuple[list[int], list[list[int]]]] = []
        longest = 0
        while True:
            least = max(stage.posts[0], round(most * 0.85))
            row = self._row(rng, rng.randint(least, most))
            longest = max(longest, len(row[0]))
            if rows and (longest * (len(rows) + 1) > stage.tokens or len(rows) == stage.readings):
                return self._pack(rng, rows)
            rows.append(row)

    def _number_of_posts(self, rng: random.Random) -> int:
        least, most = self._stage.posts
        if least == 0 and rng.random() < 0.08:
            return 0
        if most > 25 and rng.random() < 0.35:
            most = 25
        return rng.randint(max(1, least), most)

    def _row(self, rng: random.Random, n: int) -> tuple[list[int], list[list[int]]]:
        """A prompt's tokens, and the tokens of each answer from the answer mark to the end."""
        query = rng.choice(list(press.QUERIES))
        writer = press.PRESSES[self._stage.press or rng.choice(list(press.PRESSES))]
        posts = press.write_posts(rng, n)
        while True:
            text = TEMPLATE.format(posts="\n".join(posts) or NO_POSTS, query=press.QUERIES[query])
            prompt = [self._bos, *self._tokenizer.encode(text).ids]
            if len(prompt) <= _LONGEST_PROMPT:
                break
            posts = posts[: len(posts) * _LONGEST_PROMPT // len(prompt)]
        joined = "\n".join(posts)
        seen, openers = press.phrases_in(joined), press.openers_in(joined)
        texts = press.answers_after(
            rng, writer, query, seen, openers, self._stage.answers, self._stage.copy
        )
        encoded = self._tokenizer.encode_batch(texts)
        return prompt, [[self._answer, *e.ids, self._eos] for e in encoded]

    def _pack(self, rng: random.Random, rows: Sequence[tuple[list[int], list[list[int]]]]) -> Batch:
        longest = max(len(prompt) for prompt, _ in rows)
        most = max(len(answer) - 1 for _, answers in rows for answer in answers)
        prompts = torch.full((len(rows), longest), self._eos)
        answers = torch.full((len(rows), self._stage.answers, most), self._eos)
        targets = torch.full(answers.shape, _NONE)
        post_targets = torch.full((len(rows), longest), _NONE)
        for r, (prompt, written) in enumerate(rows):
            prompts[r, : len(prompt)] = torch.tensor(prompt)
            sample = sorted(rng.sample(range(len(prompt) - 1), len(prompt) // 8))
            post_targets[r, sample] = prompts[r, [i + 1 for i in sample]]
            for k, answer in enumerate(written):
                answers[r, k, : len(answer) - 1] = torch.tensor(answer[:-1])
                targets[r, k, : len(answer) - 1] = torch.tensor(answer[1:])
        sizes = torch.tensor([len(prompt) for prompt, _ in rows])
        return Batch(prompts, sizes, answers, targets, post_targets)


def new_model(tokenizer: Tokenizer, seed: int) -> Llama:
    """A Llama of about 1.1 million parameters with random weights."""
    torch.manual_seed(seed)
    return Llama(Shape(vocabulary=tokenizer.get_vocab_size(), length=TRAINED_LENGTH))


def loss_of(model: Llama, batch: Batch, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss to descend, and the mean cross entropy of the answers (nats a token)."""
    prompts, answers = model(
        batch.prompts.to(device), batch.sizes.to(device), batch.answers.to(device)
    )
    losses = []
    for hidden, target in ((answers, batch.targets), (prompts, batch.post_targets)):
        wanted = target.to(device) != _NONE
        logits = model.output(hidden[wanted])
        losses.append(torch.nn.functional.cross_entropy(logits, target.to(device)[wanted]))
    return losses[0] + _POST_WEIGHT * losses[1], losses[0].detach()


def train(model: Llama, data: Data, stage: Stage, work: Path, save_every: int) -> dict[str, float]:
    """Train one stage, going on from its last checkpoint if there is one."""
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=stage.rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    file = work / f"{stage.name}.pt"
    first, spent, tokens = 0, 0.0, 0
    if file.is_file():
        kept = torch.load(file, map_location=device, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        first, spent, tokens = kept["step"], kept["seconds"], kept["tokens"]
    started = time.monotonic() - spent
    for step in range(first, stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(stage, step)
        batch = data.batch(step)
        loss, answers = loss_of(model, batch, device)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        tokens += int(batch.sizes.sum()) + int((batch.targets != _NONE).sum())
        done = step + 1
        if done % save_every == 0 or done == stage.steps:
            _save(file, model, optimizer, done, time.monotonic() - started, tokens)
        if done % 50 == 0:
            pace = tokens / (time.monotonic() - started)
            print(
                f"{stage.name} {done}/{stage.steps} loss {answers:.4f} {pace:,.0f} tokens/s",
                flush=True,
            )
    return {
        "steps": stage.steps,
        "tokens": tokens,
        "seconds": round(time.monotonic() - started),
    }


def _rate(stage: Stage, step: int) -> float:
    """A short linear rise, then a linear fall."""
    rise = min(1.0, (step + 1) / max(1, min(100, stage.steps // 10)))
    fall = stage.rate + (stage.last_rate - stage.rate) * step / max(1, stage.steps - 1)
    return rise * fall


def _save(
    file: Path,
    model: Llama,
    optimizer: torch.optim.Optimizer,
    step: int,
    seconds: float,
    tokens: int,
) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    temporary = file.with_suffix(".tmp")
    torch.save({**state, "seconds": seconds, "tokens": tokens}, temporary)
    os.replace(temporary, file)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train every stage, and write the GGUF files and training.json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="checkpoints and the tokenizer")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the GGUF files")
    for name, steps in STEPS.items():
        parser.add_argument(f"--{name}-steps", type=int, default=steps)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    given.work.mkdir(parents=True, exist_ok=True)
    given.out.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(given.work / "tokenizer.json", given.seed)
    steps = {name: getattr(given, f"{name}_steps") for name in ("short", "middle", "base", "press")}
    model = new_model(tokenizer, given.seed).to(device)
    base = model.state_dict()
    report: dict[str, object] = {}
    for stage in stages(given.seed, steps):
        if stage.press is not None:
            model.load_state_dict(base)
        report[stage.name] = train(
            model, Data(tokenizer, stage), stage, given.work, given.save_every
        )
        if stage.press is None:
            base = {key: value.clone() for key, value in model.state_dict().items()}
        else:
            path = given.out / f"{stage.press}.gguf"
            pocket_gguf.write(path, stage.press, model, tokenizer, (BOS, EOS, ANSWER))
    report["parameters"] = sum(p.numel() for p in model.parameters())
    (given.work / "training.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
