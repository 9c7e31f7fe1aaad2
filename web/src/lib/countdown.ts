import { announce, findAll, now, text } from "./page";

/** "2 minutes", or "2:48" for short spans. */
export function left(end: number, style: string): string {
  const ms = end - now();
  if (ms <= 0) return text("left.over");
  if (style === "seconds") {
    const s = Math.ceil(ms / 1000);
    return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  }
  const minutes = Math.ceil(ms / 60_000);
  if (ms < 60_000) return text("left.under");
  return minutes === 1 ? text("left.minute", 1) : text("left.minutes", minutes);
}

/** Keeps every [data-countdown] current and calls over once when one runs out. */
export function countDown(over: () => void): void {
  const fields = findAll("[data-countdown]");
  if (fields.length === 0) return;
  let told = false;
  let warned = false;
  const tick = (): void => {
    for (const field of fields) {
      const end = Number(field.dataset["countdown"]);
      if (!end) continue;
      const shown = left(end, field.dataset["countdownStyle"] ?? "minutes");
      if (field.textContent !== shown) field.textContent = shown;
      // Once, for those who do not see the seconds run.
      if (!warned && end - now() <= 60_000 && end > now()) {
        warned = true;
        announce(text("left.soon"));
      }
      if (end <= now() && !told) {
        told = true;
        over();
      }
    }
  };
  tick();
  setInterval(tick, 500);
}
