// Takes a picture of a page: picture.mjs PAGE PICTURE.png light|dark|phone|terminal. Not here: which pictures there
// are, which scripts/pictures.sh knows.

import { writeFileSync } from "node:fs";
import { Browser } from "./browser.mjs";

const LOOKS = {
  light: { width: 1000, height: 800 },
  dark: { width: 1000, height: 800, dark: true },
  phone: { width: 360, height: 720, scale: 1.5, mobile: true },
  // 120 columns and 40 lines of a terminal.
  terminal: { width: 965, height: 675 },
};
// What is done before it: the whole recording; one connection, with a figure pointed at; its table.
const DEEDS = {
  light: "scrollTo(0, document.querySelector('#legend').offsetTop - 8), true",
  dark: "document.querySelector('#rows button').click(), true",
  phone: "scrollTo(0, document.querySelector('#time').offsetTop), true",
  terminal: "true",
};
const [page, picture, look] = process.argv.slice(2);
const browser = await Browser.start();
await browser.open(page, LOOKS[look]);
await browser.get(DEEDS[look]);
await browser.settle();
if (look === "dark") {
  const { x, y } = await browser.get("(() => { const box = document.querySelector('#detail .band').getBoundingClientRect(); return { x: box.left + box.width * 0.43, y: box.top + 20 }; })()");
  await browser.mouse("mouseMoved", x, y);
  await browser.settle();
}
writeFileSync(picture, await browser.picture());
await browser.stop();
