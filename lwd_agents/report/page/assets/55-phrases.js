// What texts.phrases, texts.chains and texts.reads say: only looked up here, never traced anew.

(function () {
  "use strict";

  const trace = (LWD.trace = {});

  // Whose a phrase is, by the post at the end of its chain and the agent that answered.
  trace.origin = function (texts, agent, row) {
    const { people } = texts.posts;
    const kind = texts.posts.kind[row];
    // An inflow may be people's as well.
    if (people ? people[row] : kind === "human" || kind === "placebo") return "human";
    if (kind !== "agent") return "elsewhere";
    return texts.posts.author[row] === agent ? "own" : "other";
  };

  trace.known = (texts) => Boolean(texts.phrases && texts.phrases.response.length);

  // The phrases of a response, in order: {start, stop, chain: post rows, origin, text, finder}.
  trace.phrases = function (texts, response) {
    if (!trace.known(texts) || texts.responses.text[response] === null) return [];
    const { response: of, start, stop, chain } = texts.phrases;
    const said = texts.strings[texts.responses.text[response]];
    const found = [];
    for (let i = first(of, response); i < of.length && of[i] === response; i += 1) {
      const rows = texts.chains[chain[i]];
      found.push({
        start: start[i], stop: stop[i], chain: rows, text: said.slice(start[i], stop[i]),
        finder: trace.finder(said.slice(start[i], stop[i])),
        origin: trace.origin(texts, texts.responses.agent[response], rows[rows.length - 1]),
      });
    }
    return found;
  };

  // The first place at or after which a sorted column is not below the value.
  function first(column, value) {
    let low = 0;
    let high = column.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (column[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // The rows of the posts that were read before a response, in order; null where it is not known.
  trace.reads = function (texts, response) {
    const { reads, responses } = texts;
    const same = ["agent", "query", "reading"];
    const t = responses.t[response];
    for (let i = first(reads.t, t); reads.t[i] === t; i += 1) {
      if (same.every((key) => reads[key][i] === responses[key][response])) return reads.posts[i];
    }
    return null;
  };

  // --- a phrase in other texts -----------------------------------------------------------------------

  const LETTER = "[\\p{L}\\p{N}\\p{M}]";
  const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}\p{sc=Tibetan}]/u;

  const LONGEST = 4000; // characters of a phrase that is looked for in other texts

  // The words of a phrase, whatever stands between them and however they are written; null where
  // it cannot be looked for.
  trace.finder = function (phrase) {
    const words = phrase.match(/[\p{L}\p{N}\p{M}]+/gu);
    if (!words || phrase.length > LONGEST) return null;
    const before = UNSPACED.test(words[0]) ? "" : `(?<!${LETTER})`;
    const after = UNSPACED.test(words[words.length - 1]) ? "" : `(?!${LETTER})`;
    return new RegExp(before + words.join(`[^\\p{L}\\p{N}\\p{M}]+`) + after, "giu");
  };

  trace.holds = function (finder, string) {
    if (!finder) return false;
    finder.lastIndex = 0;
    return finder.test(string);
  };

  // Where phrases stand in a text, as spans for LWD.marked; the chosen one goes before the others.
  trace.spans = function (phrases, chosen, string) {
    const order = [...phrases].sort((a, b) => (b === chosen) - (a === chosen) || b.text.length - a.text.length);
    const spans = [];
    for (const phrase of order) {
      if (!phrase.finder) continue;
      phrase.finder.lastIndex = 0; // matchAll starts there
      for (const match of string.matchAll(phrase.finder)) {
        const start = match.index;
        const stop = start + match[0].length;
        if (spans.some((one) => start < one.stop && one.start < stop)) continue;
        const look = `origin-${phrase.origin}` + (phrase === chosen ? " chosen" : "");
        spans.push({ start, stop, phrase, make: (text) => LWD.el("mark", { class: look }, text) });
      }
    }
    return spans.sort((a, b) => a.start - b.start);
  };

  // --- forward ---------------------------------------------------------------------------------------

  // The steps in which each agent read a post: [{agent, steps}], those that did.
  trace.readers = function (texts, row) {
    const steps = new Map();
    const { reads } = texts;
    for (let i = 0; i < reads.t.length; i += 1) {
      if (!reads.posts[i].includes(row)) continue;
      const agent = reads.agent[i];
      if (!steps.has(agent)) steps.set(agent, new Set());
      steps.get(agent).add(reads.t[i]);
    }
    return [...steps].sort((a, b) => a[0] - b[0]).map(([agent, found]) => ({ agent, steps: [...found] }));
  };

  // How many responses have a phrase whose chain goes through a post.
  trace.through = function (texts, row) {
    const chains = new Uint8Array(texts.chains.length);
    texts.chains.forEach((rows, i) => (chains[i] = rows.includes(row) ? 1 : 0));
    const { response, chain } = texts.phrases;
    let count = 0;
    let last = -1;
    for (let i = 0; i < response.length; i += 1) {
      if (chains[chain[i]] && response[i] !== last) {
        last = response[i];
        count += 1;
      }
    }
    return count;
  };

  // How many responses hold a phrase, by agent and step, and how many of those come after step t.
  trace.holders = function (texts, finder, t) {
    const hits = texts.strings.map((string) => trace.holds(finder, string));
    const found = { all: 0, later: 0, of: 0, agents: new Map() };
    const { responses } = texts;
    for (let i = 0; i < responses.t.length; i += 1) {
      if (responses.t[i] > t) found.of += 1;
      if (responses.text[i] === null || !hits[responses.text[i]]) continue;
      found.all += 1;
      if (responses.t[i] > t) found.later += 1;
      const agent = responses.agent[i];
      if (!found.agents.has(agent)) found.agents.set(agent, new Map());
      const steps = found.agents.get(agent);
      steps.set(responses.t[i], (steps.get(responses.t[i]) || 0) + 1);
    }
    return found;
  };
})();
