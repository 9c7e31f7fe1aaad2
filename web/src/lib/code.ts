// The QR code changes every second: a picture of it is worth nothing soon after.

import { getSoon } from "./api";
import { find, findAll, showLost } from "./page";

interface Code {
  svg: string;
  fresh_ms: number;
}

/** Keeps the code on the page fresh. One that could not be renewed is veiled: it cannot be used any more. */
export function rotateCode(): void {
  const box = find("[data-qr]");
  const url = box?.dataset["qr"];
  if (!box || !url) return;
  let timer = 0;
  let shown = Date.now();
  const next = async (): Promise<void> => {
    clearTimeout(timer);
    let wait = 1000;
    // A code in another tab, or one that has been scanned, is not seen.
    if (document.visibilityState === "visible" && !box.closest("[hidden]")) {
      try {
        const answer = await getSoon(url);
        showLost(answer.status >= 502);
        if (answer.ok) {
          const code = (await answer.json()) as Code;
          draw(box, code.svg);
          shown = Date.now();
          wait = Math.min(1000, Math.max(100, code.fresh_ms + 20));
        }
      } catch {
        showLost(true);
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
