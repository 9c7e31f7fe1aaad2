// Enrolment: make a key here, prove that it is here, get a certificate for it.

import { post, Refusal, Unreachable } from "./lib/api";
import { confirm } from "./lib/confirm";
import { create, decode, enrolled, forget, type PhoneKey, publicKey, save, sign, supported } from "./lib/key";
import { Live, type State } from "./lib/live";
import { find, findAll, text } from "./lib/page";
import { createCredential, Unverified, verifies } from "./lib/verify";
import type { Ending, EnrolStep } from "./lib/steps";

interface Enrolled {
  phone_id: string;
  active_at?: number; // the phone waits until then
  certificate: string;
  subject: string;
  issuer: string;
  serial: string;
  not_after: number;
}

export function startEnrolment(root: HTMLElement): void {
  const form = find<HTMLFormElement>("[data-enrol-form]", root);
  const name = find<HTMLInputElement>("#phone-name", root);
  const button = form && find<HTMLButtonElement>("button", form);
  if (!form || !name || !button) return;
  followSession(root);
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
    const { challenge, user_verification } = await post<{ challenge: string; user_verification: string }>("/phone/api/enrol/start", {});
    const credential = await ownersCredential(user_verification, decode(challenge), name);
    // Kept before it is enrolled: a certificate for a key that was lost on the
    // way would be of no use.
    record = await create(name);
    const answer = await post<Enrolled>("/phone/api/enrol", {
      challenge,
      public_key: await publicKey(record),
      name,
      proof: await sign(record, decode(challenge)),
      credential,
    });
    record.phoneId = answer.phone_id;
    record.subject = answer.subject;
    await save(record);
    const waits = answer.active_at !== undefined && !(await approvedHere(record));
    done(root, name, answer, waits);
  } catch (e) {
    if (record) await forget(record).catch(() => undefined);
    if (e instanceof Refusal && e.status === 401) location.reload(); // the login is over: the server asks for a new one
    else complain(root, reason(e));
  }
}

/** Says when the sign session that waits for this phone is over before the phone is ready. */
function followSession(root: HTMLElement): void {
  const { events, poll, session } = root.dataset;
  if (!events || !poll) return;
  new Live(events, poll, (s) => {
    const end = endOf(s, Number(session));
    for (const notice of findAll("[data-end]", root)) notice.hidden = notice.dataset["end"] !== end;
  });
}

function endOf(s: State, session: number): Ending | "" {
  switch (s.state) {
    case "cancelled":
      return "REQUEST_CANCELLED";
    case "expired":
      return "REQUEST_EXPIRED";
    case "sealing":
    case "signed":
      return "OTHER_PHONE";
    case "session":
      return s.session_ends_at === session ? "" : "REPLACED";
  }
  const ends: Record<string, Ending> = { rejected: "rejected", left: "LEFT", failed: "FAILED" };
  return ends[s.outcome] ?? "TIMED_OUT";
}

/** A credential by which the device verifies its owner for each signature, or undefined. */
async function ownersCredential(mode: string, challenge: Uint8Array<ArrayBuffer>, name: string): Promise<unknown> {
  if (mode === "off") return undefined;
  if (await verifies()) {
    try {
      return await createCredential(challenge, name);
    } catch (e) {
      if (mode === "required" || !(e instanceof Unverified)) throw e;
    }
  }
  if (mode === "required") throw new Unverified();
  return undefined;
}

/**
 * A browser that has the key of a phone that can sign approves its successor by it. The device may ask for its owner
 * again. Whatever fails, the successor is enrolled and waits, and its key is kept.
 */
async function approvedHere(successor: PhoneKey): Promise<boolean> {
  for (const key of await enrolled()) {
    if (key.phoneId === successor.phoneId) continue;
    try {
      await confirm("approve", key, successor.phoneId);
      return true;
    } catch {
      // It is a removed phone's key or another person's, the owner declined, or there is no connection.
    }
  }
  return false;
}

function done(root: HTMLElement, name: string, answer: Enrolled, waits: boolean): void {
  const step = (name: EnrolStep): HTMLElement | null => find(`[data-step="${name}"]`, root);
  const start = step("start");
  const end = step(waits ? "waiting" : "done");
  if (!start || !end) return;
  const until = new Intl.DateTimeFormat(`${document.documentElement.lang}-SG`, { dateStyle: "medium" }).format(answer.not_after);
  const active = new Intl.DateTimeFormat(`${document.documentElement.lang}-SG`, { dateStyle: "medium", timeStyle: "short" }).format(answer.active_at);
  const values: Record<string, string> = { name, subject: answer.subject, issuer: answer.issuer, serial: answer.serial, until, active };
  for (const field of findAll("[data-enrolled]", end)) field.textContent = values[field.dataset["enrolled"] ?? ""] ?? "";
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
  if (e instanceof Unverified || (e instanceof Refusal && e.code === "USER_VERIFICATION_FAILED")) return text("enrol.unverified");
  if (e instanceof Refusal && e.code === "TOO_MANY_PHONES") return text("enrol.limit");
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
