// One connection: its band, charts of its figures below it, its verdict and its last transitions. Not
// here: how figures are thinned out.

const GUTTER = { left: 62, right: 14 }; // where a chart's axis is, so that the band is above its plot
const LISTED = 20;
const detail = { flow: null, charts: [], redraw: null, back: null };

function openDetail(flow) {
  closeDetail();
  const section = byId("detail");
  detail.flow = flow;
  detail.back = table.rows.find((row) => row.flow === flow)?.tr ?? null;
  section.hidden = false;
  const close = element("button", { type: "button", class: "close" }, "Close");
  close.addEventListener("click", closeDetail);
  const canvas = element("canvas", { class: "band", role: "img", "aria-label": bandWords(flow) });
  canvas.style.height = "34px";
  const holder = element("div", {}, canvas);
  holder.style.padding = `0 ${GUTTER.right}px 0 ${GUTTER.left}px`;
  const charts = element("div", { id: "charts" });
  section.replaceChildren(close, element("h2", { id: "detail-title" }, connection(flow)), ...about(flow), holder, charts, transitions());
  point(canvas, (from, to) => spellWords(flow, from, to));
  detail.charts = makeCharts(flow, charts);
  detail.redraw = () => {
    drawBand(canvas, flow);
    detail.charts.forEach((chart) => chart.redraw());
    listTransitions(flow);
  };
  view.redraws.add(detail.redraw);
  detail.redraw();
  section.focus({ preventScroll: true });
  section.scrollIntoView({ block: "start" });
}

function closeDetail() {
  if (!detail.flow) return;
  view.redraws.delete(detail.redraw);
  detail.charts.forEach((chart) => chart.destroy());
  byId("detail").hidden = true;
  byId("detail").replaceChildren();
  [detail.flow, detail.charts] = [null, []];
  detail.back?.focus({ preventScroll: true });
}

function about(flow) {
  const facts = [flow.process, flow.cc, flow.netns && `namespace ${flow.netns}`, flow.cgroup,
    `${flow.ended ? "lived" : "watched for"} ${length(flow.ended_ns - flow.began_ns)} from ${instant(flow.began_ns, 1e9)}`,
    counted(flow.changes, "transition"), counted(flow.rtos, "timeout"), flow.exact ? "exact" : `≈ ${inexact(flow)}`];
  const out = [element("p", { class: "facts" }, facts.filter(Boolean).join(" · ")), element("p", {}, bandWords(flow))];
  if (flow.verdict) {
    const { name, confidence, facts } = flow.verdict;
    out.push(element("p", {}, element("strong", {}, name), ` (${confidence} confidence): ${facts.join("; ")}`));
  }
  return out;
}

function makeCharts(flow, into) {
  const { samples } = flow;
  const has = (values) => values.some((value) => value !== null);
  const charts = [];
  const add = (title, unit, at, series) => charts.push(makeChart({ flow, title, unit, at, series, into }));
  const windows = [{ name: "cwnd", values: samples.cwnd, colour: "one" }, { name: "ssthresh", values: samples.ssthresh, colour: "two" }];
  if (has(samples.cwnd)) add("Congestion window", "segments", samples.at, windows.filter(({ values }) => has(values)));
  if (has(samples.srtt_us)) {
    const values = samples.srtt_us.map((value) => (value === null ? null : value / 1000));
    add("Smoothed round-trip time", "ms", samples.at, [{ name: "RTT", values, colour: "one" }]);
  }
  const { at, rate } = rates(samples);
  if (at.length > 1) add("Delivery rate", "segments/s", at, [{ name: "delivered", values: rate, colour: "one" }]);
  into.append(element("p", { class: "hint" }, "Figures are known where something happened: between two transitions the lines are straight."));
  if (charts.length === 0) into.append(element("p", { class: "hint" }, "No figures of its windows were seen."));
  return charts;
}

function makeChart({ flow, title, unit, at, series, into }) {
  const place = element("div", { class: "chart", role: "img" });
  into.append(element("h3", {}, `${title} `, element("small", { class: "hint" }, unit)), place);
  const points = () => {
    const thin = envelope(at, series.map(({ values }) => values), view.from, view.to, Math.max(100, width(place) >> 1));
    const columns = thin.of.flatMap(({ least, most, mid }) => [least, most, mid]);
    place.setAttribute("aria-label", chartWords(title, unit, series, thin));
    return [thin.at.map((at_ns) => at_ns / 1e9), ...columns];
  };
  const chart = new uPlot(chartOptions(place, flow, series, unit), points(), place);
  return {
    redraw: () => {
      if (chart.width !== width(place)) chart.setSize({ width: width(place), height: 170 });
      chart.setData(points(), false);
      chart.setScale("x", { min: view.from / 1e9, max: view.to / 1e9 });
    },
    destroy: () => chart.destroy(),
  };
}

function width(place) {
  return Math.max(220, place.clientWidth);
}

function chartOptions(place, flow, series, unit) {
  const stroke = (name) => () => theme[name];
  const axis = { stroke: stroke("dim"), grid: { stroke: stroke("line"), width: 1 }, ticks: { stroke: stroke("line"), width: 1 } };
  const value = (_, number) => (number === null || number === undefined ? "–" : `${Number(number.toPrecision(4))} ${unit}`);
  const lines = series.flatMap(({ name, colour }) => [
    { label: `${name} least`, class: "envelope", width: 0, points: { show: false } },
    { label: `${name} most`, class: "envelope", width: 0, points: { show: false } },
    { label: name, stroke: stroke(colour), width: 1.5, value, dash: colour === "two" ? [5, 4] : undefined },
  ]);
  return {
    width: width(place), height: 170, padding: [8, GUTTER.right, 0, 0],
    cursor: { drag: { x: true, y: false, setScale: false }, sync: { key: "tcpcong" }, bind: { dblclick: () => () => (zoomOut(), null) } },
    hooks: { setSelect: [zoomToSelection], drawClear: [(chart) => shade(chart, flow)] },
    scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(1, most ?? 1) * 1.08] } },
    axes: [{ ...axis, values: (_, ticks) => ticks.map((tick) => `${Number(tick.toPrecision(12))} s`) }, { ...axis, size: GUTTER.left }],
    series: [{ label: "at", value: (_, at) => (at === null || at === undefined ? "–" : instant(at * 1e9)) }, ...lines],
    bands: series.map((_, index) => ({ series: [3 * index + 2, 3 * index + 1], fill: () => theme.envelope })),
  };
}

function zoomToSelection(chart) {
  const { left, width: wide } = chart.select;
  if (wide < 3) return;
  const [from, to] = [chart.posToVal(left, "x"), chart.posToVal(left + wide, "x")];
  chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  zoom(from * 1e9, to * 1e9);
}

// The states outside Open, behind the curves.
function shade(chart, flow) {
  const { left, top, width: wide, height } = chart.bbox;
  const worst = raster(flow.spells, view.from, view.to, Math.round(wide));
  chart.ctx.save();
  chart.ctx.globalAlpha = 0.28;
  stretches(worst, (from, to, state) => {
    if (state === 0) return;
    chart.ctx.fillStyle = theme.colours[state];
    chart.ctx.fillRect(left + from, top, to - from, height);
  });
  chart.ctx.restore();
}

function chartWords(title, unit, series, { of, dense }) {
  const each = series.map(({ name }, index) => {
    const ends = [of[index].least, of[index].most].map((values) => values.filter((value) => value !== null));
    if (ends[0].length === 0) return `${name}: nothing known in view`;
    const least = ends[0].reduce((one, other) => Math.min(one, other));
    const most = ends[1].reduce((one, other) => Math.max(one, other));
    return `${name} from ${Number(least.toPrecision(4))} to ${Number(most.toPrecision(4))} ${unit}`;
  });
  return `${title} from ${instant(view.from)} to ${instant(view.to)}: ${each.join("; ")}${dense ? "; median with its envelope" : ""}`;
}

function transitions() {
  const heads = ["At", "From", "To", "Cause", "Spell before", "Figures after"];
  return element("div", {}, element("h3", { id: "transitions-title" }, "Transitions"),
    element("div", { class: "scroll" }, element("table", { id: "transitions", "aria-labelledby": "transitions-title" },
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))), element("tbody"))));
}

// The last ones in view.
function listTransitions(flow) {
  const { spells, samples } = flow;
  const [first, last] = spellsBetween(spells, view.from, view.to);
  const rows = [];
  for (let at = last - 1; at >= Math.max(first, 1) && rows.length < LISTED; at -= 1) {
    if (spells.cause(at) === null || spells.from[at] < view.from) continue;
    const sample = sampleOf(samples, spells.from[at]);
    const before = (spells.seen(at - 1) ? "" : "≥ ") + length(spells.to[at - 1] - spells.from[at - 1]);
    const cells = [instant(spells.from[at], Math.min(1e6, view.to - view.from)), NAMES[spells.state[at - 1]], NAMES[spells.state[at]],
      causeWords(spells.cause(at)), before, sample < 0 ? "" : figures(samples, sample)];
    rows.push(element("tr", {}, ...cells.map((cell, column) => element("td", { class: column === 3 || column === 5 ? "wide" : null }, cell))));
  }
  const inView = counted(Math.max(0, last - Math.max(first, 1)), "transition");
  byId("transitions-title").textContent = `The last ${rows.length} transitions of ${inView} in view`;
  byId("transitions").tBodies[0].replaceChildren(...rows);
}
