// The worker's first lines: the page sends the compiled module, and all else is Rust's.
import init from "./worker.js";
import { offerRest } from "./rest.js";

offerRest("worker");
const started = new Promise((resolve) => {
  self.onmessage = ({ data }) => {
    self.onmessage = null;
    resolve(init({ module_or_path: data }));
  };
});
