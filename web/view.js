// Which stretch of time is in view, the same for all bands and charts. Not here: what redraws.

const view = { from: 0, to: 1, whole: 1, redraws: new Set(), waits: false };

function zoom(from, to) {
  const span = Math.min(view.whole, Math.max(1000, Math.abs(to - from)));
  const begin = Math.min(Math.max(0, Math.min(from, to)), view.whole - span);
  [view.from, view.to] = [begin, begin + span];
  redrawSoon();
}

function zoomOut() {
  zoom(0, view.whole);
}

function zoomBy(factor, about = (view.from + view.to) / 2) {
  zoom(about - (about - view.from) * factor, about + (view.to - about) * factor);
}

// Moves the stretch so that all of another is in it, where it has room.
function bringIntoView(from, to) {
  const span = view.to - view.from;
  if (from >= view.from && to <= view.to) return;
  if (to - from > span) zoom(from, to);
  else zoom((from + to - span) / 2, (from + to + span) / 2);
}

function redrawSoon() {
  if (view.waits) return;
  view.waits = true;
  requestAnimationFrame(() => {
    view.waits = false;
    for (const redraw of view.redraws) redraw();
  });
}
