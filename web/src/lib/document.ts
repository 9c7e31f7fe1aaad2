// Shows a PDF with the viewer, a bundle of its own that pages load when they show one.

import type { Place } from "../sheet";
import type { Viewer } from "../viewer";
import { find } from "./page";

/** The worker that reads documents; broken is rejected if it does not start. */
interface Reader {
  worker: Worker;
  broken: Promise<never>;
}

let reader: Reader | null = null; // all documents of a page share it
const viewers = new WeakMap<HTMLElement, Promise<Viewer>>(); // by their root

/** Makes the viewer of the document that root names, or of these very bytes, without opening it. */
function viewerOf(root: HTMLElement, { worker }: Reader, bytes?: Uint8Array): Promise<Viewer> {
  const made = viewers.get(root);
  if (made) return made;
  const viewer = (import(root.dataset["viewerUrl"] ?? "") as Promise<typeof import("../viewer")>).then((m) => new m.Viewer(root, worker, bytes));
  viewers.set(root, viewer);
  return viewer;
}

// The worker is larger than the viewer: it starts before it.
function startReader(root: HTMLElement): Reader {
  if (reader) return reader;
  const worker = new Worker(root.dataset["workerUrl"] ?? "", { type: "module" });
  const broken = new Promise<never>((_, reject) => {
    worker.addEventListener("error", () => reject(new Error("the worker does not start")), { once: true });
  });
  broken.catch(() => undefined);
  return (reader = { worker, broken });
}

function stopReader(root: HTMLElement): void {
  viewers.delete(root);
  reader?.worker.terminate();
  reader = null;
}

/** Opens the document that root names, or these very bytes, which stay the caller's. A document that cannot be shown says so. */
export async function showDocument(root: HTMLElement, bytes?: Uint8Array): Promise<Viewer> {
  const started = startReader(root);
  try {
    const viewer = await viewerOf(root, started, bytes);
    await Promise.race([viewer.open(), started.broken]);
    return viewer;
  } catch (e) {
    stopReader(root);
    find("[data-viewer-wait]", root)?.remove();
    for (const part of ["[data-viewer-pages]", "[data-viewer-failed]"]) {
      const box = find(part, root);
      if (box) box.hidden = part === "[data-viewer-pages]";
    }
    throw e;
  }
}

/** Draws the pages with the places that list names, of the document that root names, which stays closed. A click goes to the page. */
export async function showPlaces(root: HTMLElement, list: HTMLElement, go: (page: number) => void): Promise<void> {
  const started = startReader(root);
  try {
    const viewer = await viewerOf(root, started);
    const places = JSON.parse(list.dataset["places"] ?? "[]") as Place[];
    await Promise.race([viewer.drawPlaces(list, places, go), started.broken]);
  } catch (e) {
    stopReader(root);
    throw e;
  }
}
