// The recordings that stand in the page, decoded: flows with their spells and samples, times in
// nanoseconds since each recording began. Not here: how any of it is drawn.

const STATES = "ODCRL"; // in the kernel's order, which is also from the least to the worst

function decode(text) {
  const { runs } = JSON.parse(text);
  const flows = [];
  runs.forEach((run, index) => {
    run.letter = "AB"[index];
    run.flows.forEach((flow, rank) => flows.push(decodeFlow(flow, run, index, rank)));
  });
  return { runs, flows };
}

function decodeFlow(flow, run, index, rank) {
  const total = flow.times.reduce((sum, time) => sum + time, 0);
  return {
    ...flow, run, index, rank, total,
    outside: total > 0 ? (total - flow.times[0]) / total : 0,
    spells: decodeSpells(flow.spells, run.causes),
    // Most of what is in the page, and of most flows never looked at.
    get samples() {
      const value = decodeSamples(JSON.parse(flow.samples));
      Object.defineProperty(this, "samples", { value });
      return value;
    },
    words: [flow.local, flow.remote, flow.process, flow.cc, flow.cgroup, flow.netns, flow.verdict?.name]
      .filter(Boolean).join(" ").toLowerCase(),
  };
}

// Spells follow each other without a gap, but for those that `skips` names.
function decodeSpells({ first_ns, lengths_ns, states, causes, skips, unseen }, names) {
  const count = lengths_ns.length;
  const spells = {
    count, from: new Float64Array(count), to: new Float64Array(count), state: new Uint8Array(count),
    cause: (at) => (causes[at] === null ? null : names[causes[at]]),
    seen: (at) => !unseen.includes(at),
  };
  const skipped = new Map(skips);
  let at_ns = first_ns;
  for (let at = 0; at < count; at += 1) {
    at_ns += skipped.get(at) ?? 0;
    spells.from[at] = at_ns;
    at_ns += lengths_ns[at];
    spells.to[at] = at_ns;
    spells.state[at] = STATES.indexOf(states[at]);
  }
  return spells;
}

function decodeSamples({ steps_ns, ...figures }) {
  let at_ns = 0;
  return { count: steps_ns.length, at: steps_ns.map((step) => (at_ns += step)), ...figures };
}

// The first place in a sorted array whose value is not less.
function notLess(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
