// What every page's script needs: the messages that the server sent along, the
// server's clock, announcements for screen readers.

const strings: Record<string, string> = parse(document.body.dataset["strings"]);

function parse(json: string | undefined): Record<string, string> {
  try {
    return json ? (JSON.parse(json) as Record<string, string>) : {};
  } catch {
    return {};
  }
}

/** A message of the page's language, {0} {1} ... replaced. */
export function text(key: string, ...args: (string | number)[]): string {
  const message = strings[key] ?? key;
  return message.replace(/\{(\d)\}/g, (whole, i: string) => String(args[Number(i)] ?? whole));
}

// People's clocks are wrong by minutes; the deadline is the server's.
const skew = Number(document.body.dataset["now"] ?? Date.now()) - Date.now();

/** The server's time in Unix milliseconds. */
export function now(): number {
  return Date.now() + skew;
}

/** Says something to people who use a screen reader. */
export function announce(message: string): void {
  const region = document.getElementById("announce");
  if (region) region.textContent = message;
}

/** Shows or takes away the line that says that the service cannot be reached. */
export function showLost(lost: boolean): void {
  const line = document.querySelector<HTMLElement>("[data-lost]");
  if (!line || line.hidden !== lost) return;
  line.hidden = !lost;
  announce(text(lost ? "connection.lost" : "connection.back"));
}

export function find<T extends Element = HTMLElement>(selector: string, root: ParentNode = document): T | null {
  return root.querySelector<T>(selector);
}

export function findAll<T extends Element = HTMLElement>(selector: string, root: ParentNode = document): T[] {
  return [...root.querySelectorAll<T>(selector)];
}

/** Whether the person asks pages to load less. */
export function savesData(): boolean {
  const { connection } = navigator as { connection?: { saveData?: boolean } };
  return connection?.saveData === true || matchMedia("(prefers-reduced-data: reduce)").matches;
}

/** Session storage that may be switched off. */
export const memory = {
  get(key: string): string | null {
    try {
      return sessionStorage.getItem(key);
    } catch {
      return null;
    }
  },
  set(key: string, value: string): void {
    try {
      sessionStorage.setItem(key, value);
    } catch {
      // Without storage a reload forgets; nothing else depends on it.
    }
  },
  remove(key: string): void {
    try {
      sessionStorage.removeItem(key);
    } catch {
      // As above.
    }
  },
};
