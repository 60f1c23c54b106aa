// Makes a page of what a terminal shows: terminal.mjs SCREEN PAGE.html, SCREEN being text with colours
// as `tmux capture-pane -e` gives it. Not here: any other escape sequence.

import { readFileSync, writeFileSync } from "node:fs";

const NAMED = ["#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5"];
const BRIGHT = ["#666666", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff"];
const PAPER = "#1b1d23";
const INK = "#d8dbe2";

// What a list of numbers makes of a style (ECMA-48, 8.3.117).
function styled(style, numbers) {
  const next = { ...style };
  for (let at = 0; at < numbers.length; at++) {
    const number = numbers[at];
    const base = number % 10;
    if (number === 38 || number === 48) {
      // One of the 16 by its number: 38;5;N.
      const colour = [...NAMED, ...BRIGHT][numbers[at + 2]];
      next[number === 38 ? "ink" : "paper"] = colour ?? null;
      at += 2;
    } else if (number === 0) Object.assign(next, { ink: null, paper: null, bold: false, dim: false, reversed: false });
    else if (number === 1) next.bold = true;
    else if (number === 2) next.dim = true;
    else if (number === 7) next.reversed = true;
    else if (number === 22) next.bold = next.dim = false;
    else if (number === 27) next.reversed = false;
    else if (number === 39) next.ink = null;
    else if (number === 49) next.paper = null;
    else if (number >= 30 && number <= 37) next.ink = NAMED[base];
    else if (number >= 40 && number <= 47) next.paper = NAMED[base];
    else if (number >= 90 && number <= 97) next.ink = BRIGHT[base];
    else if (number >= 100 && number <= 107) next.paper = BRIGHT[base];
  }
  return next;
}

function css({ ink, paper, bold, dim, reversed }) {
  const [front, back] = reversed ? [paper ?? PAPER, ink ?? INK] : [ink ?? INK, paper];
  return [
    `color:${front}`,
    back ? `background:${back}` : "",
    bold ? "font-weight:bold" : "",
    dim ? "opacity:.65" : "",
  ].filter(Boolean).join(";");
}

const escaped = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
// Signs that another font may have keep to their cell.
const celled = (text) => escaped(text).replace(/[^\x20-\x7e\n]/gu, (sign) => `<i>${sign}</i>`);
const [screen, page] = process.argv.slice(2);
let style = styled({}, [0]);
let html = "";
for (const part of readFileSync(screen, "utf8").trimEnd().split(/(\x1b\[[\d;]*m)/)) {
  const sequence = part.match(/^\x1b\[([\d;]*)m$/);
  if (sequence) style = styled(style, sequence[1].split(";").map(Number));
  else if (part) html += `<span style="${css(style)}">${celled(part)}</span>`;
}
const look = `margin:0;padding:12px;background:${PAPER};font:13px/1.25 'DejaVu Sans Mono',monospace;white-space:pre`;
writeFileSync(page, `<!doctype html><html data-ready-ms="0"><meta charset="utf-8"><style>i{display:inline-block;width:1ch;overflow:hidden;height:1.2em;vertical-align:top;font-style:normal}</style><body style="${look}">${html}</body>`);
