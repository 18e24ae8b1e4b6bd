// Starts both halves at once: the worker with the cluster, and the page that draws it (the bench has a page of its own). Each wasm file is
// fetched here, so that neither waits for a script to arrive before its download begins.
const compile = (name) => WebAssembly.compileStreaming(fetch(new URL(name, import.meta.url)));
const cluster = compile("worker_bg.wasm");
const app = document.documentElement.dataset.app;
const page = compile(`${app}_bg.wasm`);

const worker = new Worker(new URL("worker-boot.js", import.meta.url), { type: "module", name: "cluster" });
worker.onerror = (event) => console.error(`worker: ${event.message}`);
globalThis.podariumWorker = worker;
cluster.then((module) => worker.postMessage(module));

const { default: init } = await import(`./${app}.js`);
await init({ module_or_path: await page });
