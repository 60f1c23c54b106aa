// Draws bands of states on canvases: colour, pattern and letter by state. Not here: which states.

const theme = { colours: [], patterns: [] };

// Reads the colours anew, and makes the patterns of them.
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  theme.colours = ["--open", "--disorder", "--cwr", "--recovery", "--loss"].map(colour);
  for (const name of ["ink", "fore", "dim", "line", "one", "two", "envelope", "mark", "back"]) {
    theme[name] = colour(`--${name}`);
  }
  theme.patterns = theme.colours.map((fill, state) => pattern(fill, state));
}

// What tells the states apart without colour: dots, lines, strokes, crosses. Open is plain.
function pattern(fill, state) {
  const tile = document.createElement("canvas");
  const size = 8;
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  pen.fillStyle = fill;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = pen.fillStyle = "rgba(0, 0, 0, .38)";
  if (state === 1) pen.fillRect(3, 3, 2, 2);
  if (state === 2) pen.fillRect(0, 6, size, 1);
  const strokes = [[], [], [], [[-1, 9, 9, -1]], [[-1, 9, 9, -1], [-1, -1, 9, 9]]][state];
  pen.beginPath();
  for (const [x0, y0, x1, y1] of strokes) {
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

// Makes a canvas as large as it is shown. Returns its pen, or nothing where it is not shown.
function prepare(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
  if (width === 0 || height === 0) return null;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  return { pen, width, height, scale };
}

// Gives back the memory of a canvas that is out of sight.
function release(canvas) {
  canvas.width = canvas.height = 0;
}

function drawBand(canvas, flow, cursor = -1) {
  const prepared = prepare(canvas);
  if (!prepared) return;
  const { pen, width, height, scale } = prepared;
  const worst = raster(flow.spells, view.from, view.to, width);
  pen.font = `${Math.round(11 * scale)}px system-ui, sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  stretches(worst, (from, to, state) => {
    // Open is lower, so that the others stand out.
    const top = state === 0 ? Math.round(height * 0.3) : 0;
    pen.fillStyle = theme.patterns[state];
    pen.fillRect(from, top, to - from, height - top);
    if (state > 0 && to - from >= 13 * scale) letter(pen, state, (from + to) / 2, height / 2, scale);
  });
  const place = (at_ns) => (at_ns - view.from) * width / (view.to - view.from);
  pen.fillStyle = theme.fore;
  for (const at_ns of flow.repeated_rtos_ns) {
    if (at_ns >= view.from && at_ns <= view.to) pen.fillRect(Math.round(place(at_ns)), 0, Math.max(1, scale), height * 0.3);
  }
  drawGaps(prepared, flow.run.gaps, place);
  if (cursor >= 0) {
    const [from, to] = [place(flow.spells.from[cursor]), place(flow.spells.to[cursor])];
    pen.strokeStyle = theme.fore;
    pen.lineWidth = 2 * scale;
    pen.strokeRect(from - scale, scale, Math.max(to - from, scale) + 2 * scale, height - 2 * scale);
  }
}

// When entries were lost: a dashed line below.
function drawGaps({ pen, width, height, scale }, gaps, place) {
  for (const [from, to] of gaps) {
    const [begin, end] = [Math.max(0, place(from)), Math.min(width, place(to))];
    for (let x = begin; x < end; x += 6 * scale) pen.fillRect(x, height - 3 * scale, Math.max(scale, Math.min(3 * scale, end - x)), 3 * scale);
  }
}

// On a plate of its colour, so that no pattern crosses it.
function letter(pen, state, x, y, scale) {
  pen.fillStyle = theme.colours[state];
  pen.fillRect(x - 5 * scale, y - 6.5 * scale, 10 * scale, 13 * scale);
  pen.fillStyle = "#111";
  pen.fillText(STATES[state], x, y);
}

// How many of these connections were in which state, the worst at the bottom.
function overviewCounts(flows, width) {
  const counts = NAMES.map(() => new Uint32Array(width));
  for (const { spells } of flows) {
    const worst = raster(spells, view.from, view.to, width);
    for (let x = 0; x < width; x += 1) if (worst[x] >= 0) counts[worst[x]][x] += 1;
  }
  return counts;
}

function drawOverview(canvas, flows, gaps) {
  const prepared = prepare(canvas);
  if (!prepared) return null;
  const { pen, width, height, scale } = prepared;
  const counts = overviewCounts(flows, width);
  let most = 1;
  for (let x = 0; x < width; x += 1) most = Math.max(most, counts.reduce((sum, of) => sum + of[x], 0));
  for (let x = 0; x < width; x += 1) {
    let bottom = height;
    for (let state = 4; state >= 0; state -= 1) {
      const count = counts[state][x];
      if (count === 0) continue;
      const tall = Math.max(state > 0 ? 2 * scale : 0, count * height / most);
      pen.fillStyle = theme.patterns[state];
      pen.fillRect(x, Math.max(0, bottom - tall), 1, Math.min(tall, bottom));
      bottom -= tall;
    }
  }
  pen.fillStyle = theme.fore;
  drawGaps(prepared, gaps, (at_ns) => (at_ns - view.from) * width / (view.to - view.from));
  return { counts, width };
}

// Ticks of 1, 2 or 5 of a power of ten, and what time that is.
function drawAxis(canvas) {
  const prepared = prepare(canvas);
  if (!prepared) return;
  const { pen, width, height, scale } = prepared;
  const span = view.to - view.from;
  const least = span * 90 * scale / width;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((times) => times * power).find((candidate) => candidate >= least);
  pen.font = `${Math.round(11 * scale)}px system-ui, sans-serif`;
  pen.textBaseline = "bottom";
  pen.fillStyle = theme.dim;
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    const x = (at - view.from) * width / span;
    pen.fillRect(Math.round(x), 0, Math.max(1, scale), 4 * scale);
    const text = `${Number((at / 1e9).toPrecision(12))} s`;
    const half = pen.measureText(text).width / 2;
    pen.textAlign = "center";
    pen.fillText(text, Math.min(Math.max(x, half), width - half), height);
  }
}
