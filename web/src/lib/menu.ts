import { findAll } from "./page";

/** Closes a menu when the person goes elsewhere: by Escape, by the keyboard, by a press beside it. */
export function menus(): void {
  for (const menu of findAll<HTMLDetailsElement>("details.language")) {
    menu.addEventListener("keydown", (e) => {
      if (e.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary")?.focus();
    });
    menu.addEventListener("focusout", (e) => {
      if (e.relatedTarget instanceof Node && !menu.contains(e.relatedTarget)) menu.open = false;
    });
    document.addEventListener("pointerdown", (e) => {
      if (e.target instanceof Node && !menu.contains(e.target)) menu.open = false;
    });
  }
}
