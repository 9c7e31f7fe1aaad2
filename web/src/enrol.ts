// Enrolment: make a key here, prove that it is here, get a certificate for it.

import { post, Refusal, Unreachable } from "./lib/api";
import { create, decode, forget, type PhoneKey, publicKey, save, sign, supported } from "./lib/key";
import { find, text } from "./lib/page";

interface Enrolled {
  phone_id: string;
  certificate: string;
  subject: string;
}

export function startEnrolment(root: HTMLElement): void {
  const form = find<HTMLFormElement>("[data-enrol-form]", root);
  const name = find<HTMLInputElement>("#phone-name", root);
  const button = form && find<HTMLButtonElement>("button", form);
  if (!form || !name || !button) return;
  if (!name.value) name.value = guessName();
  if (!supported()) {
    complain(root, text("enrol.storage"));
    return;
  }
  button.disabled = false;
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    if (button.classList.contains("busy")) return;
    button.classList.add("busy");
    complain(root, "");
    void enrol(root, name.value.trim() || guessName()).finally(() => button.classList.remove("busy"));
  });
}

async function enrol(root: HTMLElement, name: string): Promise<void> {
  let record: PhoneKey | null = null;
  try {
    const { challenge } = await post<{ challenge: string }>("/phone/api/enrol/start", {});
    // Kept before it is enrolled: a certificate for a key that was lost on the
    // way would be of no use.
    record = await create(name);
    const answer = await post<Enrolled>("/phone/api/enrol", {
      challenge,
      public_key: await publicKey(record),
      name,
      proof: await sign(record, decode(challenge)),
    });
    record.phoneId = answer.phone_id;
    record.subject = answer.subject;
    await save(record);
    done(root, name, answer.subject);
  } catch (e) {
    if (record) await forget(record).catch(() => undefined);
    complain(root, reason(e));
  }
}

function done(root: HTMLElement, name: string, subject: string): void {
  const start = find('[data-step="start"]', root);
  const end = find('[data-step="done"]', root);
  if (!start || !end) return;
  const set = (selector: string, value: string): void => {
    const field = find(selector, end);
    if (field) field.textContent = value;
  };
  set("[data-enrolled-name]", name);
  // The common name says enough; the rest is for machines.
  set("[data-enrolled-subject]", /(?:^|,\s*)CN=([^,]+)/.exec(subject)?.[1] ?? subject);
  start.hidden = true;
  end.hidden = false;
  const heading = find("h1", end);
  heading?.setAttribute("tabindex", "-1");
  heading?.focus();
}

function complain(root: HTMLElement, message: string): void {
  const box = find("[data-enrol-error]", root);
  const line = box && find("p", box);
  if (!box || !line) return;
  line.textContent = message;
  box.hidden = message === "";
}

function reason(e: unknown): string {
  if (e instanceof Unreachable) return text("enrol.network");
  if (e instanceof Refusal) return text("enrol.failed", e.description || e.code);
  return text("enrol.storage");
}

function guessName(): string {
  const agent = navigator.userAgent;
  for (const [word, name] of [
    ["iPhone", "iPhone"],
    ["iPad", "iPad"],
    ["Android", "Android"],
    ["Macintosh", "Mac"],
    ["Windows", "Windows"],
    ["Linux", "Linux"],
  ] as const) {
    if (agent.includes(word)) return name;
  }
  return "Phone";
}
