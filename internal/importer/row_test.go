package importer

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/tradefile"
)

func mustRead(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}

func skip(tradefile.Row, error) error { return nil }

// notes are the notes of the stream with their source.
func (b *bench) notes() []string {
	b.t.Helper()
	var out []string
	for _, rec := range records(b.t, b.store) {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(b.t, err)
		if n, ok := e.(*domain.CommandNoted); ok {
			m, err := domain.DecodeMetadata(rec.Metadata)
			require.NoError(b.t, err)
			out = append(out, m.Source+" "+n.Code+" "+n.Note)
		}
	}
	return out
}

// newcomers have a row at minute 5, line 3, that the domain refuses, and that is
// the first to name a bot or a market; the row after it is a good one and needs
// the same.
var newcomers = map[string]struct {
	code  domain.Code
	words string
	files []string
}{
	"a bot of a settlement": {domain.CodeConflict, "payout differs", []string{
		settleHeader + at(4) + ",a,m,YES,1\n" + at(5) + ",new,m,YES,0\n" + at(6) + ",new,n,YES,1\n",
		fillHeader + at(1) + ",a,m,YES,buy,1,0.4,0,1\n",
	}},
	"a bot and a market of a fill": {domain.CodeInvalid, "quantity times price", []string{
		kindHeader + at(4) + ",a,m,YES,buy,1,0.4,0,1,\n" + at(5) + ",new,BTC,perp,buy,999999999999999,9,0,1,perp\n" + at(6) + ",new,BTC,perp,buy,1,9,0,2,perp\n",
	}},
	"a kind after trades as outcome": {domain.CodeConflict, "market is already traded as kind outcome", []string{
		kindHeader + at(4) + ",a,BTC,x,buy,1,0.4,0,1,\n" + at(5) + ",new,BTC,x,buy,1,0.4,0,1,spot\n" + at(6) + ",new,BTC,x,buy,1,0.4,0,2,outcome\n",
	}},
	"another kind": {domain.CodeConflict, "kind is perp, but the market is known as spot", []string{
		kindHeader + at(4) + ",a,BTC,x,buy,1,9,0,1,spot\n" + at(5) + ",new,BTC,x,buy,1,9,0,1,perp\n" + at(6) + ",new,BTC,x,buy,1,0.4,0,2,\n",
	}},
	"kind outcome of a spot market": {domain.CodeConflict, "kind is outcome, but the market is known as spot", []string{
		kindHeader + at(4) + ",a,BTC,x,buy,1,9,0,1,spot\n" + at(5) + ",new,BTC,x,buy,1,0.4,0,1,outcome\n" + at(6) + ",new,BTC,x,buy,1,9,0,2,spot\n",
	}},
}

// "A bad row stops … before anything of that row is written": not the bot, nor
// its capital, nor the market that it is the first to name.
func TestARefusedRowLeavesNothingBehind(t *testing.T) {
	for name, bad := range newcomers {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, bad.files...)
			for range 2 {
				_, err := b.run(t.Context())
				requireRow(t, err, bad.code, bad.words)
				require.Less(t, b.state().Time.Minute(), 5)
				require.NotContains(t, b.state().Bots, "new")
				for _, rec := range records(t, b.store) {
					m, err := domain.DecodeMetadata(rec.Metadata)
					require.NoError(t, err)
					require.NotEqual(t, "f0.csv:3", m.Source, rec.Type)
				}
			}
		})
	}
}

// "--skip-bad sets bad rows aside": the next row that needs the bot or the market
// brings it, in every size of chunk, and wherever the import is interrupted.
func TestARowSetAsideRegistersNothing(t *testing.T) {
	for name, bad := range newcomers {
		t.Run(name, func(t *testing.T) {
			whole := newBench(t, bad.files...)
			whole.o.SetAside = skip
			s := whole.must()
			require.Equal(t, []int{1, s.Rows - 1}, []int{s.SetAside, s.Recorded})
			require.Equal(t, len(records(t, whole.store)), s.Events)
			for _, rec := range records(t, whole.store) {
				m, err := domain.DecodeMetadata(rec.Metadata)
				require.NoError(t, err)
				if m.Source == "f0.csv:3" {
					require.Equal(t, domain.CommandNotedType, rec.Type)
				}
				if rec.Type == domain.BotRegisteredType && strings.Contains(string(rec.Data), "new") {
					require.Equal(t, "f0.csv:4", m.Source)
					require.NotEqual(t, "register_bot", m.Command, "it is one command with the row")
				}
			}
			require.Equal(t, "500", whole.state().NetDeposits().Sub(whole.state().Treasury(domain.WalletHot)).Sub(dec("500")).String(), "both have their capital")
			require.Equal(t, portfolio.Running, whole.state().Bots["new"].Status)

			for chunk := 1; chunk <= s.Rows; chunk++ {
				b := newBench(t, bad.files...)
				b.o.Chunk = chunk
				_, err := b.run(t.Context()) // stops
				require.Error(t, err)
				b.o.SetAside = skip
				b.must()
				requireSame(t, whole, b)
				require.Equal(t, Summary{Rows: s.Rows, Known: s.Recorded, SetAside: 1, Trips: []Trip{}}, b.must())
				requireSame(t, whole, b)
			}
		})
	}
}

// A kind that an earlier import made known is contradicted in a later one, too,
// and one that says nothing goes with what is known.
func TestAKindOfAnEarlierImport(t *testing.T) {
	b := newBench(t, kindHeader+at(1)+",a,BTC,x,buy,1,9,0,1,spot\n")
	b.must()
	b.file("later.csv", kindHeader+at(2)+",a,BTC,x,buy,1,0.4,0,2,\n"+at(3)+",a,BTC,x,buy,1,9,0,3,perp\n")
	_, err := b.run(t.Context())
	requireRow(t, err, domain.CodeConflict, "later.csv:3:42: kind is perp, but the market is known as spot")
	require.Equal(t, 2, b.count(domain.FillRecordedType))
}

// The audit says which row was left out and why: once, also when a later run
// refuses it in other words.
func TestARowSetAsideIsNotedWithItsReason(t *testing.T) {
	b := newBench(t, badRows["a trade id with other content"].files...)
	b.o.SetAside = skip
	b.must()
	want := []string{"f0.csv:3 set_aside row set aside: trade_id is already recorded with different content"}
	require.Equal(t, want, b.notes())
	b.must()
	require.Equal(t, want, b.notes())

	row := *rowsOf(b.plan())[1]
	w := commands.NewWriter(b.store, "main", commands.Options{})
	defer w.Close()
	r := &run{o: b.o}
	again := r.request("row/"+row.Key, &row, commands.SetRowAside{Row: row.Key, Reason: "in other words"})
	answer, err := w.Do(t.Context(), again)
	require.NoError(t, err)
	require.True(t, answer.Replayed)
}

// A reason is as long as it is; what is kept of it is bounded.
func TestALongReasonIsCut(t *testing.T) {
	b := newBench(t, tradeHeader+at(1)+",a,x,0,0,1\n")
	b.must()
	w := commands.NewWriter(b.store, "main", commands.Options{})
	defer w.Close()
	r := &run{o: b.o}
	row := *rowsOf(b.plan())[0]
	_, err := w.Do(t.Context(), r.request("k", &row, commands.SetRowAside{Row: "k", Reason: strings.Repeat("ä", 10_000)}))
	require.NoError(t, err)
	require.Less(t, len(b.notes()[0]), 1100)
	require.True(t, strings.HasSuffix(b.notes()[0], "ä…"))
}

// A bot for which no capital is left is no fault of its row: the import stops,
// also with --skip-bad, and says what to do.
func TestABotWithoutCapital(t *testing.T) {
	b := newBench(t, tradeHeader+at(1)+",a,x,0,0,1\n")
	b.must()
	before := records(t, b.store)
	b.file("new.csv", tradeHeader+at(2)+",late,x,0,0,1\n")
	for _, aside := range []func(tradefile.Row, error) error{nil, skip} {
		b.o.SetAside = aside
		_, err := b.run(t.Context())
		requireRow(t, err, domain.CodeInvalid, "new.csv:2: bot late is new, and its capital is more than the 0 USDC in hot:treasury")
		require.ErrorContains(t, err, "or pass --bot-capital 0")
		require.Equal(t, before, records(t, b.store))
	}
	b.o.BotCapital = amount("0")
	require.Equal(t, 1, b.must().Recorded)
}

// A rebate of 0 is no command, so it introduces nobody.
func TestAnEmptyRebateIntroducesNobody(t *testing.T) {
	b := newBench(t, walletHeader+at(1)+",rebate,,,,,,0,0x2\n"+at(2)+",rebate,,,,,,1,0x2\n", tradeHeader+at(3)+",a,x,0,0,1\n")
	require.Equal(t, 1, b.must().Ignored)
	m, err := domain.DecodeMetadata(records(t, b.store)[2].Metadata)
	require.NoError(t, err)
	require.Equal(t, "f0.csv:3", m.Source)
}

// The body of a row's command is that of the command alone, so that its hash does
// not depend on who was known when it was booked.
func TestTheBodyOfARowIsItsCommand(t *testing.T) {
	b := week(t)
	plan := b.plan()
	kinds := map[string]bool{}
	for _, row := range rowsOf(plan) {
		rich := (&run{botCapital: dec("5")}).commandOf(row)
		if rich == nil {
			continue
		}
		c, ok := rich.(commands.ImportRow)
		require.True(t, ok)
		want, err := json.Marshal(c.PortfolioCommand)
		require.NoError(t, err)
		got, err := json.Marshal(rich)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
		require.Equal(t, commands.SpecOf(c.PortfolioCommand).Name, commands.SpecOf(rich).Name)
		for _, role := range []domain.Role{domain.RoleBot, domain.RoleFeed, domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin, domain.RoleAuditor} {
			caller := domain.Caller{User: "u", Role: role}
			if commands.Allowed(caller, rich) == nil {
				require.NoError(t, commands.Allowed(caller, c.PortfolioCommand), "never more than may send the command itself")
			}
		}
		kinds[commands.SpecOf(rich).Name] = true
	}
	require.Len(t, kinds, 5)
}

// A redeem books at cash ÷ quantity; that another quantity is held is a finding.
// What is held short cannot be redeemed: that is the row's fault.
func TestRedeemsThatDoNotFit(t *testing.T) {
	b := newBench(t, walletHeader+
		at(1)+",trade,long,YES,buy,10,0.4,-4,x\n"+
		at(2)+",trade,fits,YES,buy,10,0.4,-4,x\n"+
		at(3)+",trade,short,YES,sell,1,0.4,0.4,x\n"+
		at(4)+",redeem,long,,,8,,8,x\n"+
		at(5)+",redeem,fits,,,10,,10,x\n"+
		at(6)+",redeem,short,,,1,,1,x\n")
	_, err := b.run(t.Context())
	requireRow(t, err, domain.CodeInvalid, "f0.csv:7:29: market is held short (-1): there is no long holding")
	b = newBench(t, mustRead(t, b.paths[0]))
	b.o.SetAside = skip
	s := b.must()
	require.Equal(t, []int{1, 1, 5}, []int{s.Findings, s.SetAside, s.Recorded})
	found := map[string]bool{}
	for _, rec := range records(t, b.store) {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		if m, ok := e.(*domain.MarketSettled); ok {
			found[m.Market] = m.Finding
			require.Equal(t, "10", m.Holders[0].Quantity.String())
			require.Equal(t, "1", m.Payout.String())
		}
	}
	require.Equal(t, map[string]bool{"long": true, "fits": false}, found)
}

// A refusal after something was emitted throws the writer's state away; what was
// booked before it, in the same chunk, stays.
func TestARefusalAfterRegistering(t *testing.T) {
	bad := newcomers["a bot of a settlement"]
	b := newBench(t, bad.files...)
	_, err := b.run(t.Context())
	var row *RowError
	require.True(t, errors.As(err, &row))
	require.Equal(t, 1, b.count(domain.FillRecordedType))
	require.Equal(t, 1, b.count(domain.MarketSettledType))
	require.Equal(t, 4, b.state().Time.In(time.UTC).Minute())
}

// Funding, movements of the treasury's money, fees that belong to no fill, and fees of
// fills under the second edition: each is booked once, however often the files are imported.
func TestFactsOfTheSecondEdition(t *testing.T) {
	b := newBench(t,
		fillHeader[:len(fillHeader)-1]+",kind,fee_asset\n"+
			at(0)+",a,perp,X,buy,2,100,-0.5,1,perp,\n"+
			at(1)+",a,m,YES,buy,100,0.5,2,2,,shares\n"+
			at(5)+",a,perp,X,sell,2,101,0,3,perp,\n",
		"time,bot,market,outcome,amount,funding_id\n"+at(2)+",a,perp,X,-4,f1\n",
		"time,kind,wallet,asset,amount,tx,leg\n"+
			at(3)+",deposit,hot,,500,0x1,\n"+at(3)+",deposit,hot,,500,0x1,1\n"+at(4)+",withdrawal,hot,,100,0x2,\n",
		"time,bot,kind,amount\n"+at(4)+",a,rebate,0.25\n")
	b.o.Policy.Rules = domain.SecondRules
	s := b.must()
	require.Equal(t, 8, s.Recorded)
	state := b.state()
	// 1,000 + 900 that came, rebates of .5 and .25, 2 won, 4 of funding, and 98 × .5 for 50.
	require.Equal(t, "1897.75", state.Equity().String())
	require.Equal(t, dec("98"), state.Instruments[domain.Instrument{Market: "m", Outcome: "YES"}].Holding("a").Quantity)
	again := b.must()
	require.Equal(t, 8, again.Known, "the capital is that of the first deposit")
	require.Zero(t, again.Events)
	b.file("more.csv", "time,kind,wallet,asset,amount,tx\n"+at(6)+",deposit,hot,,501,0x1\n")
	_, err := b.run(t.Context())
	requireRow(t, err, domain.CodeConflict, "more.csv:2")
}

// The first edition refuses a rebate in a fill, with its place.
func TestARebateNeedsTheSecondEdition(t *testing.T) {
	b := newBench(t, fillHeader+at(0)+",a,m,YES,buy,2,0.5,-0.5,1\n")
	b.o.Policy.Rules = 1
	_, err := b.run(t.Context())
	requireRow(t, err, domain.CodeInvalid, "f0.csv:2:40")
}
