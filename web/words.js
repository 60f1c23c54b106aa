// Names, units and explanations, as a person reads them. Not here: where they are shown.

const NAMES = ["Open", "Disorder", "CWR", "Recovery", "Loss"];
const MEANINGS = [
  "no sign of loss or congestion",
  "duplicate or selective acknowledgements arrive",
  "the window is reduced for an ECN mark or a local drop",
  "fast retransmit",
  "after a retransmission timeout",
];
const CAUSES = {
  "unknown": "the cause could not be recognized",
  "rto": "the retransmission timer ran out",
  "rto-repeat": "the retransmission timer ran out again",
  "syn-timeout": "the handshake's timer ran out",
  "pmtu": "a packet was too big for the path",
  "fast-retransmit": "acknowledgements showed a loss",
  "rack-timer": "RACK's reordering timer ran out",
  "ecn": "the peer echoed an ECN mark",
  "local-drop": "a packet did not get into the local queue",
  "tlp": "a tail loss probe had repaired a loss",
  "reordering": "acknowledgements out of order",
  "recovered": "what had been lost was acknowledged",
  "undo": "the window was restored: nothing had been lost",
  "tfo-fail": "the peer did not take the data of the SYN",
};

function causeWords(name) {
  if (name === null) return "";
  const meaning = CAUSES[name.split(" ")[0]];
  return meaning ? `${name}: ${meaning}` : name;
}

// A length of time, with three figures that count.
function length(ns) {
  if (ns === 0) return "0";
  const [size, unit] = ns >= 1e9 ? [1e9, "s"] : ns >= 1e6 ? [1e6, "ms"] : ns >= 1e3 ? [1e3, "µs"] : [1, "ns"];
  const number = ns / size;
  const digits = size === 1 || number >= 100 ? 0 : number >= 10 ? 1 : 2;
  return `${number.toFixed(digits)} ${unit}`;
}

// An instant since the recording began, as fine as what is in view.
function instant(ns, span_ns = view.to - view.from) {
  const digits = Math.min(9, Math.max(1, 3 - Math.floor(Math.log10(Math.max(span_ns, 1) / 1e9))));
  return `${(ns / 1e9).toFixed(digits)} s`;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// Which time is in which state, for who does not see the band.
function bandWords(flow) {
  const shares = NAMES.map((name, state) => [name, flow.times[state]])
    .filter(([, time]) => time > 0)
    .map(([name, time]) => `${name} ${length(time)}, ${percent(time / flow.total)}`);
  const { spells } = flow;
  let worst = -1;
  for (let at = 0; at < spells.count; at += 1) {
    if (spells.state[at] === 0) continue;
    if (worst < 0 || spells.to[at] - spells.from[at] > spells.to[worst] - spells.from[worst]) worst = at;
  }
  const longest = worst < 0 ? "never outside Open" : `longest outside Open: ${NAMES[spells.state[worst]]} of ` +
    `${length(spells.to[worst] - spells.from[worst])} at ${instant(spells.from[worst], 1e9)}`;
  return `${shares.join("; ")}; ${counted(flow.changes, "transition")}; ${longest}`;
}

function connection(flow) {
  return `${flow.local} > ${flow.remote}`;
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function byId(id) {
  return document.getElementById(id);
}
