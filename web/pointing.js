// What a pointer does on a band: hover says what is there, drag zooms, double click shows all. Not
// here: the words, nor what the keyboard does.

function instantAt(canvas, client_x) {
  const box = canvas.getBoundingClientRect();
  return view.from + (client_x - box.left) / box.width * (view.to - view.from);
}

// `say(from, to)` gives the words for what is between two instants, a pixel apart.
function point(canvas, say) {
  let began = null;
  let moved = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    began = { at: instantAt(canvas, event.clientX), x: event.clientX };
    moved = null;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const pixel = (view.to - view.from) / Math.max(1, canvas.clientWidth);
    const at = instantAt(canvas, event.clientX);
    showTip(say(at - pixel / 2, at + pixel / 2), event.clientX, event.clientY);
    if (began && Math.abs(event.clientX - began.x) > 4) {
      moved = at;
      showSelection(canvas, began.x, event.clientX);
    }
  });
  const stop = () => {
    began = moved = null;
    hideSelection();
  };
  canvas.addEventListener("pointerup", () => {
    if (began && moved !== null) zoom(began.at, moved);
    stop();
  });
  canvas.addEventListener("pointercancel", stop);
  canvas.addEventListener("pointerleave", hideTip);
  canvas.addEventListener("dblclick", zoomOut);
}

function showSelection(canvas, x0, x1) {
  const box = canvas.getBoundingClientRect();
  let shade = byId("selection");
  if (!shade) {
    shade = element("div", { id: "selection", "aria-hidden": "true" });
    document.body.append(shade);
  }
  const [left, right] = [Math.max(box.left, Math.min(x0, x1)), Math.min(box.right, Math.max(x0, x1))];
  shade.style.left = `${left}px`;
  shade.style.width = `${right - left}px`;
  shade.style.top = `${box.top}px`;
  shade.style.height = `${box.height}px`;
}

function hideSelection() {
  byId("selection")?.remove();
}

function showTip(text, x, y) {
  const tip = byId("tip");
  if (!text) return hideTip();
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const below = y + 18 + box.height < window.innerHeight;
  tip.style.left = `${Math.max(4, Math.min(x + 12, window.innerWidth - box.width - 4))}px`;
  tip.style.top = `${below ? y + 18 : Math.max(4, y - box.height - 10)}px`;
  return undefined;
}

function hideTip() {
  byId("tip").hidden = true;
}

// What a flow's band has between two instants, in words.
function spellWords(flow, from, to) {
  const { spells } = flow;
  const [first, last] = spellsBetween(spells, from, to);
  if (first === last) return null;
  let worst = first;
  const counts = [0, 0, 0, 0, 0];
  for (let at = first; at < last; at += 1) {
    counts[spells.state[at]] += 1;
    if (spells.state[at] > spells.state[worst]) worst = at;
  }
  const gap = inGap(flow.run, from, to);
  if (last - first === 1) return oneSpell(flow, worst) + gap;
  const each = NAMES.map((name, state) => [name, counts[state]]).filter(([, count]) => count > 0).reverse();
  return `${last - first} spells here: ${each.map(([name, count]) => `${count} ${name}`).join(", ")}\n` +
    `The worst: ${oneSpell(flow, worst)}${gap}`;
}

function inGap({ gaps }, from, to) {
  const lost = gaps.some(([begin, end]) => begin < to && end > from);
  return lost ? "\nEntries were lost here: the state may be another." : "";
}

function oneSpell(flow, at) {
  const { spells, samples } = flow;
  const [from, to] = [spells.from[at], spells.to[at]];
  const about = spells.seen(at) ? "" : "at least ";
  const goes_on = at === spells.count - 1 && !flow.ended ? ", goes on" : "";
  const lines = [`${NAMES[spells.state[at]]} for ${about}${length(to - from)}${goes_on}`];
  const cause = causeWords(spells.cause(at));
  if (cause) lines.push(cause);
  lines.push(`from ${instant(from, Math.min(view.to - view.from, 1e8))}`);
  const sample = sampleOf(samples, from);
  if (sample >= 0) lines.push(figures(samples, sample));
  const again = flow.repeated_rtos_ns.filter((at_ns) => at_ns >= from && at_ns < to).length;
  if (again > 0 && spells.state[at] === 4) lines.push(`${counted(again, "further timeout")} in it`);
  return lines.filter(Boolean).join("\n");
}

// The last sample that is not later.
function sampleOf(samples, at_ns) {
  return notLess(samples.at, at_ns + 1) - 1;
}

function figures(samples, at) {
  const parts = [];
  const add = (value, words) => {
    if (value !== null && value !== undefined) parts.push(words(value));
  };
  add(samples.cwnd[at], (value) => `cwnd ${value}`);
  add(samples.ssthresh[at], (value) => `ssthresh ${value}`);
  add(samples.srtt_us[at], (value) => `RTT ${length(value * 1000)}`);
  add(samples.in_flight[at], (value) => `${value} in flight`);
  add(samples.lost[at] || null, (value) => `${value} lost`);
  return parts.join(", ");
}
