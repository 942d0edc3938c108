package importer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/memory"
	"pets/internal/tradefile"
)

// Headers of the files, as docs/import.md has them.
const (
	fillHeader   = "time,bot,market,outcome,side,quantity,price,fee,trade_id\n"
	kindHeader   = "time,bot,market,outcome,side,quantity,price,fee,trade_id,kind\n"
	settleHeader = "time,bot,market,outcome,payout\n"
	tradeHeader  = "time,bot,market,pnl,fee,trade_id\n"
	walletHeader = "time,kind,market,outcome,side,quantity,price,cash,tx\n"
)

func dec(s string) domain.Decimal     { return domain.MustDecimal(s) }
func amount(s string) *domain.Decimal { d := dec(s); return &d }

// at is a time of the test day, as files write it.
func at(minute int) string { return fmt.Sprintf("2026-02-01T%02d:%02d:00Z", 10+minute/60, minute%60) }

// bench is a store and the files that are imported into it, again and again.
type bench struct {
	t     *testing.T
	store eventstore.Store
	dir   string
	paths []string
	o     Options
	read  tradefile.Options
}

func newBench(t *testing.T, files ...string) *bench {
	t.Helper()
	b := &bench{t: t, store: memory.New(), dir: t.TempDir()}
	b.o = Options{Portfolio: "main", Policy: domain.DefaultPolicy(domain.ModePaper), Capital: amount("1000"), User: "os:olga"}
	for i, text := range files {
		b.file(fmt.Sprintf("f%d.csv", i), text)
	}
	return b
}

func (b *bench) file(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	require.NoError(b.t, os.WriteFile(path, []byte(text), 0o600))
	b.paths = append(b.paths, path)
}

func (b *bench) plan() *tradefile.Plan {
	b.t.Helper()
	plan, err := tradefile.Read(b.t.Context(), b.paths, b.read, nil)
	require.NoError(b.t, err)
	return plan
}

func rowsOf(p *tradefile.Plan) []*tradefile.Row { return slices.Collect(p.All()) }

// run imports, as one run of `pets import` does.
func (b *bench) run(ctx context.Context) (Summary, error) {
	b.t.Helper()
	o := b.o
	if s := fold(b.t, b.store); s.IsOpen() {
		o.Existing = s
	}
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(len(records(b.t, b.store))) * time.Hour)
	w := commands.NewWriter(b.store, "main", commands.Options{Now: func() time.Time { return now }})
	defer w.Close()
	return Run(ctx, w, b.plan(), o)
}

func (b *bench) must() Summary {
	b.t.Helper()
	s, err := b.run(b.t.Context())
	require.NoError(b.t, err)
	return s
}

func (b *bench) state() *portfolio.State { return fold(b.t, b.store) }

func records(t *testing.T, store eventstore.Store) []eventstore.Record {
	t.Helper()
	var all []eventstore.Record
	require.NoError(t, eventstore.Walk(t.Context(), store, commands.Stream("main"), 0, func(rec eventstore.Record) error {
		all = append(all, rec)
		return nil
	}))
	return all
}

func fold(t *testing.T, store eventstore.Store) *portfolio.State {
	t.Helper()
	s := portfolio.New()
	for _, rec := range records(t, store) {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	}
	return s
}

// history is everything that two imports of the same rows have in common: all but
// the moment of the import and the ids of the process.
func history(t *testing.T, store eventstore.Store) []string {
	t.Helper()
	var lines []string
	for _, rec := range records(t, store) {
		m, err := domain.DecodeMetadata(rec.Metadata)
		require.NoError(t, err)
		require.NotNil(t, m.ImportedAt)
		m.ImportedAt = nil
		lines = append(lines, fmt.Sprintf("%d %s %s %+v %s", rec.Revision, rec.Type, rec.Time, m, rec.Data))
	}
	return lines
}

func (b *bench) count(eventType string) int {
	n := 0
	for _, rec := range records(b.t, b.store) {
		if rec.Type == eventType {
			n++
		}
	}
	return n
}

// requireSame: the two imports ended in the same state, by the same events.
func requireSame(t *testing.T, want, got *bench) {
	t.Helper()
	wantHash, err := want.state().Hash()
	require.NoError(t, err)
	gotHash, err := got.state().Hash()
	require.NoError(t, err)
	require.Equal(t, history(t, want.store), history(t, got.store))
	require.Equal(t, wantHash, gotHash)
}

// requireRow: err says which row it is about.
func requireRow(t *testing.T, err error, code domain.Code, place string) {
	t.Helper()
	var row *RowError
	require.ErrorAs(t, err, &row)
	require.Equal(t, code, domain.CodeOf(err), "%v", err)
	require.Contains(t, err.Error(), place)
}

// week has a bit of everything: three files, four bots, a perp, a trip, duplicates,
// a settlement of everybody and one of nobody, a void redeem and an empty rebate.
func week(t *testing.T) *bench {
	t.Helper()
	b := newBench(t,
		kindHeader+
			at(0)+",a,m1,YES,buy,10,0.4,0.1,1,\n"+
			at(1)+",b,m1,YES,buy,5,0.4,0,1,\n"+
			at(1)+",b,m1,YES,buy,5,0.4,0,1,\n"+
			at(2)+",a,BTC,perp,sell,0.01,50000,0.5,2,perp\n"+
			at(9)+",a,BTC,perp,buy,0.01,51000,0.5,3,perp\n"+
			at(12)+",c,m2,NO,buy,3,0.3,0,4,\n"+
			at(13)+",c,m2,NO,sell,4,0.3,0,5,\n",
		settleHeader+
			at(5)+",,m1,YES,1\n"+
			at(6)+",,unknown,YES,1\n",
		tradeHeader+
			at(3)+",b,x,-1,0.1,t1\n"+
			at(4)+",b,x,-1,0,t2\n"+
			at(7)+",b,x,-1,0,t3\n"+
			at(8)+",b,x,2,0,t4\n"+
			at(14)+",d,x,1,0,t5\n",
		walletHeader+
			at(10)+",redeem,m9,,,0,,0,0x1\n"+
			at(11)+",rebate,,,,,,0,0x2\n"+
			at(15)+",rebate,,,,,,0.25,0x3\n",
	)
	b.read.Bot = "d"
	b.o.SetAside = func(tradefile.Row, error) error { return nil }
	return b
}

// "import … registers and starts bots as they appear; facts keep being recorded
// after a trip, flagged; a tripped breaker stays tripped; several files are merged
// by time; duplicate ids counted."
func TestAnImportBooksEverything(t *testing.T) {
	b := week(t)
	s := b.must()
	require.Equal(t, Summary{
		Rows: 17, Recorded: 14, Duplicates: 1, Ignored: 2, Findings: 1, Trades: 9, Oversold: 1,
		Events: len(records(t, b.store)), Trips: s.Trips,
	}, s)
	// b loses at 3, 4 and, after the settlement has won at 5, not yet at 7.
	require.Empty(t, s.Trips)
	require.Equal(t, domain.KindPerp, b.state().Markets["BTC"].Kind)
	require.Equal(t, 1, b.count(domain.MarketRegisteredType))
	require.Equal(t, "0.25", b.state().Book[ledger.RebateIncome("USDC", "d")].Neg().String())
	last := time.Time{}
	for _, rec := range records(t, b.store) {
		require.False(t, rec.Time.Before(last))
		last = rec.Time
	}
}

// "Resumable, a second run adds no event": interrupted after every row, and in
// every size of chunk, it ends where an uninterrupted import ends.
func TestItIsResumableAtEveryRow(t *testing.T) {
	whole := week(t)
	s := whole.must()
	for chunk := 1; chunk <= s.Rows; chunk += 5 {
		for stop := 0; stop < s.Rows; stop++ {
			b := week(t)
			b.o.Chunk = chunk
			ctx, cancel := context.WithCancel(t.Context())
			sent := 0
			b.o.Progress = func(int) {
				if sent++; sent > stop {
					cancel()
				}
			}
			_, err := b.run(ctx)
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
			}
			cancel()
			b.o.Progress = nil
			b.must()
			requireSame(t, whole, b)
		}
	}
}

// unreliable does something to the n-th append.
type unreliable struct {
	eventstore.Store
	n     int
	write bool
	err   error
	do    func()
}

func (u *unreliable) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	u.n--
	if u.n != 0 {
		return u.Store.Append(ctx, stream, expected, records)
	}
	if u.do != nil {
		u.do()
	}
	if u.write {
		if done, err := u.Store.Append(ctx, stream, expected, records); err != nil || u.err == nil {
			return done, err
		}
	}
	return eventstore.Appended{}, u.err
}

// The same when an append fails, or happens and nobody hears of it.
func TestItIsResumableAfterEveryFailedAppend(t *testing.T) {
	whole := week(t)
	s := whole.must()
	down := &eventstore.Unavailable{Cause: errors.New("no")}
	unknown := &eventstore.Ambiguous{Cause: errors.New("timeout")}
	faults := []unreliable{
		{err: down}, {err: down, write: true}, {err: unknown}, {err: unknown, write: true}, {write: true},
	}
	for i, f := range faults {
		for n := 1; n <= s.Rows; n++ {
			b := week(t)
			b.o.Chunk = 1
			store := b.store
			ctx, cancel := context.WithCancel(t.Context())
			f.Store, f.n = store, n
			if f.err == nil {
				f.do = cancel // the caller leaves while the append is on its way
			}
			b.store = &f
			first, err := b.run(ctx)
			cancel()
			if err != nil && f.err != nil {
				require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err), "%v", err)
			}
			if i == 2 || i == 3 { // found out on the spot, and counted as its own
				require.NoError(t, err)
				require.Equal(t, s, first)
			}
			b.store = store
			b.must()
			requireSame(t, whole, b)
		}
	}
}

// "A second run adds no event": the same files, by another user, under another
// name; every row is known.
func TestASecondRunAddsNoEvent(t *testing.T) {
	b := week(t)
	first := b.must()
	before := records(t, b.store)
	b.o.User = "os:otto"
	for i, path := range b.paths {
		b.paths[i] = path + ".copy"
		require.NoError(t, os.Rename(path, b.paths[i]))
	}
	second := b.must()
	require.Equal(t, before, records(t, b.store))
	require.Equal(t, Summary{Rows: first.Rows, Known: 15, Duplicates: 1, Ignored: 1, Trips: []Trip{}}, second)
}

// "Known rows are skipped, and a first new row before the head is refused", with
// file and line; at the head's time it is taken.
func TestANewRowBeforeTheHeadIsRefused(t *testing.T) {
	b := newBench(t, tradeHeader+at(1)+",a,x,1,0,1\n"+at(3)+",a,x,1,0,2\n")
	b.must()
	before := records(t, b.store)
	b.file("late.csv", tradeHeader+at(2)+",a,x,5,0,3\n")
	for _, skip := range []func(tradefile.Row, error) error{nil, func(tradefile.Row, error) error { return nil }} {
		b.o.SetAside = skip // never set aside: it is no fault of the row's
		_, err := b.run(t.Context())
		requireRow(t, err, domain.CodeClock, "late.csv:2:1: ")
		require.Equal(t, before, records(t, b.store))
	}
	b.paths = b.paths[:1]
	b.file("tie.csv", tradeHeader+at(3)+",a,x,5,0,3\n")
	s := b.must()
	require.Equal(t, 1, s.Recorded)
	require.Equal(t, 2, s.Known)
}

// badRows have, each, a row the domain refuses at minute 5, line 3.
var badRows = map[string]struct {
	code  domain.Code
	files []string
}{
	"a trade id with other content": {domain.CodeTradeIDConflict, []string{
		fillHeader + at(1) + ",a,m,YES,buy,1,0.4,0,1\n" + at(5) + ",a,m,YES,buy,2,0.4,0,1\n" + at(6) + ",a,m,YES,buy,1,0.4,0,2\n",
	}},
	"a second payout": {domain.CodeConflict, []string{
		settleHeader + at(4) + ",,m,YES,1\n" + at(5) + ",,m,YES,0\n" + at(6) + ",,n,YES,1\n",
		fillHeader + at(1) + ",a,m,YES,buy,1,0.4,0,1\n",
	}},
	"an ambiguous redeem": {domain.CodeInvalid, []string{
		walletHeader + at(1) + ",trade,m,YES,buy,1,0.4,-0.4,x\n" + at(5) + ",redeem,m,,,1,,1,x\n" + at(6) + ",rebate,,,,,,1,x\n",
		fillHeader + at(1) + ",wallet,m,NO,buy,1,0.4,0,1\n",
	}},
}

// "A bad row stops with file, line and reason before anything of that row is
// written": what came before is booked, what comes after is not.
func TestABadRowStops(t *testing.T) {
	for name, bad := range badRows {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, bad.files...)
			_, err := b.run(t.Context())
			requireRow(t, err, bad.code, "f0.csv:3:")
			require.Less(t, b.state().Time.Minute(), 5)
			before := records(t, b.store)
			_, err = b.run(t.Context()) // and again
			requireRow(t, err, bad.code, "f0.csv:3:")
			require.Equal(t, before, records(t, b.store))
		})
	}
}

// "--skip-bad FILE sets bad rows aside and says how many": once, and again in every
// further run, which adds no event.
func TestABadRowIsSetAside(t *testing.T) {
	for name, bad := range badRows {
		for chunk := 1; chunk <= 5; chunk++ {
			t.Run(fmt.Sprint(name, chunk), func(t *testing.T) {
				b := newBench(t, bad.files...)
				var aside []string
				b.o.Chunk = chunk
				b.o.SetAside = func(row tradefile.Row, reason error) error {
					aside = append(aside, fmt.Sprintf("%s:%d", filepath.Base(row.File), row.Line))
					require.Error(t, reason)
					return nil
				}
				first := b.must()
				require.Equal(t, 1, first.SetAside)
				require.Equal(t, first.Rows-1, first.Recorded)
				require.Equal(t, len(records(t, b.store)), first.Events)
				require.Equal(t, []string{"f0.csv:3"}, aside)
				require.Equal(t, 6, b.state().Time.Minute())

				before := records(t, b.store)
				second := b.must()
				require.Equal(t, before, records(t, b.store))
				require.Equal(t, Summary{Rows: first.Rows, Known: first.Recorded, SetAside: 1, Trips: []Trip{}}, second)
				require.Equal(t, []string{"f0.csv:3", "f0.csv:3"}, aside)

				b.o.SetAside = nil
				_, err := b.run(t.Context())
				requireRow(t, err, domain.CodeIdempotencyMismatch, "f0.csv:3: was set aside")
			})
		}
	}
}

// With bad rows, too, it is resumable at every row; and the first run may have been
// one that stopped.
func TestBadRowsAndInterruptions(t *testing.T) {
	for name, bad := range badRows {
		t.Run(name, func(t *testing.T) {
			skip := func(tradefile.Row, error) error { return nil }
			whole := newBench(t, bad.files...)
			whole.o.SetAside = skip
			n := whole.must().Rows
			for stop := range n + 1 {
				b := newBench(t, bad.files...)
				b.o.Chunk = 1
				ctx, cancel := context.WithCancel(t.Context())
				b.o.Progress = func(rows int) {
					if rows == stop {
						cancel()
					}
				}
				_, err := b.run(ctx)
				require.Error(t, err)
				cancel()
				b.o.Progress, b.o.SetAside = nil, skip
				b.must()
				requireSame(t, whole, b)
			}
		})
	}
}

// A row is set aside in the ledger before it is in the file: when the file cannot be
// written the import stops, and the next run hands the row out again.
func TestAFileOfBadRowsThatCannotBeWritten(t *testing.T) {
	b := newBench(t, badRows["a second payout"].files...)
	full := errors.New("no space left on device")
	b.o.SetAside = func(tradefile.Row, error) error { return full }
	_, err := b.run(t.Context())
	require.ErrorIs(t, err, full)
	requireRow(t, err, domain.CodeConflict, "f0.csv:3:")
	n := 0
	b.o.SetAside = func(tradefile.Row, error) error { n++; return nil }
	s := b.must()
	require.Equal(t, 1, n)
	require.Equal(t, 1, s.SetAside)
	require.Equal(t, 6, b.state().Time.Minute())
}

// "Each with --bot-capital (default: capital ÷ number of bots, floored to 6
// decimals, the rest in treasury)."
func TestCapitalIsSharedOut(t *testing.T) {
	trades := tradeHeader + at(1) + ",a,x,0,0,1\n" + at(2) + ",b,x,0,0,2\n" + at(3) + ",c,x,0,0,3\n"
	tests := []struct {
		capital string
		bot     *domain.Decimal
		each    string
		rest    string
	}{
		{"1000", nil, "333.333333", "0.000001"},
		{"999", nil, "333", "0"},
		{"0.000005", nil, "0.000001", "0.000002"},
		{"0.000002", nil, "0", "0.000002"},
		{"0", nil, "0", "0"},
		{"1000", amount("0"), "0", "1000"},
		{"1000", amount("100.5"), "100.5", "698.5"},
	}
	for _, tt := range tests {
		b := newBench(t, trades)
		b.o.Capital, b.o.BotCapital = amount(tt.capital), tt.bot
		b.must()
		for _, id := range []string{"a", "b", "c"} {
			require.Equal(t, tt.each, b.state().Bots[id].Cash.String(), "%+v", tt)
			require.Equal(t, portfolio.Running, b.state().Bots[id].Status)
		}
		require.Equal(t, tt.rest, b.state().Treasury(domain.WalletHot).String())
	}
}

// More than the treasury has is refused, and is not the row's fault.
func TestBotCapitalBeyondTheTreasury(t *testing.T) {
	b := newBench(t, tradeHeader+at(1)+",a,x,0,0,1\n"+at(2)+",b,x,0,0,2\n")
	b.o.BotCapital = amount("600")
	b.o.SetAside = func(tradefile.Row, error) error { t.Error("set aside"); return nil }
	_, err := b.run(t.Context())
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
	require.ErrorContains(t, err, "f0.csv:3")
	require.NotContains(t, b.state().Bots, "b")
}

// "Opens the portfolio if it is not there" with --capital; a second run may leave it
// out, or has to say the same.
func TestCapitalOfASecondRun(t *testing.T) {
	b := newBench(t, tradeHeader+at(1)+",a,x,0,0,1\n")
	b.o.Capital = nil
	_, err := b.run(t.Context())
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
	require.Empty(t, records(t, b.store))

	b.o.Capital = amount("1000")
	b.must()
	before := records(t, b.store)
	for capital, ok := range map[string]bool{"1000": true, "1000.00": true, "999.999999": false, "1001": false, "0": false} {
		b.o.Capital = amount(capital)
		_, err := b.run(t.Context())
		require.Equal(t, ok, err == nil, "%s: %v", capital, err)
		if !ok {
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
		}
	}
	b.o.Capital = nil
	b.must()
	require.Equal(t, before, records(t, b.store))
}

// An import that was cut off between opening the portfolio and its deposit goes on
// with the deposit.
func TestAnImportCutOffBeforeItsDeposit(t *testing.T) {
	whole, b := week(t), week(t)
	whole.must()
	plan := b.plan()
	w := commands.NewWriter(b.store, "main", commands.Options{})
	r := &run{ctx: t.Context(), writer: w, o: b.o}
	r.open(rowsOf(plan)[0], dec("1000"))
	_, err := w.Do(t.Context(), r.queue[0].request)
	require.NoError(t, err)
	w.Close()
	require.True(t, b.state().IsOpen())
	b.must()
	requireSame(t, whole, b)
}

// "A portfolio of its own": one with a wall clock takes no import.
func TestAWallPortfolioIsLeftAlone(t *testing.T) {
	b := newBench(t, tradeHeader+at(1)+",a,x,0,0,1\n")
	w := commands.NewWriter(b.store, "main", commands.Options{})
	_, err := w.Do(t.Context(), commands.Request{
		Caller: domain.Caller{User: "olga", Role: domain.RoleOperator}, Key: "k",
		Command: commands.OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: b.o.Policy},
	})
	require.NoError(t, err)
	w.Close()
	_, err = b.run(t.Context())
	require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
	require.Len(t, records(t, b.store), 1)
}

// "Facts keep being recorded after a trip, flagged; a tripped breaker stays tripped;
// bots registered later stay registered." It trips at the third loss, not the fourth.
func TestAfterATrip(t *testing.T) {
	b := newBench(t, tradeHeader+
		at(1)+",a,x,-1,0,1\n"+at(2)+",a,x,-1,0,2\n"+at(3)+",a,x,-1,0,3\n"+at(4)+",a,x,-1,0,4\n"+at(5)+",late,x,1,0,5\n",
		fillHeader+at(6)+",late,m,YES,buy,1,0.4,0,6\n")
	s := b.must()
	require.Equal(t, []Trip{{Breaker: domain.ConsecutiveLosses, Bot: "a", Source: "f0.csv:4"}}, s.Trips)
	require.Equal(t, 6, s.Recorded)
	require.Equal(t, portfolio.Stopped, b.state().Bots["a"].Status)
	require.Equal(t, portfolio.Registered, b.state().Bots["late"].Status)
	require.Equal(t, "500", b.state().Bots["late"].Cash.Sub(dec("1")).Add(dec("0.4")).String())
	flags := map[string][]string{}
	for _, rec := range records(t, b.store) {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		switch e := e.(type) {
		case *domain.TradeClosed:
			flags[e.TradeID] = e.Flags
		case *domain.FillRecorded:
			flags[e.TradeID] = e.Flags
		}
	}
	require.Empty(t, flags["1"])
	require.Empty(t, flags["3"], "the one that trips it")
	require.Equal(t, []string{domain.FlagHalted}, flags["4"])
	require.Equal(t, []string{domain.FlagHalted}, flags["5"])
	require.Contains(t, flags["6"], domain.FlagHalted)
}

// "Duplicate ids counted": the same row twice in a file, in two files, and the same
// fill told by another format's row.
func TestDuplicatesAreCounted(t *testing.T) {
	row := at(1) + ",a,m,YES,buy,1,0.4,0,1\n"
	b := newBench(t, fillHeader+row+row, fillHeader+row)
	s := b.must()
	require.Equal(t, 1, s.Recorded)
	require.Equal(t, 2, s.Duplicates)
	require.Equal(t, 1, b.count(domain.FillRecordedType))
	b.file("again.csv", kindHeader+strings.TrimSuffix(row, "\n")+",outcome\n"+at(2)+",a,m,YES,buy,1,0.4,0,2,\n")
	b.paths = b.paths[2:]
	s = b.must() // in other words it is another row, but the same fill
	require.Equal(t, 1, s.Recorded)
	require.Equal(t, 1, s.Duplicates)
	require.Equal(t, 2, b.count(domain.FillRecordedType))
}

// A market's kind is registered before its first row, once, and not for outcomes.
func TestKindsRegisterMarkets(t *testing.T) {
	b := newBench(t, kindHeader+
		at(1)+",a,m,YES,buy,1,0.4,0,1,outcome\n"+
		at(2)+",a,BTC,spot,buy,0.001,60000,0,2,spot\n"+
		at(3)+",a,BTC,spot,sell,0.001,61000,0,3,spot\n"+
		at(4)+",a,ETH,perp,sell,0.1,3000,0,4,perp\n")
	b.o.Chunk = 1
	b.must()
	require.Len(t, b.state().Markets, 2)
	require.Equal(t, domain.KindSpot, b.state().Markets["BTC"].Kind)
	require.Equal(t, domain.KindPerp, b.state().Markets["ETH"].Kind)
	require.Equal(t, 2, b.count(domain.MarketRegisteredType))
	before := records(t, b.store)
	b.must()
	require.Equal(t, before, records(t, b.store))
}

// Progress ends at the number of rows, whatever became of them, and never goes back.
func TestProgressReachesTheEnd(t *testing.T) {
	for range 2 {
		b := week(t)
		b.o.Chunk = 2
		last := 0
		b.o.Progress = func(rows int) {
			require.GreaterOrEqual(t, rows, last)
			last = rows
		}
		require.Equal(t, b.must().Rows, last)
		last = 0
		require.Equal(t, b.must().Rows, last)
	}
}

// No rows, no portfolio, and nobody is asked.
func TestAnEmptyFile(t *testing.T) {
	b := newBench(t, tradeHeader)
	_, err := tradefile.Read(t.Context(), b.paths, b.read, nil)
	require.EqualError(t, err, b.paths[0]+": has a header (closed trades) and no row below it; there is nothing to import")
	s, err := Run(t.Context(), nil, &tradefile.Plan{}, b.o)
	require.NoError(t, err)
	require.Equal(t, Summary{Trips: []Trip{}}, s)
}

// On the real engine, closed and opened again between the runs.
func TestOnTheRealEngine(t *testing.T) {
	whole, b := week(t), week(t)
	whole.must()
	dir := t.TempDir()
	for i := range 3 {
		store, err := embedded.Open(dir, embedded.Options{})
		require.NoError(t, err)
		b.store = store
		ctx, cancel := context.WithCancel(t.Context())
		b.o.Chunk, b.o.Progress = 1, func(rows int) {
			if i < 2 && rows == 4*(i+1) {
				cancel()
			}
		}
		_, err = b.run(ctx)
		require.Equal(t, i < 2, err != nil)
		cancel()
		if i == 2 {
			requireSame(t, whole, b)
		}
		require.NoError(t, store.Close())
	}
}
