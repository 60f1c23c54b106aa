// Time in each state and how long spells were, for each recording. Not here: single connections.

function makeSums({ runs }) {
  const many = runs.length > 1;
  const head = element("tr", {}, element("th", { scope: "col" }, "State"));
  for (const run of runs) {
    const prefix = many ? `${run.letter}: ` : "";
    for (const title of ["time", "share", "spells"]) head.append(element("th", { scope: "col", class: "number" }, prefix + title));
  }
  const body = element("tbody");
  NAMES.forEach((name, state) => {
    const row = element("tr", {}, element("th", { scope: "row" }, name));
    for (const run of runs) {
      const total = run.times_ns.reduce((sum, time) => sum + time, 0);
      const spells = run.lengths[state].reduce((sum, count) => sum + count, 0) + run.ongoing[state];
      for (const text of [length(run.times_ns[state]), percent(total ? run.times_ns[state] / total : 0), String(spells)]) {
        row.append(element("td", { class: "number" }, text));
      }
    }
    body.append(row);
  });
  byId("sums").append(element("thead", {}, head), body);
  for (const run of runs) byId("totals").insertBefore(shares(run, many), byId("totals").querySelector(".scroll"));
}

// All time as one bar.
function shares(run, many) {
  const total = Math.max(1, run.times_ns.reduce((sum, time) => sum + time, 0));
  const bar = element("div", { class: "share", role: "img" });
  const words = NAMES.map((name, state) => `${name} ${percent(run.times_ns[state] / total)}`);
  bar.setAttribute("aria-label", words.join(", "));
  bar.title = words.join(", ");
  NAMES.forEach((_, state) => {
    const part = element("div");
    part.style.width = `${100 * run.times_ns[state] / total}%`;
    part.style.background = `var(--${["open", "disorder", "cwr", "recovery", "loss"][state]})`;
    bar.append(part);
  });
  return element("div", {}, many ? element("strong", {}, `${run.letter} ${run.name}`) : null, bar);
}

function makeHistograms({ runs }) {
  NAMES.forEach((name, state) => {
    const slots = Math.max(...runs.map((run) => run.lengths[state].length));
    const first = Math.min(...runs.map((run) => run.lengths[state].findIndex((count) => count > 0)).map((at) => (at < 0 ? slots : at)));
    const ended = runs.map((run) => run.lengths[state].reduce((sum, count) => sum + count, 0));
    const caption = runs.map((run, at) => (runs.length > 1 ? `${run.letter}: ` : "") + `${counted(ended[at], "ended spell")}` +
      (run.ongoing[state] ? `, ${run.ongoing[state]} ongoing` : "")).join("; ");
    const body = element("tbody");
    // Shares, so that two recordings of different length can be held against each other.
    const most = Math.max(...runs.map((run, at) => Math.max(0, ...run.lengths[state]) / Math.max(1, ended[at])));
    for (let slot = first; slot < slots; slot += 1) body.append(histogramRow(runs, state, slot, ended, most));
    const title = `histogram-${state}`;
    byId("histograms").append(element("div", {}, element("h3", { id: title }, name), element("p", { class: "hint" }, caption),
      element("table", { "aria-labelledby": title }, element("thead", { class: "unseen" }, element("tr", {},
        ...["Length", "Bar", "Spells"].map((head) => element("th", { scope: "col" }, head)))), body)));
  });
}

function histogramRow(runs, state, slot, ended, most) {
  const low = slot === 0 ? 0 : 2 ** slot * 1000;
  const bars = element("td", { class: "bars", "aria-hidden": "true" });
  runs.forEach((run, at) => {
    const count = run.lengths[state][slot] ?? 0;
    const bar = element("div", { class: at === 0 ? "bar" : "bar second" });
    bar.style.width = `${100 * count / Math.max(1, ended[at]) / most}%`;
    bar.style.background = `var(--${["open", "disorder", "cwr", "recovery", "loss"][state]})`;
    if (count === 0) bar.style.visibility = "hidden";
    bars.append(bar);
  });
  const counts = runs.map((run) => run.lengths[state][slot] ?? 0).join(" / ");
  return element("tr", {}, element("td", { class: "number" }, `${low === 0 ? "0" : length(low)} – ${length(2 ** (slot + 1) * 1000)}`),
    bars, element("td", { class: "number" }, counts));
}
