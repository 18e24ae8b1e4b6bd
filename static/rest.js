// The second half of a module that the build has cut in two (xtask/src/split.rs): what the first screen does without. The first half calls the
// functions that are left here, with its own exports.
export const offerRest = (name) => {
  const url = new URL(`${name}_rest.wasm`, import.meta.url);
  const inWindow = "document" in globalThis;
  let joined = false;

  // To instantiate it is to put its functions into the table of the first half, where calls find them from then on. A function of the second half is called and is not there: the call waits. A window gets bytes at once only as text.
  globalThis.podariumFetchRest = (first) => {
    if (joined) return;
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    if (inWindow) request.overrideMimeType("text/plain; charset=x-user-defined");
    else request.responseType = "arraybuffer";
    request.send();
    if (request.status !== 200) throw new Error(`${url} could not be fetched: ${request.status}`);
    const bytes = inWindow ? Uint8Array.from(request.responseText, (c) => c.charCodeAt(0) & 0xff) : request.response;
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { first });
    joined = true;
  };

  // Whatever else will be needed may come while other things go on: it is fetched once, however many ask. What can't be had now is fetched again when it
  // is needed.
  let coming;
  const come = async (first) => {
    try {
      const module = await WebAssembly.compileStreaming(fetch(url));
      // At once, so that no call that could not wait fetches it meanwhile: its data must not be laid down twice.
      if (!joined) new WebAssembly.Instance(module, { first });
      joined = true;
    } catch {
      // Whoever needs it will be told.
      coming = undefined;
    }
  };
  globalThis.podariumAwaitRest = (first) => (coming ??= come(first));
};
