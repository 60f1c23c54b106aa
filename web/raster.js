// Many figures on few pixels: the worst state of each pixel, and the median with its envelope. Pure
// functions. Not here: drawing.

// Which state each of `width` pixels between two instants shows, -1 where there was no connection. Of
// several spells on one pixel the worst shows.
function raster(spells, from, to, width) {
  const worst = new Int8Array(width).fill(-1);
  const scale = width / (to - from);
  for (let at = notLess(spells.to, from); at < spells.count && spells.from[at] < to; at += 1) {
    const first = Math.max(0, Math.floor((spells.from[at] - from) * scale));
    const last = Math.min(width, Math.max(first + 1, Math.ceil((spells.to[at] - from) * scale)));
    const state = spells.state[at];
    for (let x = first; x < last; x += 1) {
      if (state > worst[x]) worst[x] = state;
    }
  }
  return worst;
}

// Calls back with each stretch of pixels that show the same.
function stretches(worst, callback) {
  let begin = 0;
  for (let x = 1; x <= worst.length; x += 1) {
    if (x === worst.length || worst[x] !== worst[begin]) {
      if (worst[begin] >= 0) callback(begin, x, worst[begin]);
      begin = x;
    }
  }
}

// The spells that are on a stretch of time, by their places.
function spellsBetween(spells, from, to) {
  const first = notLess(spells.to, from);
  let last = first;
  while (last < spells.count && spells.from[last] < to) last += 1;
  return [first, last];
}

// The points of several series over one axis, no more of them than pixels: where there are more, the
// least, the median and the most of each pixel.
function envelope(at, series, from, to, width) {
  const first = Math.max(0, notLess(at, from) - 1);
  const last = Math.min(at.length, notLess(at, to) + 1);
  if (last - first <= width) {
    const values = series.map((values) => values.slice(first, last));
    return { at: at.slice(first, last), of: values.map((mid) => ({ least: mid, mid, most: mid })), dense: false };
  }
  const out = { at: [], of: series.map(() => ({ least: [], mid: [], most: [] })), dense: true };
  const step = (to - from) / width;
  for (let begin = first; begin < last;) {
    const pixel = Math.floor((at[begin] - from) / step);
    let end = begin + 1;
    while (end < last && Math.floor((at[end] - from) / step) === pixel) end += 1;
    out.at.push(at[(begin + end - 1) >> 1]);
    series.forEach((values, index) => addPixel(values.slice(begin, end), out.of[index]));
    begin = end;
  }
  return out;
}

function addPixel(values, to) {
  const sorted = values.filter((value) => value !== null).sort((one, other) => one - other);
  const any = sorted.length > 0;
  to.least.push(any ? sorted[0] : null);
  to.mid.push(any ? sorted[sorted.length >> 1] : null);
  to.most.push(any ? sorted[sorted.length - 1] : null);
}

// Segments delivered a second, over stretches of a twentieth of a second or more: what was delivered
// between two transitions of the same millisecond is no rate.
function rates({ at, delivered }) {
  const out = { at: [], rate: [] };
  let begin = -1;
  for (let now = 0; now < at.length; now += 1) {
    if (delivered[now] === null) continue;
    if (begin >= 0 && at[now] - at[begin] < 5e7) continue;
    if (begin >= 0) {
      out.at.push(at[now]);
      out.rate.push(Math.max(0, delivered[now] - delivered[begin]) / ((at[now] - at[begin]) / 1e9));
    }
    begin = now;
  }
  return out;
}
