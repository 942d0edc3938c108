/** A whole trading bot on pets: it asks, places, reports, obeys, and survives.
 *
 *     PETS_SERVER=http://127.0.0.1:7433 PETS_KEY=pets_... PETS_PORTFOLIO=main PETS_BOT=alpha node dist/bot.js --orders 12
 *
 * Needs Node 18.3 and nothing else. Where it holds nothing it buys, else it sells what it holds, until its venue has
 * had so many orders. It remembers nothing: what it holds and may do it asks the server, what became of its orders the
 * venue. So either side may be killed at any moment. In its working folder (one for each server and portfolio) it keeps
 * BOT.journal, the command that has no answer yet, and BOT.venue, its pretend exchange's book.
 */
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { components, paths } from "./pets.js";

type Schemas = components["schemas"];
type Method = "get" | "post";
type Body<R extends keyof paths> = paths[R]["post"] extends { requestBody?: { content: { "application/json": infer B } } } ? B : never;
type Answer<R extends keyof paths, M extends Method> =
  paths[R][M] extends { responses: { 200: { content: { "application/json": infer A } } } } ? A : never;
/** One order. (An arbitrage names its orders in legs instead.) */
type Ask = Schemas["AskPermit"] & Required<Pick<Schemas["AskPermit"], "market" | "side" | "quantity" | "limit_price">>;
type Order = Ask & { id: string; trade_id: string; filled: string; rests: boolean };
type Hello = Schemas["Hello"];

const MARKET = "rain-tomorrow", OUTCOME = "YES", QUANTITY = "10", LIMIT = { buy: "0.40", sell: "0.41" };
const OF = "/v1/portfolios/{portfolio}";

function write(path: string, mode: "a" | "w", value: unknown): void {
  const file = openSync(path, mode);
  writeSync(file, JSON.stringify(value) + "\n");
  fsyncSync(file); // on disk before anybody is told
  closeSync(file);
}

function read<T>(path: string): T[] {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [""];
  return lines.slice(0, -1).map((line) => JSON.parse(line) as T); // a line that was cut short was never used
}

/** PUT YOUR EXCHANGE HERE. This one fills an order at its limit at once; of every fourth it fills one share, and the
 * rest rests. The permit's id is the order's: sent twice it is one order, and a crash loses none. */
class Venue {
  readonly orders = new Map<string, Order>();
  constructor(private readonly path: string) {
    for (const order of read<Order>(path)) this.orders.set(order.id, order); // the last line of one counts
  }
  private keep(order: Order): void {
    write(this.path, "a", order);
    this.orders.set(order.id, order);
  }
  place(permit: string, ask: Ask): void {
    if (this.orders.has(permit)) return;
    const filled = (this.orders.size + 1) % 4 ? ask.quantity : "1";
    this.keep({ ...ask, id: permit, trade_id: permit + "-1", filled, rests: filled !== ask.quantity });
  }
  cancel(order: Order): void {
    this.keep({ ...order, rests: false });
  }
}

class Bot {
  readonly venue: Venue;
  private readonly journal: string;
  private stop = new AbortController();
  private closing = false;
  private ending = false;
  constructor(private readonly server: string, private readonly key: string, private readonly portfolio: string,
    private readonly bot: string, private readonly rest: number) {
    this.venue = new Venue(bot + ".venue");
    this.journal = bot + ".journal";
  }

  private fetch(method: Method, route: string, signal: AbortSignal, headers: Record<string, string>, body?: string) {
    const url = this.server.replace(/\/$/, "") + route.replace("{portfolio}", encodeURIComponent(this.portfolio));
    const all = { Authorization: `Bearer ${this.key}`, "Content-Type": "application/json", ...headers };
    return fetch(url, { method: method.toUpperCase(), headers: all, signal, redirect: "error", ...(body ? { body } : {}) });
  }

  /** Asks until there is an answer; a refusal is printed, and undefined. */
  private async call<R extends keyof paths, M extends Method>(method: M, route: R, permit = "", body?: string, key?: string) {
    for (let pause = 100; ; pause = Math.min(2 * pause, 2000)) {
      try {
        const path = route.replace("{permit}", encodeURIComponent(permit)), headers = key ? { "Idempotency-Key": key } : {};
        const reply = await this.fetch(method, path, AbortSignal.timeout(10_000), headers as Record<string, string>, body);
        if (reply.ok) {
          const answer = await reply.json() as Answer<R, M> & Partial<Pick<Schemas["Answer"], "directives">>;
          this.obey(answer.directives ?? []);
          return answer;
        }
        if (![429, 502, 503, 504].includes(reply.status)) {
          const problem = await reply.json().catch(() => ({})) as Partial<Schemas["Problem"]>;
          return void console.log("refused:", method, path, reply.status, problem.type, problem.detail);
        }
      } catch { /* no answer, or half of one: it may have happened, so it is sent again under the same key */ }
      if (this.ending) throw new Error("no answer; what the journal holds is sent again at the next start");
      await sleep(pause * (0.5 + Math.random() / 2));
    }
  }

  private async command<R extends keyof paths>(route: R, body: Body<R>, permit = "", key: string = randomUUID()) {
    write(this.journal, "w", [route, body, permit, key]);
    const answer = await this.call("post", route, permit, JSON.stringify(body), key);
    truncateSync(this.journal, 0);
    return answer;
  }

  private async get<R extends keyof paths>(route: R): Promise<Answer<R, "get">> {
    const answer = await this.call("get", route);
    if (!answer) throw new Error("the server shows this key nothing");
    return answer;
  }

  private obey(directives: Schemas["Directive"][]): void {
    for (const d of directives.filter((d) => d.bots?.includes(this.bot))) {
      console.log("told:", d.action, "-", d.reason);
      this.closing ||= d.action === "close_positions";
      if (["stop", "close_positions", "cancel_orders"].includes(d.action))
        this.stop.abort(); // it has one order at a time, which is cancelled; it joins no groups and has no legs
    }
  }

  /** Holds the event stream open, so that a directive is heard while the bot waits for its venue. */
  async listen(): Promise<void> {
    for (let last = ""; ; await sleep(500)) {
      const silent = new AbortController(), dead = setTimeout(() => silent.abort(), 45_000);
      try {
        const reply = await this.fetch("get", OF + "/stream", silent.signal, last ? { "Last-Event-ID": last } : {});
        if (reply.status === 400) last = ""; // a store that was set back: begin anew
        if (!reply.ok || !reply.body) continue;
        const decoder = new TextDecoder();
        let text = "";
        for await (const chunk of reply.body) { // there is one every 15 s at least
          dead.refresh();
          const messages = (text + decoder.decode(chunk, { stream: true })).split("\n\n");
          text = messages.pop() ?? "";
          for (const message of messages) {
            const field = (name: string) => message.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1] ?? "";
            if (field("event") === "hello") { // what stands now, and where the stream begins
              const hello = JSON.parse(field("data")) as Hello;
              last ||= String(hello.revision);
              this.obey(hello.directives);
            } else if (field("event") === "directive") this.obey([JSON.parse(field("data")) as Schemas["Directive"]]);
            last = field("id") || last;
          }
        }
      } catch { /* it broke: go on after the last message */ } finally {
        clearTimeout(dead);
      }
    }
  }

  /** Brings an order to its end: placed, then filled or cancelled. What is left of its permit is released. */
  private async settle(permit: string, status = ""): Promise<void> {
    const order = this.venue.orders.get(permit);
    if (order && status === "granted") await this.command(`${OF}/permits/{permit}/placed`, {}, permit);
    if (order?.rests) {
      await sleep(this.rest * 1000, undefined, { signal: this.stop.signal }).catch(() => {});
      this.venue.cancel(order); // yours may have filled more of it meanwhile: look again
    }
    if (order) {
      const { bot, market, outcome = "", side, trade_id, filled, limit_price } = order;
      await this.command(`${OF}/fills`, // one that is known already does nothing
        { bot, market, outcome, side, trade_id, quantity: filled, price: limit_price, permit_id: permit, venue: "example" });
      console.log("filled:", side, filled, "of", order.quantity, "by", permit);
    }
    if (status && (!order || order.filled !== order.quantity))
      await this.command(`${OF}/permits/{permit}/release`, { reason: order ? "cancelled" : "never placed" }, permit);
  }

  /** Asks, places and reports one order. Returns how many milliseconds to wait after it. */
  private async trade(side: "buy" | "sell", market: string, outcome: string, quantity: string): Promise<number> {
    const ask: Ask =
      { bot: this.bot, market, outcome, side, quantity, limit_price: LIMIT[side], reduce_only: side === "sell" };
    const began = performance.now(), answer = await this.command(`${OF}/permits`, ask);
    if (!answer?.allowed || !answer.permit_id) { // a retry is answered as of now: a permit that has ended has a status
      console.log("denied:", side, answer?.status ?? "", ...(answer?.reasons ?? []).map((reason) => reason.code));
      return 5000;
    }
    if (!this.stop.signal.aborted && performance.now() - began < 10_000) // later, the permit may have expired
      this.venue.place(answer.permit_id, ask);
    await this.settle(answer.permit_id, "granted");
    return 50;
  }

  private async permits() {
    return (await this.get(`${OF}/permits`)).permits ?? [];
  }

  async run(orders: number): Promise<void> {
    for (const [route, body, permit, key] of read<[keyof paths, never, string, string]>(this.journal))
      await this.command(route, body, permit, key); // what an earlier life began
    const live = (await this.permits()).map((p) => p.permit_id);
    for (const permit of [...this.venue.orders.keys()].filter((p) => !live.includes(p)))
      await this.settle(permit); // yours: the orders since its last start
    while (!this.ending) {
      for (const p of await this.permits()) await this.settle(p.permit_id, p.status);
      this.stop = new AbortController(); // what was heard so far is in the state that is read now
      const state = await this.get(`${OF}/state`);
      const held = (state.positions ?? []).find((p) => p.bot === this.bot && !p.quantity.startsWith("-"));
      const may = !state.emergency_stop.engaged && (state.bots ?? []).some((b) => b.bot === this.bot && b.status === "running");
      this.closing &&= held !== undefined;
      if (this.venue.orders.size >= orders && !this.closing) return;
      let wait = 1000;
      if (held && (may || this.closing) && !this.ending) wait = await this.trade("sell", held.market, held.outcome, held.quantity);
      else if (may && !this.ending) wait = await this.trade("buy", MARKET, OUTCOME, QUANTITY); // PUT YOUR STRATEGY HERE
      await sleep(wait);
    }
  }

  end(): void { // what rests is cancelled, what was filled is reported, nothing more is placed
    this.ending = true;
    this.stop.abort();
  }
}

const { values } = parseArgs({ options: { orders: { type: "string", default: "12" }, rest: { type: "string", default: "2" } } });
const env = ["SERVER", "KEY", "PORTFOLIO", "BOT"].map((name) => process.env["PETS_" + name] ?? "");
if (!env.every((value) => /^[!-~]+$/.test(value))) { // Node would print a header that it cannot send
  console.error("set PETS_SERVER, PETS_KEY, PETS_PORTFOLIO and PETS_BOT");
  process.exit(1);
}
const [server = "", key = "", portfolio = "", name = ""] = env;
const url = new URL(server);
if (url.protocol !== "https:" && !["localhost", "127.0.0.1", "[::1]"].includes(url.hostname)) {
  console.error("PETS_SERVER is on another machine and the key would go there in clear: use its https:// address");
  process.exit(1);
}
const bot = new Bot(server, key, portfolio, name, Number(values.rest));
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => bot.end());
void bot.listen();
await bot.run(Number(values.orders)).catch((error: Error) => { console.error(error.message); process.exit(1); });
console.log("done:", bot.venue.orders.size, "orders");
process.exit(0); // the stream is still open
