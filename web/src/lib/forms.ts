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
  tellFaults();
  addEventListener("pageshow", () => {
    leaving = 0;
    findAll<HTMLFormElement>("form[data-sent]").forEach(release);
  });
}

/** Has a field that is empty at first called faulty once the browser has refused it, and not before. */
function tellFaults(): void {
  const fault = "aria-invalid"; // Chromium else tells screen readers that a required field is invalid while it is empty
  for (const field of findAll("[required]")) if (!field.hasAttribute(fault)) field.setAttribute(fault, "false");
  document.addEventListener("invalid", (e) => (e.target as Element).setAttribute(fault, "true"), { capture: true });
  document.addEventListener("input", (e) => {
    const field = e.target as HTMLInputElement;
    if (field.getAttribute(fault) === "true" && field.validity.valid) field.setAttribute(fault, "false");
  });
}

/** Lets a form be sent again. */
export function release(form: HTMLFormElement): void {
  delete form.dataset["sent"];
  for (const b of findAll(".busy", form)) b.classList.remove("busy");
}
