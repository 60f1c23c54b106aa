// Puts the page together once it is read. Not here: what any part of it does.

const page = decode(byId("data").textContent);

function begin() {
  readTheme();
  view.whole = Math.max(1000, ...page.runs.map((run) => run.length_ns));
  [view.from, view.to] = [0, view.whole];
  for (const id of ["legend", "time", "flows", "totals", "lengths", "theme"]) byId(id).hidden = false;
  makeLegend();
  makeOverviews();
  makeTable(page);
  makeSums(page);
  makeHistograms(page);
  makeTheme();
  view.redraws.add(sayRange);
  window.addEventListener("resize", redrawSoon);
  document.addEventListener("keydown", onPageKey);
  document.addEventListener("scroll", hideTip, { passive: true });
  zoomOut();
  // The frame after the first one: all that is in sight is drawn.
  requestAnimationFrame(() => requestAnimationFrame(() => {
    document.documentElement.dataset.readyMs = performance.now().toFixed(0);
  }));
}

function makeLegend() {
  const samples = NAMES.map((name, state) => {
    const canvas = element("canvas", { role: "img", "aria-label": `pattern of ${name}` });
    const letters = state === 0 ? name : `${name} (${STATES[state]})`;
    byId("states").append(element("li", {}, canvas, element("span", {}, `${letters}: ${MEANINGS[state]}`)));
    return canvas;
  });
  const draw = () => samples.forEach((canvas, state) => {
    const prepared = prepare(canvas);
    if (!prepared) return;
    const { pen, width, height } = prepared;
    pen.fillStyle = theme.patterns[state];
    pen.fillRect(0, state === 0 ? height * 0.3 : 0, width, height);
  });
  theme.legend = draw;
  draw();
}

function makeOverviews() {
  for (const run of page.runs) {
    const flows = page.flows.filter((flow) => flow.run === run);
    const canvas = element("canvas", { class: "band overview", role: "img" });
    canvas.setAttribute("aria-label", `How many of ${counted(flows.length, "connection")} were in which state at each moment. ${run.summary.join(" ")}`);
    if (page.runs.length > 1) byId("overviews").append(element("strong", {}, `${run.letter} ${run.name}`));
    byId("overviews").append(canvas);
    let drawn = null;
    point(canvas, (from, to) => overviewWords(drawn, canvas, (from + to) / 2) + inGap(run, from, to));
    view.redraws.add(() => (drawn = drawOverview(canvas, flows, run.gaps)));
  }
  const axis = element("canvas", { class: "axis", role: "img", "aria-label": "time since the recording began" });
  byId("overviews").append(axis);
  view.redraws.add(() => drawAxis(axis));
}

function overviewWords(drawn, canvas, at) {
  if (!drawn) return "";
  const x = Math.min(drawn.width - 1, Math.max(0, Math.floor((at - view.from) / (view.to - view.from) * drawn.width)));
  const each = NAMES.map((name, state) => [name, drawn.counts[state][x]]).filter(([, count]) => count > 0).reverse();
  const all = each.reduce((sum, [, count]) => sum + count, 0);
  return `${instant(at)}: ${counted(all, "connection")}\n${each.map(([name, count]) => `${count} ${name}`).join(", ")}`;
}

function sayRange() {
  const whole = view.from === 0 && view.to === view.whole;
  byId("range").textContent = whole ? `All ${length(view.whole)}`
    : `${instant(view.from)} to ${instant(view.to)}, ${length(view.to - view.from)} of ${length(view.whole)}`;
}

function makeTheme() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const apply = () => {
    byId("theme").textContent = isDark() ? "Light" : "Dark";
    readTheme();
    theme.legend();
    redrawSoon();
  };
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    apply();
  });
  dark.addEventListener("change", apply);
  printInLight(root);
  apply();
}

// On paper everything is drawn, and light.
function printInLight(root) {
  let before;
  const draw = () => {
    readTheme();
    theme.legend();
    view.redraws.forEach((redraw) => redraw());
  };
  window.addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    root.dataset.theme = "light";
    draw();
    table.shown.forEach(drawRow);
  });
  window.addEventListener("afterprint", () => {
    if (before) root.dataset.theme = before;
    else delete root.dataset.theme;
    draw();
    table.shown.filter((row) => !table.visible.has(row)).forEach((row) => release(row.canvas));
  });
}

function onPageKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.id === "search") return;
  const about = table.chosen && table.cursor >= 0 ? table.chosen.flow.spells.from[table.cursor] : undefined;
  const keys = {
    "+": () => zoomBy(0.5, about), "=": () => zoomBy(0.5, about), "-": () => zoomBy(2, about),
    "Escape": () => {
      hideTip();
      if (view.from > 0 || view.to < view.whole) zoomOut();
      else closeDetail();
    },
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}

begin();
