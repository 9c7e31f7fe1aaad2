import { announce, findAll, text } from "./page";

let leaving = 0;

/** True while a form's answer is on its way: a reload now would cut it off. */
export function formUnderway(): boolean {
  return Date.now() - leaving < 8000;
}

/** Lets each form of the page, also one that comes later, be sent once, and says that something is going on. */
export function guardForms(): void {
  const guard = (e: SubmitEvent): void => {
    const form = e.target;
    if (!(form instanceof HTMLFormElement) || form.method !== "post") return;
    if (form.dataset["sent"]) {
      e.preventDefault();
      e.stopPropagation(); // a script that sends the form must not hear of it either
      return;
    }
    form.dataset["sent"] = "1";
    leaving = Date.now();
    e.submitter?.classList.add("busy");
    announce(text("working"));
  };
  document.addEventListener("submit", guard, { capture: true });
  addEventListener("pageshow", () => {
    leaving = 0;
    findAll<HTMLFormElement>("form[data-sent]").forEach(release);
  });
}

/** Lets a form be sent again. */
export function release(form: HTMLFormElement): void {
  delete form.dataset["sent"];
  for (const b of findAll(".busy", form)) b.classList.remove("busy");
}
