// Approval: show what is to be signed, sign it once, say plainly when it is too
// late.

import { post, Refusal, Unreachable } from "./lib/api";
import { left } from "./lib/countdown";
import { decode, enrolled, type PhoneKey, sign, supported } from "./lib/key";
import { Live, type State } from "./lib/live";
import { announce, find, findAll, now, text } from "./lib/page";

interface Challenge {
  relying_party: string;
  document_name: string;
  document_digest: string;
  match_code: string;
  pages: number;
  places: number;
  session_ends_at: number;
  to_be_signed: string;
}

export async function startApproval(root: HTMLElement): Promise<void> {
  await new Approval(root).start();
}

class Approval {
  private readonly api: string;
  private key: PhoneKey | null = null;
  private challenge: Challenge | null = null;
  private signature = ""; // made once: sent again as it is after a lost answer
  private busy = false;
  private answered = false;
  private live: Live | null = null;

  constructor(private readonly root: HTMLElement) {
    this.api = root.dataset["api"] ?? "";
    for (const button of findAll("[data-do]", root)) {
      button.addEventListener("click", () => {
        const what = button.dataset["do"];
        if (what === "approve") void this.answer(button, "approve");
        else if (what === "reject") void this.answer(button, "reject");
        else location.reload();
      });
    }
    setInterval(() => this.tick(), 500);
  }

  async start(): Promise<void> {
    let keys: PhoneKey[] = [];
    if (!supported()) return this.show("UNSUPPORTED");
    try {
      keys = await enrolled();
    } catch {
      return this.show("UNSUPPORTED");
    }
    if (keys.length === 0) {
      location.replace(this.root.dataset["enrolUrl"] ?? "/phone/enrol");
      return;
    }
    try {
      await this.fetch(keys);
    } catch (e) {
      this.fail(e);
    }
  }

  // A device may hold keys of several people; the server knows whose this is.
  private async fetch(keys: PhoneKey[]): Promise<void> {
    let refusal: unknown;
    for (const key of keys) {
      try {
        this.challenge = await post<Challenge>(`${this.api}/challenge`, { phone_id: key.phoneId });
        this.key = key;
        break;
      } catch (e) {
        if (!(e instanceof Refusal) || e.code !== "PHONE_NOT_ENROLLED") throw e;
        refusal = e;
      }
    }
    if (!this.challenge) throw refusal;
    this.fill(this.challenge);
    this.show("ask");
    this.live = new Live(`${this.api}/events`, `${this.api}/state`, (s) => this.changed(s));
  }

  private fill(c: Challenge): void {
    const set = (selector: string, value: string): void => {
      const field = find(selector, this.root);
      if (field) field.textContent = value;
    };
    set("[data-match]", c.match_code);
    set("[data-match-spoken]", [...c.match_code].join(" "));
    set("[data-party]", c.relying_party);
    set("[data-document]", c.document_name);
    set("[data-digest]", group(c.document_digest.slice(0, 16)));
    const many = c.places === 1 ? "one" : "many";
    set("[data-size]", c.pages === 1 ? text(`size.page.${many}`, c.places) : text(`size.${many}`, c.places, c.pages));
    for (const line of findAll("[data-text]", this.root)) {
      line.textContent = (line.dataset["text"] ?? "").replace("{0}", c.relying_party);
    }
    this.tick();
  }

  private tick(): void {
    const field = find("[data-left]", this.root);
    if (!field || !this.challenge) return;
    field.textContent = left(this.challenge.session_ends_at, "seconds");
    // The server judges the time; the buttons only spare a useless try.
    if (this.challenge.session_ends_at <= now() && !this.busy) this.live?.check();
  }

  private async answer(button: HTMLElement, what: "approve" | "reject"): Promise<void> {
    if (this.busy || this.answered || !this.key || !this.challenge) return;
    this.setBusy(true, button);
    announce(text(what === "approve" ? "approving" : "rejecting"));
    try {
      if (what === "approve") {
        this.signature ||= await sign(this.key, decode(this.challenge.to_be_signed));
        await post(`${this.api}/approve`, { signature: this.signature });
      } else {
        await post(`${this.api}/reject`, {});
      }
      this.answered = true;
      this.live?.stop();
      this.show(what === "approve" ? "approved" : "rejected");
    } catch (e) {
      if (e instanceof Unreachable) this.complain(text("approve.network"));
      else this.fail(e);
    } finally {
      this.setBusy(false, button);
    }
  }

  private setBusy(busy: boolean, button: HTMLElement): void {
    this.busy = busy;
    button.classList.toggle("busy", busy);
    for (const b of findAll<HTMLButtonElement>("[data-do=approve], [data-do=reject]", this.root)) {
      b.setAttribute("aria-disabled", String(busy));
    }
    if (busy) this.complain("");
  }

  /** What another device, the relying party or the clock did meanwhile. */
  private changed(s: State): void {
    if (this.answered || this.busy) return;
    switch (s.state) {
      case "cancelled":
        return this.show("REQUEST_CANCELLED");
      case "expired":
        return this.show("REQUEST_EXPIRED");
      case "sealing":
      case "signed":
        // The answer to our approval may have been lost: then this is ours.
        return this.show(this.signature ? "approved" : "DOCUMENT_ALREADY_SIGNED");
      case "session":
        if (this.challenge && s.session_ends_at && s.session_ends_at !== this.challenge.session_ends_at) {
          this.show("NO_ACTIVE_SESSION");
        }
        return;
      default:
        this.show("NO_ACTIVE_SESSION");
    }
  }

  private fail(e: unknown): void {
    if (e instanceof Unreachable) return this.show("OFFLINE");
    if (!(e instanceof Refusal)) return this.show("GENERAL");
    if (e.status === 401) {
      location.reload(); // the server asks for a login first
      return;
    }
    this.show(e.code);
  }

  private complain(message: string): void {
    const box = find("[data-approve-error]", this.root);
    const line = box && find("p", box);
    if (!box || !line) return;
    line.textContent = message;
    box.hidden = message === "";
  }

  private show(step: string): void {
    const steps = findAll("[data-step]", this.root);
    const known = steps.some((s) => s.dataset["step"] === step);
    const chosen = known ? step : "GENERAL";
    for (const s of steps) {
      const visible = s.dataset["step"] === chosen;
      if (visible && s.hidden) {
        s.hidden = false;
        const heading = find("h1", s);
        if (heading) {
          heading.setAttribute("tabindex", "-1");
          heading.focus();
        }
      } else {
        s.hidden = !visible;
      }
    }
  }
}

/** "4f3a 90c1": easier to compare. */
function group(hex: string): string {
  return hex.replace(/(.{4})(?=.)/g, "$1 ");
}
