// Follows the state of a sign request: server-sent events, and polling of the
// same JSON while the stream is down.

import { getSoon } from "./api";
import { showLost } from "./page";

export interface State {
  state: string;
  scanned: boolean;
  outcome: string;
  session_ends_at: number;
  seal_tries: number;
  phase: string; // of sealing; "" if it is not known
  seq: number;
}

const pollEvery = 1000; // the promise is one second, also without the stream
const hiddenAfter = 30_000; // browsers allow few connections to one origin

export class Live {
  private stream: EventSource | null = null;
  private poll = 0;
  private retry = 0;
  private hide = 0;
  private failures = 0;
  private last = -1;
  private stopped = false;

  /** pollURL may be "" where there is nothing to poll. */
  constructor(
    private readonly eventsURL: string,
    private readonly pollURL: string,
    private readonly onState: (state: State) => void,
  ) {
    document.addEventListener("visibilitychange", () => this.visibility());
    addEventListener("online", () => this.open());
    addEventListener("offline", () => showLost(true)); // the stream may not notice
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", (e) => {
      if (e.persisted) this.open();
    });
    this.open();
  }

  /** Asks for the state now. */
  check(): void {
    if (this.pollURL) void this.ask();
  }

  stop(): void {
    this.stopped = true;
    this.close();
  }

  private open(): void {
    if (this.stopped) return;
    this.close();
    const stream = new EventSource(this.eventsURL);
    this.stream = stream;
    stream.addEventListener("open", () => {
      this.failures = 0;
      this.endPolling();
      showLost(false);
    });
    stream.addEventListener("state", (e) => this.take((e as MessageEvent<string>).data));
    stream.addEventListener("error", () => this.dropped(stream));
  }

  /** A browser reconnects by itself, unless the answer was an error. */
  private dropped(stream: EventSource): void {
    if (stream !== this.stream || this.stopped) return;
    this.startPolling();
    if (stream.readyState !== EventSource.CLOSED) return;
    clearTimeout(this.retry);
    const wait = Math.min(30_000, 1000 * 2 ** this.failures++);
    this.retry = window.setTimeout(() => this.open(), wait);
  }

  private startPolling(): void {
    if (!this.pollURL || this.poll) return;
    this.poll = window.setInterval(() => void this.ask(), pollEvery);
    void this.ask();
  }

  private endPolling(): void {
    clearInterval(this.poll);
    this.poll = 0;
  }

  private async ask(): Promise<void> {
    try {
      const answer = await getSoon(this.pollURL);
      if (answer.ok) this.take(await answer.text());
      showLost(answer.status >= 502);
    } catch {
      showLost(true);
    }
  }

  private take(json: string): void {
    let state: State;
    try {
      state = JSON.parse(json) as State;
    } catch {
      return;
    }
    // Answers may overtake each other; a restarted server may count from one again, which
    // shows as a fall of more than a race can explain.
    if (state.seq < this.last && this.last - state.seq < 5) return;
    this.last = state.seq;
    this.onState(state);
  }

  private visibility(): void {
    clearTimeout(this.hide);
    if (document.visibilityState === "hidden") {
      this.hide = window.setTimeout(() => this.close(), hiddenAfter);
      return;
    }
    if (!this.stream) this.open();
    this.check();
  }

  private close(): void {
    clearTimeout(this.retry);
    this.endPolling();
    this.stream?.close();
    this.stream = null;
  }
}
