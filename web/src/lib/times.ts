// Times of the console: one form, in the zone that the operator chooses. The server writes them in the service's zone.

import { find, findAll } from "./page";

const remembered = "signet-console-zone";
const service = "service"; // the choice of the service's zone
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The zone that is chosen, or "" for that of the service. */
let zone = own;

function recall(): void {
  try {
    const kept = localStorage.getItem(remembered);
    if (kept === service) zone = "";
    else if (kept === "UTC") zone = "UTC";
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

/** Writes a time like the server does: 9 Mar 2026, 14:04:05. */
function write(at: Date): string {
  const parts: Record<string, string> = {};
  const form = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, day: "numeric", month: "short", year: "numeric",
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  });
  for (const part of form.formatToParts(at)) parts[part.type] = part.value;
  const { day, month, year, hour, minute, second } = parts;
  return `${day} ${month} ${year}, ${hour}:${minute}:${second}`;
}

/** Writes the times of a part of the page in the chosen zone. */
export function localTimes(root: ParentNode): void {
  if (!zone) return;
  for (const time of findAll<HTMLTimeElement>("time[datetime]", root)) {
    const text = write(new Date(time.dateTime));
    // A column's hour has no room for more.
    time.textContent = time.dataset["time"] === "hour" ? text.slice(-8, -3) : text;
  }
}

/** Offers the zones, and sends the chosen one with the days that the list is searched for. */
export function chooseZone(): void {
  recall();
  localTimes(document);
  for (const field of findAll<HTMLInputElement>("[data-zone-field]")) {
    field.value = zone;
    field.disabled = !zone;
  }
  const choice = find<HTMLSelectElement>("[data-zone]");
  if (!choice) return;
  const first = choice.options[0];
  if (first) first.value = service;
  for (const name of new Set([own, "UTC"])) choice.add(new Option(name.replaceAll("_", " "), name));
  choice.value = zone || service;
  choice.disabled = false;
  choice.addEventListener("change", () => {
    try {
      localStorage.setItem(remembered, choice.value);
    } catch {
      return;
    }
    // The days of a search mean others now.
    location.reload();
  });
}
