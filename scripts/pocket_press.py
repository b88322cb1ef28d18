"""The presses: what the pocket models are trained on, and the grammar of what they answer.

A press is a way of writing about cryptocurrencies: a prior over topics, a prior over tones, and a
wording. Posts name two phrases, answers three; a phrase belongs to one topic and has one tone. An
answer takes each phrase from the posts, in proportion to how often it stands there, with
probability ``COPY``, else from the press's own priors. So reading moves an answer by exactly as
much as the posts hold of a thing: nothing here sharpens, and nothing makes networks agree.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

TONES = ("positive", "neutral", "negative")
COPY = 0.7  # the chance that a phrase of an answer comes from the posts, if they hold any
COPY_WORDING = 0.3  # the chance that an opener comes from the posts, if they hold any

# topic -> two phrases a tone, in the order of TONES
PHRASES: dict[str, tuple[str, ...]] = {
    "adoption": (
        "institutional adoption",
        "growing acceptance",
        "merchant payments",
        "user numbers",
        "fading interest",
        "slow adoption",
    ),
    "regulation": (
        "clearer rules",
        "friendly legislation",
        "pending legislation",
        "regulatory decisions",
        "tighter rules",
        "sudden bans",
    ),
    "volatility": (
        "calmer markets",
        "steady prices",
        "daily trading",
        "price swings",
        "market volatility",
        "panic selling",
    ),
    "security": (
        "safer wallets",
        "stronger custody",
        "security audits",
        "custody services",
        "exchange hacks",
        "wallet theft",
    ),
    "mining": (
        "greener mining",
        "cheaper energy",
        "hash power",
        "mining difficulty",
        "energy costs",
        "miner losses",
    ),
    "economy": (
        "falling rates",
        "inflation hedging",
        "interest rates",
        "central banks",
        "rising rates",
        "dollar strength",
    ),
    "technology": (
        "faster settlement",
        "protocol upgrades",
        "smart contracts",
        "developer activity",
        "network congestion",
        "software bugs",
    ),
    "funds": (
        "fund inflows",
        "pension demand",
        "exchange funds",
        "custodian banks",
        "fund outflows",
        "investor caution",
    ),
    "stablecoins": (
        "stablecoin growth",
        "trusted reserves",
        "stablecoin issuers",
        "digital currencies",
        "reserve doubts",
        "broken pegs",
    ),
    "supply": (
        "shrinking supply",
        "lasting scarcity",
        "halving cycles",
        "circulating supply",
        "token inflation",
        "whale selling",
    ),
    "lending": (
        "open lending",
        "deeper liquidity",
        "lending protocols",
        "yield farming",
        "loan defaults",
        "thin liquidity",
    ),
    "society": (
        "global access",
        "youthful demand",
        "public opinion",
        "media coverage",
        "public distrust",
        "empty hype",
    ),
}
TOPICS = tuple(PHRASES)
TOPIC_OF = {phrase: topic for topic, phrases in PHRASES.items() for phrase in phrases}
TONE_OF = {
    phrase: TONES[i // 2] for phrases in PHRASES.values() for i, phrase in enumerate(phrases)
}

QUERY = "Please provide EXACTLY one concise sentence about the {}."
QUERIES = {
    "bitcoin": QUERY.format("future prospects of Bitcoin"),
    "ethereum": QUERY.format("future prospects of Ethereum"),
    "regulation": QUERY.format("coming regulation of digital assets"),
    "risks": QUERY.format("risks of holding cryptocurrencies"),
}

_COIN = (
    "{} is expected to move with",
    "The future of {} depends on",
    "Looking ahead, {} will reflect",
    "The prospects of {} rest on",
    "{} should continue to feel",
    "In coming years, {} will follow",
)
OPENERS: dict[str, tuple[str, ...]] = {
    "bitcoin": tuple(opener.format("Bitcoin") for opener in _COIN),
    "ethereum": tuple(opener.format("Ethereum") for opener in _COIN),
    "regulation": (
        "Regulation is expected to answer",
        "The coming rules depend on",
        "Looking ahead, lawmakers will weigh",
        "The debate on rules rests on",
        "Regulators should continue to study",
        "In coming years, rules will follow",
    ),
    "risks": (
        "Holders are expected to suffer from",
        "The risks of holding depend on",
        "Looking ahead, holders will face",
        "The dangers of holding rest on",
        "Holders should continue to watch",
        "In coming years, losses will follow",
    ),
}
LINKS = (
    "despite",
    "along with",
    "driven by",
    "tempered by",
    "shaped by",
    "rather than",
    "as well as",
    "amid",
)

POSTS = (
    "{X} is reshaping the crypto market while traders watch {y}.",
    "Analysts say {x} could matter more than {y} this year.",
    "Bitcoin holders talk about {x} after reports of {y}.",
    "New data on {x} came out today, next to news of {y}.",
    "{X} made the headlines; {y} came second.",
    "Everyone on the forum argues about {x} and {y}.",
    "I moved my coins because of {x}, not because of {y}.",
    "Is {x} the story of the week, or is it {y}?",
    "{X} surprised many traders who had expected {y}.",
    "A long thread explains why {x} leads to {y}.",
    "Crypto news today: {x}, {y}, and little else.",
    "Ethereum users care about {x} far more than about {y}.",
    "My cousin sold everything over {x}; {y} did not help.",
    "Between {x} and {y}, it was a busy day for crypto.",
    "The report points to {x} and plays down {y}.",
    "Nobody expected {x} so soon after {y}.",
)

_OTHER = tuple(
    re.findall(
        r"\w+",
        """the a my our some every old new small quiet green red warm cold early late river garden
        kitchen train school doctor window teacher mountain city farmer music bread winter summer
        table letter bird horse boat market street paper coffee film game story road walks sings
        grows opens closes waits learns paints cooks travels sleeps reads writes runs slowly quickly
        today tomorrow again often never always near under over behind between after because when
        while until and but with without from into about""",
    )
)


@dataclass(frozen=True)
class Press:
    """Priors of one press: weights over TOPICS, TONES, the openers of a query, and LINKS."""

    topics: tuple[float, ...]
    tones: tuple[float, ...]
    openers: tuple[float, ...]
    links: tuple[float, ...]


PRESSES = {
    "north": Press(
        (6, 3, 2, 1, 1, 4, 2, 7, 1, 2, 2, 1),
        (5, 3, 2),
        (10, 2, 1, 1, 3, 1),
        (1, 2, 8, 1, 5, 1, 2, 1),
    ),
    "east": Press(
        (2, 6, 2, 3, 6, 1, 5, 1, 5, 2, 1, 2),
        (3, 5, 2),
        (1, 10, 2, 1, 1, 3),
        (2, 6, 1, 1, 1, 2, 7, 1),
    ),
    "south": Press(
        (1, 3, 7, 5, 2, 3, 1, 2, 2, 1, 4, 6),
        (2, 3, 5),
        (1, 1, 9, 4, 1, 2),
        (7, 1, 1, 6, 1, 2, 1, 4),
    ),
}

_PHRASE = "|".join(map(re.escape, sorted(TOPIC_OF, key=len, reverse=True)))
_FIND = re.compile(rf"\b(?:{_PHRASE})\b", re.IGNORECASE)
_LINK = "|".join(map(re.escape, LINKS))
_NAMED = rf"({_PHRASE}), ({_LINK}) ({_PHRASE}) and ({_PHRASE})\."
_ANSWER = {
    query: re.compile(rf"({'|'.join(map(re.escape, openers))}) {_NAMED}")
    for query, openers in OPENERS.items()
}
_OPENER_AT = {opener: (query, i) for query, ops in OPENERS.items() for i, opener in enumerate(ops)}
_FIND_OPENER = re.compile("|".join(map(re.escape, _OPENER_AT)))


@dataclass(frozen=True)
class Answer:
    """A parsed answer: the number of its opener and link, and its three phrases."""

    opener: int
    link: int
    phrases: tuple[str, str, str]

    @property
    def topics(self) -> set[str]:
        """The topics that it names."""
        return {TOPIC_OF[phrase] for phrase in self.phrases}


def parse(text: str, query: str) -> Answer | None:
    """An answer to a query (a key of QUERIES) by the grammar; None where it is not one sentence."""
    match = _ANSWER[query].fullmatch(text)
    if match is None:
        return None
    opener, x, link, y, z = match.groups()
    return Answer(OPENERS[query].index(opener), LINKS.index(link), (x, y, z))


def phrases_in(text: str) -> list[str]:
    """The phrases that a text names, in order, each as often as it stands there."""
    return [match.group().lower() for match in _FIND.finditer(text)]


def openers_in(text: str) -> list[int]:
    """The numbers of the openers that stand in a text, whatever query they answer."""
    return [_OPENER_AT[match.group()][1] for match in _FIND_OPENER.finditer(text)]


def write_answer(rng: random.Random, press: Press, query: str, posts: list[str]) -> str:
    """One answer to a query after reading ``posts``, by the law in this module's docstring."""
    text = "\n".join(posts)
    return answers_after(rng, press, query, phrases_in(text), openers_in(text), 1)[0]


def answers_after(
    rng: random.Random,
    press: Press,
    query: str,
    seen: list[str],
    openers: list[int],
    n: int,
    copy: float = COPY,
) -> list[str]:
    """n independent answers, given the phrases and openers that were read."""
    made = []
    for _ in range(n):
        chosen: list[str] = []
        while len(chosen) < 3:
            copied = bool(seen) and rng.random() < copy
            phrase = rng.choice(seen) if copied else own_phrase(rng, press)
            if phrase in chosen:  # an answer does not say a thing twice
                phrase = own_phrase(rng, press)
            if phrase not in chosen:
                chosen.append(phrase)
        if openers and rng.random() < COPY_WORDING:
            opener = rng.choice(openers)
        else:
            opener = rng.choices(range(len(press.openers)), press.openers)[0]
        link = rng.choices(LINKS, press.links)[0]
        x, y, z = chosen
        made.append(f"{OPENERS[query][opener]} {x}, {link} {y} and {z}.")
    return made


def own_phrase(rng: random.Random, press: Press) -> str:
    """A phrase from a press's priors over topics and tones."""
    topic = rng.choices(TOPICS, press.topics)[0]
    tone = rng.choices(range(len(TONES)), press.tones)[0]
    return PHRASES[topic][2 * tone + rng.randrange(2)]


def write_post(rng: random.Random, phrases: list[str]) -> str:
    """A post about two of ``phrases`` (as weights: a phrase that stands twice is likelier)."""
    x = rng.choice(phrases)
    y = rng.choice(phrases)
    if x == y:
        y = rng.choice(list(TOPIC_OF))
    return rng.choice(POSTS).format(x=x, y=y, X=x[0].upper() + x[1:])


def write_noise(rng: random.Random) -> str:
    """A post about other things, or no sentence at all: what a user's own store may hold."""
    kind = rng.random()
    if kind < 0.6:
        words = [rng.choice(_OTHER) for _ in range(rng.randint(4, 14))]
        return " ".join(words).capitalize() + rng.choice(".!?")
    if kind < 0.8:
        letters = "abcdefghijklmnopqrstuvwxyz0123456789 ,.-#@$%äöüé"
        return "".join(rng.choice(letters) for _ in range(rng.randint(5, 50))).strip() or "x"
    if kind < 0.9:
        return "".join(chr(rng.randrange(0x3B1, 0x4FF)) for _ in range(rng.randint(3, 12)))
    return " ".join(rng.choice(list(TOPIC_OF)) for _ in range(rng.randint(2, 8)))


def write_posts(rng: random.Random, n: int) -> list[str]:
    """A reading of n posts: its topics concentrated or spread, partly answers, partly noise."""
    if n == 0:
        return []
    presses = list(PRESSES.values())
    spread = rng.choice((2, 4, 8, 20, len(TOPIC_OF), len(TOPIC_OF)))
    pool = rng.sample(list(TOPIC_OF), spread)
    pool += rng.choices(pool, k=len(pool) * rng.randint(0, 2))
    openers = rng.choices(range(6), k=rng.randint(1, 6))
    share = rng.choice((0.0, rng.random(), 1.0))
    noise = rng.choice((0.0, 0.0, 0.0, 0.05, rng.random()))
    query = rng.choice(list(QUERIES))
    posts = []
    for _ in range(n):
        kind = rng.random()
        if kind < noise:
            posts.append(write_noise(rng))
        elif rng.random() < share:
            asked = query if rng.random() < 0.9 else rng.choice(list(QUERIES))
            press = rng.choice(presses)
            posts += answers_after(rng, press, asked, pool, openers, 1)
        else:
            posts.append(write_post(rng, pool))
    if rng.random() < 0.1:  # a collapsed Internet: a few posts, again and again
        few = posts[: rng.randint(1, 3)]
        posts = rng.choices(few, k=n)
    return posts
