package bench

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/open"
	"pets/internal/scale"
)

// What a portfolio and one bot do in a day, by assumption; docs/scale.md says the same.
const (
	dayOrders  = 240 // of the bot: one every six minutes
	dayMarks   = 24 * 60
	dayMarkets = 10 // that are open at any time; each of them is marked each minute
	dayEnds    = 5  // of them are settled at the end of the day, and as many begin
)

// day is a day of one portfolio with one bot, played through the writer in a store in memory with
// a clock of its own: the same commands, events and encoding as in a server, and the same bytes
// each time.
type day struct {
	store  eventstore.Store
	engine *commands.Engine
	now    time.Time
	sent   int
	from   uint64 // the revision of the next record
	ends   bool   // of the day: markets are settled
	rows   map[dayKey]*dayRow
}

// dayID is the portfolio's name, which is in each frame of the log.
const (
	dayID  = "portfolio-000000"
	dayBot = "bot-01"
)

type dayKey struct {
	typ string
	bot bool
}

// dayRow is what a day has of a type of events.
type dayRow struct {
	Type string `json:"type"`
	// Bot reports whether it is written for each bot, and not for the portfolio.
	Bot    bool `json:"bot"`
	Events int  `json:"events"`
	Bytes  int  `json:"bytes"` // in the log, with their share of what frames them
}

// measuredDay is what a day comes to.
type measuredDay struct {
	Rows  []dayRow  `json:"rows"`
	Total scale.Day `json:"total"`
	// State is the size of the state at its end, as a checkpoint has it.
	State int `json:"state_bytes"`
}

// measureDay plays a day, and counts what it leaves in the log. What comes before it, such as the
// opening of the portfolio, is not counted.
func measureDay(ctx context.Context) (*measuredDay, error) {
	d, err := playDay(ctx)
	if err != nil {
		return nil, err
	}
	return d.result(ctx)
}

func playDay(ctx context.Context) (*day, error) {
	d := &day{now: time.Date(2026, 1, 5, 0, 0, 0, 123456789, time.UTC), rows: map[dayKey]*dayRow{}}
	d.store, d.engine = open.MemoryEngine(func() time.Time { return d.now })
	defer d.engine.Close()
	if err := d.engine.Load(ctx, nil); err != nil {
		return nil, err
	}
	if err := d.begin(ctx); err != nil {
		return nil, err
	}
	for minute := range 24 * 60 {
		d.now = d.now.Add(time.Minute)
		if err := d.minute(ctx, minute); err != nil {
			return nil, fmt.Errorf("minute %d of the day: %w", minute, err)
		}
	}
	return d, nil
}

// begin opens the portfolio the day before.
func (d *day) begin(ctx context.Context) error {
	opened := commands.OpenPortfolio{ID: dayID, Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.NewPolicy(domain.ModePaper, domain.ClockWall, "USDC")}
	requests := []commands.Request{
		d.request(domain.RoleAdmin, opened),
		d.request(domain.RoleAdmin, commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("100000")}),
		d.request(domain.RoleAdmin, commands.RegisterBot{ID: dayBot, Capital: domain.MustDecimal("50000"), Start: true}),
	}
	for n := range dayMarkets {
		requests = append(requests, d.request(domain.RoleAdmin, register(n)))
	}
	if err := firstError(d.engine.DoAll(ctx, dayID, requests)); err != nil {
		return err
	}
	head, err := d.store.Head(ctx, commands.Stream(dayID))
	d.from = head + 1
	d.now = d.now.Add(24*time.Hour - time.Minute) // the next one is the first of the day
	return err
}

func register(n int) commands.RegisterMarket {
	return commands.RegisterMarket{Market: dayMarket(n), Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Category: "politics"}
}

// dayMarket is the id of a market, as long as one may be: about as long as a condition on the chain.
func dayMarket(n int) string {
	hash := sha256.Sum256(fmt.Appendf(nil, "market %d", n))
	return fmt.Sprintf("0x%x", hash[:31])
}

// minute sends what comes in a minute of the day.
func (d *day) minute(ctx context.Context, minute int) error {
	if minute == 24*60-1 {
		if err := d.settle(ctx); err != nil {
			return err
		}
	}
	if minute%(24*60/dayMarks) == 0 {
		var marks []domain.Mark
		for n := range dayMarkets {
			price := domain.MustDecimal("0.525").Add(domain.MustDecimal("0.001").Mul(domain.FromInt(int64((minute + n) % 3))))
			marks = append(marks, domain.Mark{Market: dayMarket(d.open(n)), Outcome: "YES", Price: price})
		}
		if _, err := d.send(ctx, domain.RoleFeed, commands.MarkPrices{Marks: marks}); err != nil {
			return err
		}
	}
	if every := 24 * 60 / dayOrders; minute%every == every/2 {
		return d.order(ctx, minute/every)
	}
	return nil
}

// open is the number of the n-th market that is open.
func (d *day) open(n int) int {
	if d.ends && n < dayEnds {
		return dayMarkets + n
	}
	return n
}

// settle ends the first markets, and begins as many.
func (d *day) settle(ctx context.Context) error {
	d.ends = true
	for n := range dayEnds {
		payouts := map[string]domain.Decimal{"YES": domain.One, "NO": {}}
		settled := commands.SettleMarket{Instrument: domain.Instrument{Market: dayMarket(n)}, Payouts: payouts}
		for _, c := range []commands.Command{settled, register(dayMarkets + n)} {
			if _, err := d.send(ctx, domain.RoleOperator, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// order sends the n-th order of the bot: purchases, each followed by a sale in the same market. Of
// ten orders one, a sale, is not filled; one, a purchase, is filled provisionally and confirmed.
func (d *day) order(ctx context.Context, n int) error {
	in, quantity := domain.Instrument{Market: dayMarket(d.open(n / 2 % dayMarkets)), Outcome: "YES"}, domain.MustDecimal("12.5")
	side, price := domain.Buy, domain.MustDecimal("0.525")
	if n%2 == 1 {
		side, price = domain.Sell, domain.MustDecimal("0.527")
		if n%10 == 5 { // a loss, now and then
			price = domain.MustDecimal("0.523")
		}
	}
	answer, err := d.send(ctx, domain.RoleBot, commands.AskPermit{Bot: dayBot, Instrument: in, Kind: domain.KindOutcome, Side: side, Quantity: quantity, LimitPrice: price})
	if err != nil {
		return err
	}
	permit := answer.Permit
	if permit == nil || !permit.Allowed {
		return fmt.Errorf("a permit was denied: %+v", permit)
	}
	if n%10 == 9 {
		_, err := d.send(ctx, domain.RoleBot, commands.ReleasePermit{Permit: permit.PermitID})
		return err
	}
	fill := commands.RecordFill{
		FillID: domain.FillID{Bot: dayBot, TradeID: d.id().String()}, Instrument: in, Side: side, Quantity: quantity, Price: price, PermitID: permit.PermitID,
	}
	if n%10 != 4 {
		_, err := d.send(ctx, domain.RoleBot, fill)
		return err
	}
	fill.Status = "provisional"
	if _, err := d.send(ctx, domain.RoleBot, fill); err != nil {
		return err
	}
	_, err = d.send(ctx, domain.RoleBot, commands.ConfirmFill{FillID: fill.FillID, Market: in.Market})
	return err
}

// id is a new id. Ids differ, and are as long as random ones.
func (d *day) id() uuid.UUID {
	d.sent++
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "%d", d.sent))
}

func (d *day) request(role domain.Role, c commands.Command) commands.Request {
	caller := domain.Caller{User: string(role) + "-1", Role: role}
	if role == domain.RoleBot {
		caller.User, caller.Bot = dayBot, dayBot
	}
	return commands.Request{Caller: caller, Key: d.id().String(), Command: c}
}

// send sends a command alone, so that it is one append, and counts its records.
func (d *day) send(ctx context.Context, role domain.Role, c commands.Command) (commands.Answer, error) {
	answer, err := d.engine.Do(ctx, dayID, d.request(role, c))
	if err != nil {
		return answer, err
	}
	var records []eventstore.Record
	for r, err := range d.store.ReadStream(ctx, commands.Stream(dayID), d.from) {
		if err != nil {
			return answer, err
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return answer, errors.New("a command of the day recorded nothing")
	}
	d.from += uint64(len(records))
	d.count(records, role == domain.RoleBot)
	return answer, nil
}

// count adds the records of an append by their types. What frames them is shared out evenly.
func (d *day) count(records []eventstore.Record, bot bool) {
	rest := frameBytes(records)
	for i := range records {
		rest -= recordBytes(&records[i])
	}
	for i := range records {
		r, left := &records[i], len(records)-i
		row := d.rows[dayKey{r.Type, bot}]
		if row == nil {
			row = &dayRow{Type: r.Type, Bot: bot}
			d.rows[dayKey{r.Type, bot}] = row
		}
		share := rest / left
		row.Events, row.Bytes, rest = row.Events+1, row.Bytes+recordBytes(r)+share, rest-share
	}
}

// The sizes of the log's format (docs/log-format.md), which a test compares with the engine.
const (
	frameHeader  = 48
	recordHeader = 36
	frameAlign   = 8
)

func recordBytes(r *eventstore.Record) int {
	return recordHeader + len(r.Type) + len(r.Metadata) + len(r.Data)
}

// frameBytes is how long the frame of an append is in the log.
func frameBytes(records []eventstore.Record) int {
	n := frameHeader + len(records[0].Stream)
	for i := range records {
		n += recordBytes(&records[i])
	}
	return (n + frameAlign - 1) / frameAlign * frameAlign
}

// result sums the day up.
func (d *day) result(ctx context.Context) (*measuredDay, error) {
	m := &measuredDay{}
	for _, key := range slices.SortedFunc(maps.Keys(d.rows), func(a, b dayKey) int {
		return cmp.Or(-cmp.Compare(d.rows[a].Bytes, d.rows[b].Bytes), cmp.Compare(a.typ, b.typ))
	}) {
		row := d.rows[key]
		m.Rows = append(m.Rows, *row)
		v := &m.Total.Portfolio
		if row.Bot {
			v = &m.Total.Bot
		}
		v.Events, v.Bytes = v.Events+float64(row.Events), v.Bytes+float64(row.Bytes)
	}
	s := portfolio.New()
	err := eventstore.Walk(ctx, d.store, commands.Stream(dayID), 0, func(r eventstore.Record) error {
		e, err := domain.Decode(r.Type, r.Data)
		if err == nil {
			s.Apply(domain.Stamp{Revision: r.Revision, Time: r.Time}, e)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	snapshot, err := s.Snapshot()
	m.State = len(snapshot)
	return m, err
}
