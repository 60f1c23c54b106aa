// The table of connections: sorted, searched, walked through by keyboard, each with its band. Not here:
// what a band looks like.

// `of` is what a column is sorted by, the least first; where a column falls, that is the largest figure.
const table = { rows: [], shown: [], visible: new Set(), chosen: null, cursor: -1, order: "rank", reverse: false };

const COLUMNS = [
  { key: "rank", title: "#", class: "number rank", of: (flow) => flow.rank, text: (flow) => String(flow.rank + 1) },
  { key: "who", title: "Connection", class: "who", of: connection },
  { key: "verdict", title: "Verdict", class: "verdict", of: (flow) => flow.verdict?.name ?? "~", text: (flow) => flow.verdict?.name ?? "" },
  { key: "life", title: "Life", class: "life", of: (flow) => flow.began_ns },
  { key: "outside", falls: true, title: "Not Open", class: "number", of: (flow) => -flow.outside, text: (flow) => percent(flow.outside) },
  { key: "loss", falls: true, title: "Loss", class: "number", of: (flow) => -flow.times[4], text: (flow) => length(flow.times[4]) },
  { key: "recovery", falls: true, title: "Recovery", class: "number", of: (flow) => -flow.times[3], text: (flow) => length(flow.times[3]) },
  { key: "changes", falls: true, title: "Changes", class: "number", of: (flow) => -flow.changes, text: (flow) => String(flow.changes) },
  { key: "rtos", falls: true, title: "RTOs", class: "number", of: (flow) => -flow.rtos, text: (flow) => String(flow.rtos) },
];
const RUN_COLUMN = { key: "run", title: "Run", class: "run-name", of: (flow) => flow.index, text: (flow) => flow.run.letter };

function makeTable({ flows, runs }) {
  const columns = runs.length > 1 ? [RUN_COLUMN, ...COLUMNS] : COLUMNS;
  for (const column of columns) byId("heads").append(heading(column));
  const seen = new IntersectionObserver((entries) => entries.forEach(comeOrGo), { rootMargin: "150px" });
  for (const flow of flows) {
    const row = makeRow(flow, columns);
    table.rows.push(row);
    seen.observe(row.tr);
  }
  arrange();
  byId("search").addEventListener("input", arrange);
  byId("table").addEventListener("keydown", onKey);
  view.redraws.add(() => table.visible.forEach(drawRow));
}

function heading(column) {
  const button = element("button", { type: "button" }, column.title);
  const cell = element("th", { role: "columnheader", scope: "col", class: column.class, "data-key": column.key }, button);
  button.addEventListener("click", () => {
    table.reverse = table.order === column.key && !table.reverse;
    table.order = column.key;
    arrange();
  });
  return cell;
}

function makeRow(flow, columns) {
  const row = { flow, canvas: null, tr: element("tr", { role: "row", tabindex: "-1", "aria-selected": "false" }) };
  for (const column of columns) {
    const cell = element("td", { role: "cell", class: column.class, "data-name": column.title });
    if (column.key === "who") cell.append(...who(flow));
    else if (column.key === "life") cell.append(band(row));
    else cell.textContent = column.text(flow);
    row.tr.append(cell);
  }
  row.tr.addEventListener("focus", () => choose(row));
  row.tr.flowRow = row;
  return row;
}

function who(flow) {
  const open = element("button", { type: "button", tabindex: "-1" }, connection(flow));
  open.addEventListener("click", () => openDetail(flow));
  const about = [flow.process, flow.cc, flow.netns === "host" ? null : flow.netns].filter(Boolean).join(" · ");
  const mark = flow.exact ? null : element("span", { class: "inexact-mark", title: inexact(flow) }, ` ≈ ${inexact(flow)}`);
  return [open, element("small", {}, about, mark ?? "")];
}

function inexact(flow) {
  return `not exact: at most ${length(flow.uncertain_ns)} in a wrong state`;
}

function band(row) {
  const { flow } = row;
  row.canvas = element("canvas", { class: "band", role: "img", "aria-label": bandWords(flow) });
  row.canvas.width = row.canvas.height = 0;
  point(row.canvas, (from, to) => spellWords(flow, from, to));
  return row.canvas;
}

function comeOrGo(entry) {
  const row = entry.target.flowRow;
  if (entry.isIntersecting) {
    table.visible.add(row);
    drawRow(row);
  } else {
    table.visible.delete(row);
    release(row.canvas);
  }
}

function drawRow(row) {
  drawBand(row.canvas, row.flow, row === table.chosen ? table.cursor : -1);
}

// Puts the rows that are asked for into the order that is asked for.
function arrange() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const column = [RUN_COLUMN, ...COLUMNS].find(({ key }) => key === table.order);
  const compare = (one, other) => {
    const [a, b] = [column.of(one.flow), column.of(other.flow)];
    const order = typeof a === "string" ? a.localeCompare(b) : a - b;
    return (table.reverse ? -order : order) || one.flow.rank - other.flow.rank || one.flow.index - other.flow.index;
  };
  table.shown = table.rows.filter(({ flow }) => words.every((word) => flow.words.includes(word))).sort(compare);
  byId("rows").replaceChildren(...table.shown.map(({ tr }) => tr));
  for (const cell of byId("heads").children) {
    const sorted = cell.dataset.key === table.order;
    cell.setAttribute("aria-sort", sorted ? (table.reverse !== Boolean(column.falls) ? "descending" : "ascending") : "none");
  }
  byId("count").textContent = table.shown.length === table.rows.length
    ? counted(table.rows.length, "connection") : `${table.shown.length} of ${counted(table.rows.length, "connection")}`;
  if (!table.shown.includes(table.chosen)) choose(table.shown[0] ?? null);
}

// One row is in the order of Tab; arrows lead to the others.
function choose(row) {
  if (row === table.chosen) return;
  const before = table.chosen;
  [table.chosen, table.cursor] = [row, -1];
  for (const [of, chosen] of [[before, false], [row, true]]) {
    if (!of) continue;
    of.tr.tabIndex = chosen ? 0 : -1;
    of.tr.setAttribute("aria-selected", String(chosen));
    if (table.visible.has(of)) drawRow(of);
  }
}

function onKey(event) {
  const row = event.target.closest?.("tbody tr")?.flowRow;
  if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
  const at = table.shown.indexOf(row);
  const go = (to) => table.shown[Math.min(Math.max(to, 0), table.shown.length - 1)].tr.focus();
  const keys = {
    ArrowDown: () => go(at + 1), ArrowUp: () => go(at - 1), PageDown: () => go(at + 10), PageUp: () => go(at - 10),
    Home: () => go(0), End: () => go(table.shown.length - 1),
    ArrowRight: () => walk(row, 1, event.shiftKey), ArrowLeft: () => walk(row, -1, event.shiftKey),
    Enter: () => openDetail(row.flow),
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}

// To the next spell outside Open, or to the next one.
function walk(row, step, each) {
  const { spells } = row.flow;
  const begin = step > 0 ? notLess(spells.to, view.from) : spellsBetween(spells, view.from, view.to)[1] - 1;
  let at = table.cursor < 0 ? begin : table.cursor + step;
  while (!each && at >= 0 && at < spells.count && spells.state[at] === 0) at += step;
  if (at < 0 || at >= spells.count) return;
  table.cursor = at;
  bringIntoView(spells.from[at], spells.to[at]);
  drawRow(row);
  const words = oneSpell(row.flow, at);
  byId("said").textContent = words;
  const box = row.canvas.getBoundingClientRect();
  const middle = (spells.from[at] + spells.to[at]) / 2;
  const x = box.left + Math.min(1, Math.max(0, (middle - view.from) / (view.to - view.from))) * box.width;
  showTip(words, x, box.bottom - 12);
}
