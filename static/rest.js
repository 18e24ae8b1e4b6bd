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

  // The first screen is there: whatever else will be needed may come. What can't be had now is fetched again when it is
  // needed.
  globalThis.podariumAwaitRest = async (first) => {
    try {
      const module = await WebAssembly.compileStreaming(fetch(url));
      if (joined) return;
      await WebAssembly.instantiate(module, { first });
      joined = true;
    } catch {
      // Whoever needs it will be told.
    }
  };
};
