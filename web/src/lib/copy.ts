// Buttons that copy a text to the clipboard. They are shown only where that works.

import { announce, text } from "./page";

/** Shows the copy buttons of the page, also of parts that come later, and makes them work. */
export function copyButtons(): void {
  if (!navigator.clipboard) return; // a page over http from another machine has none
  document.documentElement.classList.add("can-copy");
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("button[data-copy]");
    if (button) void copy(button);
  });
}

async function copy(button: HTMLButtonElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(button.dataset["copy"] ?? "");
  } catch {
    return; // the browser does not allow it
  }
  announce(text("copied"));
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
}
