/** A whole trading bot on pets: it asks, places, reports, obeys, and survives.
 *
 *     PETS_SERVER=http://127.0.0.1:7433 PETS_KEY=pets_... PETS_PORTFOLIO=main PETS_BOT=alpha node dist/bot.js --orders 12
 *
 * Needs Node 18.3 and nothing else. Where it holds nothing it buys, else it sells what it holds, until its venue has
 * had so many orders. With --strategy exits it sells by a take-profit and a stop, of which one is to be filled; pair
 * buys a share of every outcome, both or none, and merges them; sets splits cash into shares and merges them. It
 * remembers nothing: what it holds and may do it asks the server, what became of its orders the venue. So either side
 * may be killed at any moment. In its working folder (one for each server and portfolio) it keeps BOT.journal, the
 * command that has no answer yet, and BOT.venue, its pretend exchange's book.
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
type Order = Ask & { id: string; trade_id: string; filled: string; fee: string; rests: boolean; left?: string };
type Sets = Schemas["ChangeSets"] & { id: string; rests: false };
type Hello = Schemas["Hello"];
type Position = Schemas["Position"];
type Want = { ask: Schemas["AskPermit"]; stop?: boolean };

const MARKET = "rain-tomorrow", OUTCOME = "YES", QUANTITY = "10", LIMIT = { buy: "0.40", sell: "0.41" }, STOP = "0.30";
const PAIR = { YES: "0.48", NO: "0.49" }; // together less than the 1 that a share of each pays
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
 * rest rests, or is gone if the order is ioc. A stop only rests. The permit's id is the order's: sent twice it is one
 * order, and a crash loses none. Sets of shares it makes and takes back at once. */
class Venue {
  readonly orders = new Map<string, Order | Sets>();
  constructor(private readonly path: string, private readonly fee: string) {
    for (const order of read<Order | Sets>(path)) this.orders.set(order.id, order); // the last line of one counts
  }
  private keep<T extends Order | Sets>(order: T): T {
    write(this.path, "a", order);
    this.orders.set(order.id, order);
    return order;
  }
  order(permit: string): Order | undefined {
    const order = this.orders.get(permit);
    return order && "trade_id" in order ? order : undefined;
  }
  place(permit: string, ask: Ask, stop: boolean): void {
    if (this.orders.has(permit)) return;
    const filled = stop ? "0" : (this.orders.size + 1) % 4 ? ask.quantity : "1";
    const rests = filled !== ask.quantity && ask.time_in_force !== "ioc";
    this.keep({ ...ask, id: permit, trade_id: permit + "-1", filled, fee: this.fee, rests });
  }
  cancel(order: Order): void {
    this.keep({ ...order, rests: false });
  }
  /** Leaves no more of a resting order than that. */
  shrink(order: Order, left: string): void {
    this.keep({ ...order, left, rests: left !== "0" });
  }
  /** Splits cash into sets of all outcomes, or merges sets into cash. */
  change(bot: string, action: "split" | "merge", market: string, quantity: string): Sets {
    const set_id = randomUUID();
    return this.keep({ bot, action, market, quantity, set_id, id: set_id, rests: false });
  }
}

class Bot {
  readonly venue: Venue;
  private readonly journal: string;
  private readonly reserved: string; // of a fee; a permit reserves no rebate
  private wake = new AbortController();
  private closing = false;
  private ending = false;
  private halted = false;
  private unmatched = false;
  private readonly cancelled = new Set<string>();
  private readonly left = new Map<string, string>();
  constructor(private readonly server: string, private readonly key: string, private readonly portfolio: string,
    private readonly bot: string, private readonly options: { rest: number; fee: string; strategy: string }) {
    this.venue = new Venue(bot + ".venue", options.fee);
    this.journal = bot + ".journal";
    this.reserved = options.fee.startsWith("-") ? "0" : options.fee;
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
        const problem = await reply.json().catch(() => ({})) as Partial<Schemas["Problem"]>;
        // While the server's clock is behind, nothing opens; what reports and reduces must not wait for that.
        if (![429, 502, 503, 504].includes(reply.status) || problem.type === "urn:pets:problem:clock") {
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

  /** Notes what is to be done, and wakes who does it: directives come from answers and from the stream. */
  private obey(directives: Schemas["Directive"][]): void {
    for (const d of directives.filter((d) => d.bots?.includes(this.bot))) {
      console.log("told:", d.action, "-", d.reason);
      this.halted ||= d.action === "stop"; // place nothing that opens
      this.closing ||= d.action === "close_positions";
      this.unmatched ||= d.action === "close_legs"; // which and how much, /positions says
      for (const permit of d.permits ?? []) this.cancelled.add(permit); // cancel_orders
      for (const { permit, left } of d.shrunk ?? []) { // group_shrunk; a repeat may come after a later one, so the smaller counts
        const known = this.left.get(permit) ?? left;
        this.left.set(permit, Number(known) < Number(left) ? known : left);
      }
      this.wake.abort();
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

  /** Tells what became of an order; what is known already does nothing. */
  private async report(order: Order | Sets): Promise<void> {
    if (!("trade_id" in order)) {
      const { bot, market, action, quantity, set_id } = order;
      await this.command(`${OF}/sets`, { bot, market, action, quantity, set_id });
      console.log("sets:", action, quantity);
    } else if (order.filled !== "0") {
      const { bot, market, outcome = "", side, trade_id, fee, filled, limit_price, id } = order;
      const answer = await this.command(`${OF}/fills`,
        { bot, market, outcome, side, trade_id, fee, quantity: filled, price: limit_price, permit_id: id, venue: "example" });
      console.log("filled:", side, filled, "of", order.quantity, "by", id, ...(answer?.flags ?? [])); // what the server finds odd is recorded all the same
    }
  }

  /** Whether an order may rest no longer. One that only reduces stays where a halt leaves that. */
  private async ends(order: Order): Promise<boolean> {
    if (this.cancelled.has(order.id) || this.closing || this.unmatched || this.ending) return true;
    return this.halted && !(order.reduce_only && (await this.may()).reduces);
  }

  /** Brings orders to their end: placed, then filled, shrunk or cancelled. What is left of their permits is released.
   * A permit without a status has ended. */
  private async settle(permits: Map<string, string>, rest: number): Promise<void> {
    const orders = () => [...permits.keys()].map((p) => this.venue.order(p)).filter((o) => o !== undefined);
    for (const { id } of orders())
      if (permits.get(id) === "granted") await this.command(`${OF}/permits/{permit}/placed`, {}, id);
    for (const order of orders()) await this.report(order);
    for (const until = performance.now() + rest * 1000; ;) {
      this.wake = new AbortController();
      for (const order of orders().filter((o) => o.rests)) { // yours may have filled more of it meanwhile: report that first
        const left = this.left.get(order.id) ?? order.left;
        if (await this.ends(order) || performance.now() >= until) this.venue.cancel(order);
        else if (left !== undefined && left !== order.left) this.venue.shrink(order, left);
      }
      if (!orders().some((o) => o.rests)) break;
      await sleep(Math.max(0, until - performance.now()), undefined, { signal: this.wake.signal }).catch(() => {});
    }
    for (const [permit, status] of permits) {
      const order = this.venue.order(permit);
      if (status && this.left.get(permit) !== "0" && (!order || order.filled !== order.quantity))
        await this.command(`${OF}/permits/{permit}/release`, { reason: order ? "cancelled" : "never placed" }, permit);
    }
  }

  /** Asks for orders, each by itself, places them together, and reports them. Returns how many milliseconds to wait. */
  private async trade(...wants: Want[]): Promise<number> {
    const began = performance.now(), orders = new Map<string, [Ask, boolean]>();
    for (const { ask, stop = false } of wants) {
      const answer = await this.command(`${OF}/permits`, ask);
      if (!answer?.allowed) { // a retry is answered as of now: a permit that has ended has a status
        console.log("denied:", ask.side ?? "pair", answer?.status ?? "", ...(answer?.reasons ?? []).map((reason) => reason.code));
        continue;
      }
      ask.legs?.forEach((leg, i) => orders.set(answer.legs?.[i]?.permit_id ?? "", [{ ...leg, bot: this.bot }, stop]));
      if (answer.permit_id) orders.set(answer.permit_id, [ask as Ask, stop]);
    }
    if (!this.halted && performance.now() - began < 10_000) // later, the permits may have expired
      for (const [permit, [ask, stop]] of orders) this.venue.place(permit, ask, stop);
    await this.settle(new Map([...orders.keys()].map((p) => [p, "granted"])), this.options.rest);
    return orders.size ? 50 : 5000;
  }

  /** PUT YOUR STRATEGY HERE. */
  private async buy(): Promise<number> {
    const bot = this.bot, market = MARKET, side = "buy", quantity = QUANTITY;
    if (this.options.strategy === "pair") { // both legs or none: a share of each outcome pays 1, and costs less
      const legs = Object.entries(PAIR).map(([outcome, limit_price]) => ({ market, outcome, side, quantity, limit_price }) as const);
      return this.trade({ ask: { bot, intent: "arbitrage", legs, leg_timeout: "2s" } });
    }
    if (this.options.strategy === "sets") {
      await this.report(this.venue.change(bot, "split", market, quantity));
      return 50;
    }
    return this.trade({ ask: { bot, market, outcome: OUTCOME, side, quantity, limit_price: LIMIT.buy, fee: this.reserved, reduce_only: false } });
  }

  /** Brings what is held to its end: sets are merged, the rest is sold, what was sold short is bought back. */
  private async sell(held: Position[], atOnce: boolean): Promise<number> {
    const sets = held.filter((p) => p.market === MARKET && !p.quantity.startsWith("-"));
    if (sets.length === Object.keys(PAIR).length && !sets.some((p) => p.open_leg)) {
      const least = sets.map((p) => p.quantity).reduce((a, b) => Number(b) < Number(a) ? b : a);
      await this.report(this.venue.change(this.bot, "merge", MARKET, least));
      return 50;
    }
    const p = held.find((p) => p.open_leg) ?? held[0];
    if (!p) return 1000;
    const quantity = p.open_leg ?? p.quantity, side = quantity.startsWith("-") ? "buy" : "sell";
    const ask: Ask = { bot: this.bot, market: p.market, outcome: p.outcome, side, quantity: quantity.replace("-", ""), limit_price: LIMIT[side],
      fee: this.reserved, reduce_only: true };
    if (atOnce || p.open_leg) return this.trade({ ask: { ...ask, time_in_force: "ioc" } });
    if (this.options.strategy === "exits") // one of them is to be filled
      return this.trade({ ask: { ...ask, group: p.trade } }, { ask: { ...ask, group: p.trade, limit_price: STOP }, stop: true });
    return this.trade({ ask });
  }

  /** What the server lets the bot do now: open, reduce; and what it holds. */
  private async may() {
    const state = await this.get(`${OF}/state`), me = (state.bots ?? []).find((b) => b.bot === this.bot);
    const halts = (me?.halts ?? []).map((halt) => halt.bot_may); // of several, the strictest holds
    const opens = me?.status === "running" && !state.emergency_stop.engaged && !halts.length;
    const reduces = opens || this.closing || halts.length > 0 && !halts.includes("nothing");
    return { opens, reduces, held: (state.positions ?? []).filter((p) => p.bot === this.bot) };
  }

  private async permits() {
    return (await this.get(`${OF}/permits`)).permits ?? [];
  }

  async run(orders: number): Promise<void> {
    for (const [route, body, permit, key] of read<[keyof paths, never, string, string]>(this.journal))
      await this.command(route, body, permit, key); // what an earlier life began
    const live = (await this.permits()).map((p) => p.permit_id);
    for (const order of this.venue.orders.values()) // yours: the orders since its last start
      if (!("trade_id" in order)) await this.report(order);
    await this.settle(new Map([...this.venue.orders.keys()].filter((p) => !live.includes(p)).map((p) => [p, ""])), 0);
    while (!this.ending) {
      const permits = await this.permits();
      for (const p of permits) this.left.set(p.permit_id, p.left);
      await this.settle(new Map(permits.map((p) => [p.permit_id, p.status])), this.options.rest);
      this.halted = this.unmatched = false; // what was heard so far is in the state that is read now
      const { opens, reduces, held } = await this.may();
      this.closing &&= held.length > 0;
      if (this.venue.orders.size >= orders && !this.closing) return;
      let wait = 1000;
      if (held.length && reduces && !this.ending) wait = await this.sell(held, this.closing || !opens);
      else if (!held.length && opens && !this.ending) wait = await this.buy();
      await sleep(wait);
    }
  }

  end(): void { // what rests is cancelled, what was filled is reported, nothing more is placed
    this.ending = true;
    this.wake.abort();
  }
}

const { values } = parseArgs({ options: {
  orders: { type: "string", default: "12" }, rest: { type: "string", default: "2" },
  strategy: { type: "string", default: "trade" }, fee: { type: "string", default: "0" },
} });
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
const bot = new Bot(server, key, portfolio, name, { ...values, rest: Number(values.rest) });
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => bot.end());
void bot.listen();
await bot.run(Number(values.orders)).catch((error: Error) => { console.error(error.message); process.exit(1); });
console.log("done:", bot.venue.orders.size, "orders");
process.exit(0); // the stream is still open
