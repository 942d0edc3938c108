#!/usr/bin/env python3
"""A whole trading bot on pets: it asks, places, reports, obeys, and survives.

    PETS_SERVER=http://127.0.0.1:7433 PETS_KEY=pets_... PETS_PORTFOLIO=main PETS_BOT=alpha python3 bot.py --orders 12

Needs Python 3.9 and nothing else. Where it holds nothing it buys, else it sells what it holds, until its venue
has had so many orders. With --strategy exits it sells by a take-profit and a stop, of which one is to be filled;
pair buys a share of every outcome, both or none, and merges them; sets splits cash into shares and merges them. It
remembers nothing: what it holds and may do it asks the server, what became of its orders the venue. So either side
may be killed at any moment. In its working folder (one for each server and portfolio) it keeps BOT.journal, the
command that has no answer yet, and BOT.venue, its pretend exchange's book.
"""
import argparse, http.client, json, os, random, re, signal, sys, threading, time, urllib.error, urllib.parse, urllib.request, uuid

MARKET, OUTCOME, QUANTITY, LIMIT, STOP = "rain-tomorrow", "YES", "10", {"buy": "0.40", "sell": "0.41"}, "0.30"
PAIR = {"YES": "0.48", "NO": "0.49"}  # together less than the 1 that a share of each pays

def write(path, mode, value):
    with open(path, mode) as f:
        f.write(json.dumps(value) + "\n")
        f.flush()
        os.fsync(f.fileno())  # on disk before anybody is told

def read(path):
    with open(path, "a+") as f:
        f.seek(0)
        return [json.loads(line) for line in f if line.endswith("\n")]  # a line that was cut short was never used

class Venue:
    """PUT YOUR EXCHANGE HERE. This one fills an order at its limit at once; of every fourth it fills one share, and
    the rest rests, or is gone if the order is ioc. A stop only rests. The permit's id is the order's: sent twice it
    is one order, and a crash loses none. Sets of shares it makes and takes back at once."""
    def __init__(self, path, fee):
        self.path, self.fee, self.orders = path, fee, {order["id"]: order for order in read(path)}  # the last line of one counts

    def keep(self, order):
        write(self.path, "a", order)
        self.orders[order["id"]] = order

    def place(self, permit, ask, stop=False):
        if permit not in self.orders:
            filled = "0" if stop else ask["quantity"] if (len(self.orders) + 1) % 4 else "1"
            rests = filled != ask["quantity"] and ask.get("time_in_force") != "ioc"
            self.keep(dict(ask, id=permit, trade_id=permit + "-1", filled=filled, fee=self.fee, rests=rests))

    def cancel(self, order):
        self.keep(dict(order, rests=False))

    def shrink(self, order, left):
        """Leaves no more of a resting order than that."""
        self.keep(dict(order, left=left, rests=left != "0"))

    def change(self, bot, action, market, quantity):
        """Splits cash into sets of all outcomes, or merges sets into cash. Returns the id of it."""
        made = {"bot": bot, "market": market, "action": action, "quantity": quantity, "set_id": str(uuid.uuid4())}
        self.keep(dict(made, id=made["set_id"], rests=False))
        return made["set_id"]

class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like another: the key goes to PETS_SERVER and nowhere else."""
    def redirect_request(self, *_):
        return None

def opener(server):
    """How the server is asked. In clear only on this machine, and then by no proxy, which would read the key."""
    url = urllib.parse.urlsplit(server)
    if url.scheme != "https" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        sys.exit("PETS_SERVER is on another machine and the key would go there in clear: use its https:// address")
    proxies = [] if url.scheme == "https" else [urllib.request.ProxyHandler({})]
    return urllib.request.build_opener(NoRedirect, *proxies).open

class Bot:
    def __init__(self, server, key, portfolio, bot, options):
        self.base, self.bot = f"{server.rstrip('/')}/v1/portfolios/{portfolio}", bot
        self.rest, self.strategy = options.rest, options.strategy
        self.open = opener(server)
        self.headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        self.venue, self.journal = Venue(bot + ".venue", options.fee), bot + ".journal"
        self.fee = "0" if options.fee.startswith("-") else options.fee  # a permit reserves no rebate
        self.wake, self.ending, self.closing = threading.Event(), False, False
        self.halted, self.unmatched, self.cancelled, self.left = False, False, set(), {}

    def call(self, method, path, body=None, **headers):
        """Asks until there is an answer; a refusal is printed, and None."""
        for attempt in range(10**9):
            try:
                r = urllib.request.Request(self.base + path, body, dict(self.headers, **headers), method=method)
                with self.open(r, timeout=10) as reply:
                    answer = json.load(reply)
                self.obey(answer.get("directives") or [])
                return answer
            except (OSError, ValueError, http.client.HTTPException) as e:  # it may have happened: same key again
                if isinstance(e, urllib.error.HTTPError):
                    problem = e.read().decode(errors="replace")
                    # While the server's clock is behind, nothing opens; what reports and reduces must not wait for that.
                    if e.code not in (429, 502, 503, 504) or "urn:pets:problem:clock" in problem:
                        return print("refused:", method, path, e.code, problem, flush=True)
            if self.ending:
                sys.exit("no answer; what the journal holds is sent again at the next start")
            time.sleep(min(2, 0.1 * 2 ** min(attempt, 5)) * random.uniform(0.5, 1))

    def command(self, path, body, key=None):
        key = key or str(uuid.uuid4())
        write(self.journal, "w", [path, body, key])
        answer = self.call("POST", path, json.dumps(body).encode(), **{"Idempotency-Key": key})
        os.truncate(self.journal, 0)
        return answer

    def get(self, path):
        return self.call("GET", path) or sys.exit("the server shows this key nothing")

    def obey(self, directives):
        """Notes what is to be done, and wakes who does it: directives come from answers and from the stream."""
        for d in directives:
            if self.bot in d["bots"]:
                print("told:", d["action"], "-", d["reason"], flush=True)
                self.halted = self.halted or d["action"] == "stop"  # place nothing that opens
                self.closing = self.closing or d["action"] == "close_positions"
                self.unmatched = self.unmatched or d["action"] == "close_legs"  # which and how much, /positions says
                self.cancelled.update(d.get("permits") or [])  # cancel_orders
                for order in d.get("shrunk") or []:  # group_shrunk; a repeat may come after a later one, so the smaller counts
                    self.left[order["permit"]] = min(order["left"], self.left.get(order["permit"], order["left"]), key=float)
                self.wake.set()

    def listen(self):
        """Holds the event stream open, so that a directive is heard while the bot waits for its venue."""
        last = {}
        while True:
            try:
                r = urllib.request.Request(self.base + "/stream", headers=dict(self.headers, **last))
                message = {}
                for line in self.open(r, timeout=45):  # there is one every 15 s at least
                    name, _, value = line.decode().strip().partition(": ")
                    if name:
                        message[name] = value
                    elif message:  # one with an id alone says how far the stream has come
                        data, event = json.loads(message.get("data", "{}")), message.get("event")
                        if event == "hello":  # what stands now, and where the stream begins
                            last = last or {"Last-Event-ID": str(data["revision"])}
                        self.obey([data] if event == "directive" else data.get("directives") or [])
                        last = {"Last-Event-ID": message["id"]} if "id" in message else last
                        message = {}
            except (OSError, ValueError, http.client.HTTPException) as e:
                last = {} if getattr(e, "code", 0) == 400 else last  # a store that was set back: begin anew
            time.sleep(0.5)

    def report(self, order):
        """Tells what became of an order; what is known already does nothing."""
        if "set_id" in order:
            self.command("/sets", {name: order[name] for name in ("bot", "market", "action", "quantity", "set_id")})
            print("sets:", order["action"], order["quantity"], flush=True)
        elif order["filled"] != "0":
            fill = {name: order[name] for name in ("bot", "market", "outcome", "side", "trade_id", "fee")}
            fill.update(quantity=order["filled"], price=order["limit_price"], permit_id=order["id"], venue="example")
            flags = (self.command("/fills", fill) or {}).get("flags", [])  # what the server finds odd: recorded all the same
            print("filled:", order["side"], order["filled"], "of", order["quantity"], "by", order["id"], *flags, flush=True)

    def ends(self, order):
        """Whether an order may rest no longer. One that only reduces stays where a halt leaves that."""
        if order["id"] in self.cancelled or self.closing or self.unmatched or self.ending:
            return True
        return self.halted and not (order.get("reduce_only") and self.may()[1])

    def settle(self, permits, rest):
        """Brings orders to their end: placed, then filled, shrunk or cancelled. What is left of their permits is
        released. A permit without a status has ended."""
        known = [p for p in permits if p in self.venue.orders]
        for permit in [p for p in known if permits[p] == "granted"]:
            self.command(f"/permits/{permit}/placed", {})
        for permit in known:
            self.report(self.venue.orders[permit])
        until, resting = time.monotonic() + rest, lambda: [o for o in map(self.venue.orders.get, known) if o["rests"]]
        while resting():
            self.wake.clear()
            for order in resting():  # yours may have filled more of it meanwhile: report that first
                left = self.left.get(order["id"], order.get("left"))
                if self.ends(order) or time.monotonic() >= until:
                    self.venue.cancel(order)
                elif left != order.get("left"):
                    self.venue.shrink(order, left)
            if resting():
                self.wake.wait(max(0, until - time.monotonic()))
        for permit, status in permits.items():
            order = self.venue.orders.get(permit)
            if status and self.left.get(permit) != "0" and (not order or order["filled"] != order["quantity"]):
                self.command(f"/permits/{permit}/release", {"reason": "cancelled" if order else "never placed"})

    def trade(self, *asks):
        """Asks for orders, each by itself, places them together, and reports them. Returns how many seconds to wait."""
        began, orders = time.monotonic(), {}
        for ask in asks:
            stop, ask = ask.pop("stop", False), dict(ask, bot=self.bot)
            answer = self.command("/permits", ask) or {"allowed": False}
            if answer["allowed"] and "legs" in ask:
                orders.update({leg["permit_id"]: (dict(one, bot=self.bot), stop) for leg, one in zip(answer["legs"], ask["legs"])})
            elif answer["allowed"]:
                orders[answer["permit_id"]] = ask, stop
            else:  # a retry is answered as of now: a permit that has ended has a status
                reasons = [reason["code"] for reason in answer.get("reasons", [])]
                print("denied:", ask.get("side", "pair"), answer.get("status", ""), *reasons, flush=True)
        if not self.halted and time.monotonic() - began < 10:  # later, the permits may have expired
            for permit, (order, stop) in orders.items():
                self.venue.place(permit, order, stop)
        self.settle(dict.fromkeys(orders, "granted"), self.rest)
        return 0.05 if orders else 5

    def buy(self):
        """PUT YOUR STRATEGY HERE."""
        if self.strategy == "pair":  # both legs or none: a share of each outcome pays 1, and costs less
            legs = [{"market": MARKET, "outcome": o, "side": "buy", "quantity": QUANTITY, "limit_price": p} for o, p in PAIR.items()]
            return self.trade({"intent": "arbitrage", "legs": legs, "leg_timeout": "2s"})
        if self.strategy == "sets":
            self.report(self.venue.orders[self.venue.change(self.bot, "split", MARKET, QUANTITY)])
            return 0.05
        return self.trade({"market": MARKET, "outcome": OUTCOME, "side": "buy", "quantity": QUANTITY, "limit_price": LIMIT["buy"],
                           "fee": self.fee, "reduce_only": False})

    def sell(self, held, at_once):
        """Brings what is held to its end: sets are merged, the rest is sold, what was sold short is bought back."""
        sets = [p for p in held if p["market"] == MARKET and not p["quantity"].startswith("-")]
        if len(sets) == len(PAIR) and not any(p.get("open_leg") for p in sets):
            self.report(self.venue.orders[self.venue.change(self.bot, "merge", MARKET, min((p["quantity"] for p in sets), key=float))])
            return 0.05
        p = next((p for p in held if p.get("open_leg")), held[0])
        quantity = p.get("open_leg") or p["quantity"]
        side = "buy" if quantity.startswith("-") else "sell"
        order = {"market": p["market"], "outcome": p["outcome"], "side": side, "quantity": quantity.lstrip("-"),
                 "limit_price": LIMIT[side], "fee": self.fee, "reduce_only": True}
        if at_once or p.get("open_leg"):
            return self.trade(dict(order, time_in_force="ioc"))
        if self.strategy == "exits":  # one of them is to be filled
            return self.trade(dict(order, group=p["trade"]), dict(order, group=p["trade"], limit_price=STOP, stop=True))
        return self.trade(order)

    def may(self):
        """What the server lets the bot do now: open, reduce; and what it holds."""
        state = self.get("/state")
        me = next((b for b in state["bots"] if b["bot"] == self.bot), {"status": "unknown"})
        halts = [halt["bot_may"] for halt in me.get("halts", [])]  # of several, the strictest holds
        opens = me["status"] == "running" and not state["emergency_stop"]["engaged"] and not halts
        held = [p for p in state["positions"] if p["bot"] == self.bot]
        return opens, opens or self.closing or bool(halts) and "nothing" not in halts, held

    def run(self, orders):
        for path, body, key in read(self.journal):  # what an earlier life began
            self.command(path, body, key)
        live = [p["permit_id"] for p in self.get("/permits")["permits"]]
        self.settle({p: "" for p in self.venue.orders if p not in live}, 0)  # yours: the orders since its last start
        while not self.ending:
            permits = self.get("/permits")["permits"]
            self.left.update({p["permit_id"]: p["left"] for p in permits})
            self.settle({p["permit_id"]: p["status"] for p in permits}, self.rest)
            self.halted, self.unmatched = False, False  # what was heard so far is in the state that is read now
            opens, reduces, held = self.may()
            self.closing = self.closing and bool(held)
            if len(self.venue.orders) >= orders and not self.closing:
                return
            if held and reduces and not self.ending:
                wait = self.sell(held, self.closing or not opens)
            else:
                wait = self.buy() if opens and not held and not self.ending else 1
            time.sleep(wait)

def main():
    args = argparse.ArgumentParser()
    args.add_argument("--orders", type=int, default=12)
    args.add_argument("--rest", type=float, default=2, help="seconds that an order may rest before it is cancelled")
    args.add_argument("--strategy", choices=["trade", "exits", "pair", "sets"], default="trade")
    args.add_argument("--fee", default="0", help="what the venue takes for a fill; below 0 it gives a rebate")
    options, env = args.parse_args(), [os.environ.get("PETS_" + n, "") for n in ("SERVER", "KEY", "PORTFOLIO", "BOT")]
    if not all(re.fullmatch("[!-~]+", value) for value in env):  # Python would print a header that it cannot send
        sys.exit("set PETS_SERVER, PETS_KEY, PETS_PORTFOLIO and PETS_BOT")
    bot = Bot(*env, options)
    def end(*_):  # what rests is cancelled, what was filled is reported, nothing more is placed
        bot.ending = True
        bot.wake.set()
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, end)
    threading.Thread(target=bot.listen, daemon=True).start()
    bot.run(options.orders)
    print("done:", len(bot.venue.orders), "orders", flush=True)

if __name__ == "__main__":
    main()
