// Shows a PDF with the viewer, a bundle of its own that pages load when they show one.

import type { Viewer } from "../viewer";
import { find } from "./page";

let worker: Worker | null = null; // all documents of a page share it

/** Opens the document that root names, or these very bytes, which stay the caller's. A document that cannot be shown says so. */
export async function showDocument(root: HTMLElement, bytes?: Uint8Array): Promise<Viewer> {
  const { viewerUrl = "", workerUrl = "" } = root.dataset;
  // The worker is larger than the viewer: it starts now and not after it.
  const reader = (worker ??= new Worker(workerUrl, { type: "module" }));
  const broken = new Promise<never>((_, reject) => {
    reader.addEventListener("error", () => reject(new Error("the worker does not start")), { once: true });
  });
  try {
    const { openViewer } = (await import(viewerUrl)) as typeof import("../viewer");
    return await Promise.race([openViewer(root, reader, bytes), broken]);
  } catch (e) {
    worker = null;
    reader.terminate();
    find("[data-viewer-wait]", root)?.remove();
    for (const part of ["[data-viewer-pages]", "[data-viewer-failed]"]) {
      const box = find(part, root);
      if (box) box.hidden = part === "[data-viewer-pages]";
    }
    throw e;
  }
}
