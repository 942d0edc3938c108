#!/usr/bin/env python3
"""A whole trading bot on pets: it asks, places, reports, obeys, and survives.

    PETS_SERVER=http://127.0.0.1:7433 PETS_KEY=pets_... PETS_PORTFOLIO=main PETS_BOT=alpha python3 bot.py --orders 12

Needs Python 3.9 and nothing else. Where it holds nothing it buys, else it sells what it holds, until its venue
has had so many orders. It remembers nothing: what it holds and may do it asks the server, what became of its
orders the venue. So either side may be killed at any moment. In its working folder (one for each server and
portfolio) it keeps BOT.journal, the command that has no answer yet, and BOT.venue, its pretend exchange's book.
"""
import argparse, http.client, json, os, random, re, signal, sys, threading, time, urllib.error, urllib.parse, urllib.request, uuid

MARKET, OUTCOME, QUANTITY, LIMIT = "rain-tomorrow", "YES", "10", {"buy": "0.40", "sell": "0.41"}

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
    """PUT YOUR EXCHANGE HERE. This one fills an order at its limit at once; of every fourth it fills one share,
    and the rest rests. The permit's id is the order's: sent twice it is one order, and a crash loses none."""
    def __init__(self, path):
        self.path, self.orders = path, {order["id"]: order for order in read(path)}  # the last line of one counts

    def keep(self, order):
        write(self.path, "a", order)
        self.orders[order["id"]] = order

    def place(self, permit, ask):
        if permit not in self.orders:
            filled = ask["quantity"] if (len(self.orders) + 1) % 4 else "1"
            self.keep(dict(ask, id=permit, trade_id=permit + "-1", filled=filled, rests=filled != ask["quantity"]))

    def cancel(self, order):
        self.keep(dict(order, rests=False))

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
    def __init__(self, server, key, portfolio, bot, rest):
        self.base, self.bot, self.rest = f"{server.rstrip('/')}/v1/portfolios/{portfolio}", bot, rest
        self.open = opener(server)
        self.headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        self.venue, self.journal = Venue(bot + ".venue"), bot + ".journal"
        self.stop, self.closing, self.ending = threading.Event(), False, False

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
                if isinstance(e, urllib.error.HTTPError) and e.code not in (429, 502, 503, 504):
                    return print("refused:", method, path, e.code, e.read().decode(errors="replace"), flush=True)
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
        for d in directives:
            if self.bot in d["bots"]:
                print("told:", d["action"], "-", d["reason"], flush=True)
                self.closing = self.closing or d["action"] == "close_positions"
                if d["action"] in ("stop", "close_positions", "cancel_orders"):
                    self.stop.set()  # it has one order at a time, which is cancelled; it joins no groups and has no legs

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

    def settle(self, permit, status=""):
        """Brings an order to its end: placed, then filled or cancelled. What is left of its permit is released."""
        order = self.venue.orders.get(permit)
        if order and status == "granted":
            self.command(f"/permits/{permit}/placed", {})
        if order and order["rests"]:
            self.stop.wait(self.rest)
            self.venue.cancel(order)  # yours may have filled more of it meanwhile: look again
        if order:
            fill = {name: order[name] for name in ("bot", "market", "outcome", "side", "trade_id")}
            fill.update(quantity=order["filled"], price=order["limit_price"], permit_id=permit, venue="example")
            self.command("/fills", fill)  # one that is known already does nothing
            print("filled:", order["side"], order["filled"], "of", order["quantity"], "by", permit, flush=True)
        if status and (not order or order["filled"] != order["quantity"]):
            self.command(f"/permits/{permit}/release", {"reason": "cancelled" if order else "never placed"})

    def trade(self, side, market, outcome, quantity):
        """Asks, places and reports one order. Returns how many seconds to wait after it."""
        ask = {"bot": self.bot, "market": market, "outcome": outcome, "side": side, "quantity": quantity,
               "limit_price": LIMIT[side], "reduce_only": side == "sell"}
        began, answer = time.monotonic(), self.command("/permits", ask)
        if not answer or not answer["allowed"]:  # a retry is answered as of now: a permit that has ended has a status
            answer = answer or {}
            print("denied:", side, answer.get("status", ""), *[reason["code"] for reason in answer.get("reasons", [])], flush=True)
            return 5
        if not self.stop.is_set() and time.monotonic() - began < 10:  # later, the permit may have expired
            self.venue.place(answer["permit_id"], ask)
        self.settle(answer["permit_id"], "granted")
        return 0.05

    def run(self, orders):
        for path, body, key in read(self.journal):  # what an earlier life began
            self.command(path, body, key)
        live = [p["permit_id"] for p in self.get("/permits")["permits"]]
        for permit in [p for p in self.venue.orders if p not in live]:  # yours: the orders since its last start
            self.settle(permit)
        while not self.ending:
            for p in self.get("/permits")["permits"]:
                self.settle(p["permit_id"], p["status"])
            self.stop.clear()  # what was heard so far is in the state that is read now
            state, wait = self.get("/state"), 1
            held = [p for p in state["positions"] if p["bot"] == self.bot and not p["quantity"].startswith("-")]
            may = any(b["bot"] == self.bot and b["status"] == "running" for b in state["bots"])
            may = may and not state["emergency_stop"]["engaged"]
            self.closing = self.closing and bool(held)
            if len(self.venue.orders) >= orders and not self.closing:
                return
            if held and (may or self.closing) and not self.ending:
                wait = self.trade("sell", held[0]["market"], held[0]["outcome"], held[0]["quantity"])
            elif may and not self.ending:  # PUT YOUR STRATEGY HERE
                wait = self.trade("buy", MARKET, OUTCOME, QUANTITY)
            time.sleep(wait)

def main():
    args = argparse.ArgumentParser()
    args.add_argument("--orders", type=int, default=12)
    args.add_argument("--rest", type=float, default=2, help="seconds that an order may rest before it is cancelled")
    options, env = args.parse_args(), [os.environ.get("PETS_" + n, "") for n in ("SERVER", "KEY", "PORTFOLIO", "BOT")]
    if not all(re.fullmatch("[!-~]+", value) for value in env):  # Python would print a header that it cannot send
        sys.exit("set PETS_SERVER, PETS_KEY, PETS_PORTFOLIO and PETS_BOT")
    bot = Bot(*env, options.rest)
    def end(*_):  # what rests is cancelled, what was filled is reported, nothing more is placed
        bot.ending = True
        bot.stop.set()
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, end)
    threading.Thread(target=bot.listen, daemon=True).start()
    bot.run(options.orders)
    print("done:", len(bot.venue.orders), "orders", flush=True)

if __name__ == "__main__":
    main()
