// A headless Chromium that is spoken to by the DevTools protocol over two pipes, and no network. Not
// here: what is asked of a page.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

export class Browser {
  #child;
  #folder = mkdtempSync(join(tmpdir(), "tcpcong-browser-"));
  #rest = "";
  #last = 0;
  #asked = new Map();
  #heard = [];
  #session;
  // What a page did that it must not do.
  errors = [];
  requests = [];

  static async start() {
    for (const name of process.env.CHROMIUM ? [process.env.CHROMIUM] : NAMES) {
      const browser = new Browser();
      if (await browser.#spawn(name)) return browser;
    }
    throw new Error("no Chromium here: apt-get install chromium, or name one in CHROMIUM");
  }

  async #spawn(name) {
    this.#child = spawn(name, ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
      "--disable-background-networking", "--disable-dev-shm-usage", "--disable-extensions", "--remote-debugging-pipe",
      `--user-data-dir=${this.#folder}`], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    const started = await new Promise((resolve) => {
      this.#child.once("spawn", () => resolve(true));
      this.#child.once("error", () => resolve(false));
    });
    if (!started) return false;
    this.#child.stdio[4].setEncoding("utf8").on("data", (text) => this.#take(text));
    const { targetId } = await this.ask("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.ask("Target.attachToTarget", { targetId, flatten: true });
    this.#session = sessionId;
    for (const domain of ["Page", "Runtime", "Network", "Log"]) await this.ask(`${domain}.enable`);
    return true;
  }

  #take(text) {
    const messages = (this.#rest + text).split("\0");
    this.#rest = messages.pop();
    for (const message of messages) this.#hear(JSON.parse(message));
  }

  #hear({ id, result, error, method, params }) {
    if (id) {
      const { resolve, reject, what } = this.#asked.get(id);
      this.#asked.delete(id);
      if (error) reject(new Error(`${what}: ${error.message}`));
      else resolve(result);
      return;
    }
    if (method === "Runtime.exceptionThrown") this.errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled") this.errors.push(`console.${params.type}: ${JSON.stringify(params.args)}`);
    if (method === "Log.entryAdded") this.errors.push(`${params.entry.source}: ${params.entry.text}`);
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    this.#heard = this.#heard.filter((waiter) => !(waiter.method === method && (waiter.resolve(params), true)));
  }

  ask(method, params = {}) {
    const id = (this.#last += 1);
    this.#child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject, what: method }));
  }

  event(method) {
    return new Promise((resolve) => this.#heard.push({ method, resolve }));
  }

  // Opens a file, and waits until it says that it is drawn.
  async open(file, { width = 1280, height = 900, scale = 1, mobile = false, dark = false, scripts = true } = {}) {
    await this.ask("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: scale, mobile });
    await this.ask("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
    await this.ask("Emulation.setScriptExecutionDisabled", { value: !scripts });
    const loaded = this.event("Page.loadEventFired");
    await this.ask("Page.navigate", { url: pathToFileURL(file).href });
    await loaded;
    if (scripts) await this.until("document.documentElement.dataset.readyMs");
  }

  // The value of an expression in the page.
  async get(expression) {
    const { result, exceptionDetails } = await this.ask("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  // Waits, frame by frame, until an expression holds.
  async until(expression) {
    const held = await this.get(`new Promise((resolve) => {
      const ends = performance.now() + 30000;
      const look = () => { const value = (${expression}); if (value || performance.now() > ends) resolve(value); else requestAnimationFrame(look); };
      look();
    })`);
    if (!held) throw new Error(`never came: ${expression}`);
    return held;
  }

  // Two frames later all that was asked for is drawn.
  settle() {
    return this.get("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))))");
  }

  async mouse(type, x, y, more = {}) {
    await this.ask("Input.dispatchMouseEvent", { type, x, y, ...more });
  }

  async drag(x0, x1, y) {
    const button = { button: "left", buttons: 1, clickCount: 1 };
    await this.mouse("mouseMoved", x0, y);
    await this.mouse("mousePressed", x0, y, button);
    await this.mouse("mouseMoved", (x0 + x1) / 2, y, button);
    await this.mouse("mouseMoved", x1, y, button);
    await this.mouse("mouseReleased", x1, y, { ...button, buttons: 0 });
    await this.settle();
  }

  async click(x, y, clickCount = 1) {
    await this.mouse("mouseMoved", x, y);
    for (let count = 1; count <= clickCount; count += 1) {
      await this.mouse("mousePressed", x, y, { button: "left", buttons: 1, clickCount: count });
      await this.mouse("mouseReleased", x, y, { button: "left", clickCount: count });
    }
    await this.settle();
  }

  async key(key, { text, shift = false, code = key } = {}) {
    const codes = { ArrowDown: 40, ArrowUp: 38, ArrowLeft: 37, ArrowRight: 39, Enter: 13, Escape: 27, Tab: 9 };
    const press = { key, code, text, windowsVirtualKeyCode: codes[key], modifiers: shift ? 8 : 0 };
    await this.ask("Input.dispatchKeyEvent", { type: "keyDown", ...press });
    await this.ask("Input.dispatchKeyEvent", { type: "keyUp", ...press });
    await this.settle();
  }

  // A picture of what is in sight.
  async picture(format = "png") {
    const { data } = await this.ask("Page.captureScreenshot", { format });
    return Buffer.from(data, "base64");
  }

  async stop() {
    const gone = new Promise((resolve) => this.#child.once("exit", resolve));
    await this.ask("Browser.close").catch(() => this.#child.kill());
    await gone;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
