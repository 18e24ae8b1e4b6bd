// The worker's first lines: the page sends the compiled module, and all else is Rust's.
import init from "./worker.js";

self.onmessage = ({ data }) => {
  self.onmessage = null;
  init({ module_or_path: data });
};
