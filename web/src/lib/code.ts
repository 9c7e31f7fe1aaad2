// The QR code changes every second: a picture of it is worth nothing soon after.

import { find, findAll } from "./page";

interface Code {
  svg: string;
  fresh_ms: number;
}

/** Keeps the code on the page fresh. One that could not be renewed is veiled: nobody should scan it. */
export function rotateCode(): void {
  const box = find("[data-qr]");
  const url = box?.dataset["qr"];
  if (!box || !url) return;
  let timer = 0;
  let shown = Date.now();
  const next = async (): Promise<void> => {
    clearTimeout(timer);
    let wait = 1000;
    // Nobody sees a code in another tab, or one that has been scanned.
    if (document.visibilityState === "visible" && !box.closest("[hidden]")) {
      try {
        const answer = await fetch(url, { headers: { Accept: "application/json" }, cache: "no-store" });
        if (answer.ok) {
          const code = (await answer.json()) as Code;
          draw(box, code.svg);
          shown = Date.now();
          wait = Math.min(1000, Math.max(100, code.fresh_ms + 20));
        }
      } catch {
        // The veil and the line below it say it.
      }
      const stale = Date.now() - shown > 2500;
      box.classList.toggle("stale", stale);
      for (const line of findAll("[data-fresh]")) line.hidden = stale;
      for (const line of findAll("[data-stale]")) line.hidden = !stale;
    }
    clearTimeout(timer);
    timer = window.setTimeout(() => void next(), wait);
  };
  document.addEventListener("visibilitychange", () => void next());
  void next();
}

function draw(box: HTMLElement, svg: string): void {
  const parsed = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  if (parsed.nodeName === "svg") box.replaceChildren(document.importNode(parsed, true));
}
