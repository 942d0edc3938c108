package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
)

// append puts events into a stream as some command's.
func (r *rig) append(stream, bot string, events ...domain.Event) {
	r.t.Helper()
	all := r.records(stream)
	last := all[len(all)-1]
	meta, err := json.Marshal(domain.Metadata{
		Actor: "test", Role: domain.RoleAdmin, Bot: bot, Command: "test", CommandID: uuid.NewString(), RequestHash: strings.Repeat("0", 64),
	})
	require.NoError(r.t, err)
	at := last.Revision + 1
	for len(events) > 0 {
		var group []eventstore.Proposed
		for bytes := 0; len(events) > 0 && len(group) < 1000; events = events[1:] {
			data, err := domain.Encode(events[0])
			require.NoError(r.t, err)
			p := eventstore.Proposed{ID: uuid.New(), Type: events[0].EventType(), Time: last.Time, Metadata: meta, Data: data}
			if bytes += p.Size(); bytes > eventstore.MaxAppendBytes {
				break
			}
			group = append(group, p)
		}
		_, err := r.store.Append(context.Background(), stream, eventstore.Expected(int64(at)-1), group)
		require.NoError(r.t, err)
		at += uint64(len(group))
	}
}

// folded waits until the view of the portfolio has everything.
func (r *rig) folded() {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return r.get("operator", main+"?limit=1").status == http.StatusOK }, 4*time.Minute, 20*time.Millisecond)
}

// largeDenials are denials of a bot, each of about so many bytes.
func largeDenials(n, bytes int) []domain.Event {
	events := make([]domain.Event, n)
	for i := range events {
		events[i] = &domain.PermitDenied{
			Order: domain.Order{
				Bot: "alpha", Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy,
				Quantity: domain.MustDecimal(strconv.Itoa(i + 1)), LimitPrice: domain.MustDecimal("0.5"),
			},
			Reasons: []domain.Reason{{Code: domain.ReasonBotStopped, Message: strings.Repeat("x", bytes)}},
		}
	}
	return events
}

// "Answers capped (4 MiB a page)", by bytes and not by the number of events; walking with
// next yields every event once, for a person and for a bot.
func TestPagesOfLargeEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	r.append("portfolio-main", "alpha", largeDenials(60, 300_000)...)
	r.folded()
	for who, sees := range map[string]func(eventstore.Record) bool{
		"operator": func(eventstore.Record) bool { return true },
		"alpha":    func(rec eventstore.Record) bool { return rec.Type == (&domain.PermitDenied{}).EventType() },
	} {
		var want []uint64
		for _, rec := range r.records("portfolio-main") {
			if sees(rec) {
				want = append(want, rec.Revision)
			}
		}
		var got []uint64
		pages := 0
		for after := ""; ; pages++ {
			a := r.get(who, main+"/events?limit=1000"+after)
			require.Equal(t, http.StatusOK, a.status, "%.200s", a.body)
			require.LessOrEqual(t, len(a.body), maxAnswer)
			var v eventsAnswer
			a.into(t, &v)
			for _, e := range v.Events {
				if sees(eventstore.Record{Type: e.Type}) {
					got = append(got, e.Revision)
				}
			}
			if v.Next == nil {
				break
			}
			require.NotEmpty(t, v.Events, "every page gets on")
			after = "&after=" + strconv.FormatUint(*v.Next, 10)
		}
		require.Equal(t, want, got, who)
		require.Greater(t, pages, 3)
	}
}

// long is a name of the most bytes that a market may have, which JSON doubles.
func long(i int) string { return fmt.Sprintf("%06d", i) + strings.Repeat(`"`, 240) }

// grown has more of everything than one answer holds.
func (r *rig) grown(n int) *rig {
	r.t.Helper()
	var events []domain.Event
	one, half := domain.MustDecimal("1"), domain.MustDecimal("0.5")
	for i := range n {
		in := domain.Instrument{Market: long(i), Outcome: long(i)}
		order := domain.Order{Bot: "alpha", Instrument: in, Side: domain.Buy, Quantity: one, LimitPrice: half}
		events = append(events,
			&domain.BotRegistered{Bot: fmt.Sprintf("bot-%06d-%s", i, strings.Repeat("x", 50))},
			&domain.FillRecorded{
				FillID: domain.FillID{Bot: "alpha", Venue: "v", TradeID: strconv.Itoa(i)}, Instrument: in, Side: domain.Buy,
				Quantity: one, Price: half, Notional: half, Status: "final",
			},
			&domain.PermitGranted{Permit: fmt.Sprintf("p%d", 1_000_000+i), Order: order, Reserved: half, ExpiresAt: time.Now().Add(time.Hour)},
			&domain.TradeClosed{
				Trade: fmt.Sprintf("t%d", 1_000_000+i), Bot: "alpha", Instrument: in, ClosedBy: "report", TradeID: long(i),
				TradeFigures: domain.TradeFigures{PnL: one, Result: domain.Win},
			},
			&domain.AddressAdded{Chain: "eip155:137", Address: long(i), Label: long(i), User: long(i)},
			&domain.WalletRegistered{Wallet: fmt.Sprintf("w%06d", i), Place: "cold", Chain: "eip155:137", Address: long(i), User: "u", Assets: []domain.WalletAsset{{Asset: "USDC"}}},
		)
	}
	r.append("portfolio-main", "alpha", events...)
	var keys []domain.Event
	head, _, err := r.engine.SystemHead(context.Background())
	require.NoError(r.t, err)
	for i := range n {
		keys = append(keys, &domain.APIKeyIssued{
			Key: fmt.Sprintf("k%d", head+1+uint64(i)), User: "u", Role: domain.RoleAuditor, Hash: fmt.Sprintf("%064x", i), Note: long(i) + long(i),
		})
	}
	r.append(commands.SystemStream, "", keys...)
	r.folded()
	return r
}

// mustBeWhole are the lists that have to be whole over all pages, by route: how many
// elements each has at the least for each that was made.
var mustBeWhole = map[string]map[string]int{
	"get_portfolio": {"bots": 1}, "state": {"bots": 1, "breakers": 2, "positions": 1}, "stats": {"bots": 1}, "balances": {"accounts": 1},
	"positions": {"positions": 1}, "events": {"events": 6}, "trades": {"trades": 1}, "permits": {"permits": 1}, "breakers": {"breakers": 2}, "equity": {"points": 1},
	"wallets": {"wallets": 1}, "address_book": {"addresses": 1}, "list_api_keys": {"keys": 1},
}

// Every GET of the table answers at most 4 MiB at a time, whatever the portfolio has grown
// to, and its pages hold every element once.
func TestEveryReadIsPaged(t *testing.T) {
	t.Parallel()
	const n = 4_100
	r := newRig(t, rigged{}).opened().grown(n)
	for i := range table {
		row := &table[i]
		if !row.reads() || row.streams || row.name == "key_status" || row.name == "approval" {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			path := strings.ReplaceAll(row.path, "{portfolio}", "main")
			seen := r.walk(t, path+"?"+widest(row))
			want := mustBeWhole[row.name]
			for _, name := range slices.Sorted(maps.Keys(want)) {
				require.GreaterOrEqual(t, len(seen[name]), n*want[name], name)
				for element, times := range seen[name] {
					require.Equal(t, 1, times, "%s: %.100s", name, element)
				}
			}
		})
	}
}

// widest asks a route for as much as it gives.
func widest(row *route) string {
	switch row.name {
	case "trades", "events":
		return "limit=1000&"
	case "equity":
		return "points=100000&"
	default:
		return ""
	}
}

// walk reads every page of a route, and counts the elements of its lists.
func (r *rig) walk(t *testing.T, path string) map[string]map[string]int {
	t.Helper()
	seen := map[string]map[string]int{}
	for after, pages := "", 0; ; pages++ {
		require.Less(t, pages, 1000)
		a := r.get("admin", path+after)
		require.Equal(t, http.StatusOK, a.status, "%.300s", a.body)
		require.LessOrEqual(t, len(a.body), maxAnswer)
		var v map[string]json.RawMessage
		a.into(t, &v)
		for name, raw := range v {
			var elements []json.RawMessage
			if json.Unmarshal(raw, &elements) != nil {
				continue
			}
			if seen[name] == nil {
				seen[name] = map[string]int{}
			}
			for _, e := range elements {
				seen[name][string(e)]++
			}
		}
		next := strings.Trim(string(v["next"]), `"`)
		if next == "" || next == "null" {
			return seen
		}
		after = "after=" + url.QueryEscape(next)
	}
}

// A cursor that is none, or whose element is gone, is refused: a page that begins at a
// guess would leave something out.
func TestCursors(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	for _, market := range []string{"a", "b", "c"} {
		r.must("alpha", main+"/fills", fmt.Sprintf(`{"bot":"alpha","market":%q,"outcome":"YES","side":"buy","quantity":"1","price":"0.5","trade_id":%q}`, market, market))
	}
	var v positionsAnswer
	first := r.get("alpha", main+"/positions?limit=1")
	first.into(t, &v)
	require.Equal(t, "a", v.Positions[0].Market)
	var rest positionsAnswer
	r.get("alpha", main+"/positions?after="+v.Next).into(t, &rest)
	require.Len(t, rest.Positions, 2)
	require.Empty(t, rest.Next, "that was all")
	at := first.header.Get("Pets-Revision")
	r.must("alpha", main+"/fills", `{"bot":"alpha","market":"a","outcome":"YES","side":"sell","quantity":"1","price":"0.5","trade_id":"d"}`)
	gone := r.get("alpha", main+"/positions?after="+v.Next)
	require.Equal(t, domain.CodeConflict, gone.code(t))
	require.Contains(t, gone.body, "at=")
	then := r.get("alpha", main+"/positions?at="+at+"&after="+v.Next)
	require.Equal(t, http.StatusOK, then.status, then.body)
	for _, bad := range []string{"x", "%21", cursor("bots", "alpha"), strings.Repeat("A", 5000)} {
		require.Equal(t, domain.CodeInvalid, r.get("alpha", main+"/positions?after="+bad).code(t), bad)
	}
}

// A batch whose answers would be too long is answered for every command: what was decided,
// and what to do, is never left out.
func TestALongBatchAnswer(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	r.must("operator", main+"/markets", `{"market":"m","kind":"outcome","outcomes":["A","B"]}`)
	leg := `{"market":"m","outcome":"A","side":"buy","quantity":"1","limit_price":"0.9"}`
	legs := strings.TrimSuffix(strings.Repeat(leg+",", 16), ",")
	items := repeated(1000, func(i int) string {
		return item("ask_permit", fmt.Sprintf(`{"bot":"alpha","intent":"arbitrage","leg_timeout":"%ds","legs":[%s]}`, 1+i%20, legs))
	})
	a := r.post("alpha", main+"/batch", batchOf(items...))
	require.Equal(t, http.StatusOK, a.status, "%.300s", a.body)
	require.LessOrEqual(t, len(a.body), maxAnswer)
	var v batchAnswer
	a.into(t, &v)
	require.Len(t, v.Results, 1000)
	short := 0
	for _, one := range v.Results {
		require.NotZero(t, one.Status)
		if one.Short {
			short++
		}
	}
	require.Positive(t, short)
	require.Less(t, short, 1000)
}
