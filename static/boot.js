// Starts both halves at once: the worker with the cluster, and the page that draws it (the bench has a page of its own). Each wasm file is
// fetched here, so that neither waits for a script to arrive before its download begins.
import { offerRest } from "./rest.js";

const compile = (name) => WebAssembly.compileStreaming(fetch(new URL(name, import.meta.url)));
const cluster = compile("worker_bg.wasm");
const app = document.documentElement.dataset.app;
const page = compile(`${app}_bg.wasm`);
offerRest(app);

// Tells the page that there is no cluster, and why; the page may not be listening yet.
const broken = (why) => {
  console.error(why);
  const tell = () => document.dispatchEvent(new CustomEvent("podarium-broken", { detail: String(why) }));
  started.finally(tell);
};

const worker = new Worker(new URL("worker-boot.js", import.meta.url), { type: "module", name: "cluster" });
worker.onerror = (event) => broken(`worker: ${event.message}`);
globalThis.podariumWorker = worker;

// A worker's words are lost on a page that does not listen yet, as one that waits for its second half: they are kept, and said again once
// it does.
const early = [];
const keep = ({ data }) => early.push(data);
worker.addEventListener("message", keep);
Object.defineProperty(worker, "onmessage", {
  configurable: true,
  set(listener) {
    worker.removeEventListener("message", keep);
    delete worker.onmessage;
    worker.onmessage = listener;
    queueMicrotask(() => early.forEach((data) => worker.dispatchEvent(new MessageEvent("message", { data }))));
  },
});
cluster.then((module) => worker.postMessage(module), (error) => broken(`the cluster could not be loaded: ${error.message}`));

const started = import(`./${app}.js`).then(async ({ default: init }) => init({ module_or_path: await page }));
started.catch((error) => {
  console.error(error);
  const line = document.getElementById("loading");
  if (line) line.textContent = `This page could not be loaded: ${error.message}. Reload to try again.`;
});
