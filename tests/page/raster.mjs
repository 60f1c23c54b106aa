// Holds `web/raster.js` to what it promises, without a browser. Not here: drawing.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import vm from "node:vm";

const web = (name) => readFileSync(new URL(`../../web/${name}`, import.meta.url), "utf8");
const { raster, envelope, rates, decodeSpells, spellsBetween } = vm.runInNewContext(
  `${web("data.js")}\n${web("raster.js")}\n({ raster, envelope, rates, decodeSpells, spellsBetween })`);
const plain = (value) => JSON.parse(JSON.stringify(value));

// 100,000 samples, flat but for one spike.
const at = Array.from({ length: 100_000 }, (_, index) => index * 10);
const values = at.map((_, index) => (index === 54_321 ? 999 : index % 3));
const thin = envelope(at, [values], 0, 1_000_000, 300);
assert.ok(thin.dense && thin.at.length <= 302, `${thin.at.length} points for 300 pixels`);
assert.equal(Math.max(...thin.of[0].most), 999, "the spike is gone");
assert.equal(Math.max(...thin.of[0].mid), 1, "the spike moves the median");
assert.ok(thin.of[0].least.every((value) => value === 0));
assert.ok(thin.at.every((value, index) => index === 0 || value > thin.at[index - 1]), "out of order");

// What is unknown does not become a number.
const holes = envelope([0, 1, 2, 3], [[1, null, 3, null]], 0, 4, 100);
assert.deepEqual(plain(holes.of[0].mid), [1, null, 3, null]);
// A point on either side is kept, so that lines lead out of sight.
assert.deepEqual(plain(envelope([0, 10, 20, 30, 40], [[0, 1, 2, 3, 4]], 15, 25, 100).at), [10, 20, 30]);

// A thousand spells, all Open but one Loss of a nanosecond.
const lengths_ns = Array.from({ length: 1001 }, (_, index) => (index === 500 ? 1 : 1_000_000));
const states = lengths_ns.map((_, index) => (index === 500 ? "L" : "O")).join("");
const spells = decodeSpells({ first_ns: 500, lengths_ns, states, causes: lengths_ns.map(() => null), skips: [[900, 5_000_000]], unseen: [3] }, []);
const end = spells.to[1000];
assert.equal(end, 500 + 1_000_000_000 + 1 + 5_000_000);
const worst = raster(spells, 0, end, 100);
assert.equal(worst.filter((state) => state === 4).length, 1, "the short spell is gone");
assert.equal(worst[0], 0);
assert.equal(raster(spells, end + 1, end + 2, 10).every((state) => state === -1), true, "a life after the end");
const [first, last] = spellsBetween(spells, spells.from[500], spells.to[500]);
assert.ok(first <= 500 && last > 500);
assert.equal(spells.seen(3), false);

// Segments a second, over no less than a twentieth of a second.
const rate = rates({ at: [0, 1e6, 6e7, 1.2e8], delivered: [0, 50, 60, null] });
assert.deepEqual(plain(rate), { at: [6e7], rate: [1000] });
