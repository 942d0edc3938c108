package tradefile

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// Keys stand in ledgers already written: a golden file that changes is a format
// whose old files would be imported twice.
func TestFormatsReadAsTheirGoldenFilesSay(t *testing.T) {
	tests := []struct {
		file   string
		opt    Options
		golden string
	}{
		{"fills.csv", Options{}, "fills"},
		{"fills-optional.csv", Options{}, "fills-optional"},
		{"settlements.csv", Options{}, "settlements"},
		{"trades.csv", Options{}, "trades"},
		{"wallet.csv", Options{}, "wallet"},
		{"wallet.csv", Options{Bot: "main-wallet"}, "wallet-named"},
		{"bot-fills.csv", Options{}, "bot-fills"},
		{"resolutions.csv", Options{}, "resolutions"},
		{"resolutions.csv", Options{Bot: "sweeper", AsTrades: true}, "resolutions-as-trades"},
		{"tape.csv.gz", Options{}, "tape"},
		{"fills-fees.csv", Options{}, "fills-fees"},
		{"funding.csv", Options{}, "funding"},
		{"movements.csv", Options{}, "movements"},
		{"fees.csv", Options{}, "fees"},
		{"markets.csv", Options{}, "markets"},
		{"sets.csv", Options{}, "sets"},
		{"wallet-sets.csv", Options{}, "wallet-sets"},
		{"settlements-together.csv", Options{}, "settlements-together"},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			plan, err := Read(context.Background(), []string{filepath.Join("testdata", tt.file)}, tt.opt, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, name := dump(plan), filepath.Join("testdata", tt.golden+".golden")
			if *rewrite {
				if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func dump(p *Plan) string {
	var b strings.Builder
	for _, f := range p.Files {
		fmt.Fprintf(&b, "%s: %s, %d rows, %d bad\n", filepath.Base(f.Path), f.Format, f.Rows, f.Bad)
	}
	fmt.Fprintf(&b, "bots: %s\n", strings.Join(p.Bots, " "))
	for _, r := range p.rows() {
		fmt.Fprintf(&b, "%d %s %s\n  %s\n", r.Line, r.Time.Format(time.RFC3339Nano), dumpFact(r), r.Key)
	}
	return b.String()
}

func dumpFact(r *Row) string {
	switch {
	case r.Fill != nil:
		notional := "price×quantity"
		if r.Fill.Notional != nil {
			notional = r.Fill.Notional.String()
		}
		text := fmt.Sprintf("fill bot=%s venue=%q market=%q outcome=%q id=%s kind=%q %s %v @ %v notional=%s fee=%v",
			r.Fill.Bot, r.Fill.Venue, r.Fill.Market, r.Fill.Outcome, r.Fill.TradeID, r.Fill.Kind, r.Fill.Side, r.Fill.Quantity, r.Fill.Price, notional, r.Fill.Fee)
		if r.Fill.FeeAsset != "" {
			text += " in " + r.Fill.FeeAsset
		}
		return text
	case r.Funding != nil:
		return fmt.Sprintf("funding bot=%s market=%q outcome=%q id=%s kind=%q amount=%v", r.Funding.Bot, r.Funding.Market, r.Funding.Outcome, r.Funding.FundingID, r.Funding.Kind, r.Funding.Amount)
	case r.Movement != nil:
		return fmt.Sprintf("movement withdrawal=%v wallet=%s asset=%q amount=%v tx=%q leg=%d", r.Movement.Withdrawal, r.Movement.Wallet, r.Movement.Asset, r.Movement.Amount, r.Movement.Tx, r.Movement.Leg)
	case r.Fee != nil:
		return fmt.Sprintf("fee bot=%s kind=%s amount=%v", r.Fee.Bot, r.Fee.Kind, r.Fee.Amount)
	case r.Settlement != nil:
		text := fmt.Sprintf("settlement bot=%q market=%q outcome=%q payout=%v", r.Settlement.Bot, r.Settlement.Market, r.Settlement.Outcome, r.Settlement.Payout)
		if r.Settlement.Void {
			text += " void"
		}
		if r.Settlement.Together != nil {
			text += fmt.Sprintf(" together=%v", r.Settlement.Together)
		}
		return text
	case r.Market != nil:
		text := fmt.Sprintf("market market=%q kind=%s category=%q outcomes=%q", r.Market.Market, r.Market.Kind, r.Market.Category, r.Market.Outcomes)
		if r.Market.Exclusive != nil {
			text += fmt.Sprintf(" exclusive=%v", *r.Market.Exclusive)
		}
		return text
	case r.Sets != nil:
		return fmt.Sprintf("sets bot=%s market=%q %s %v id=%s fee=%v", r.Sets.Bot, r.Sets.Market, r.Sets.Action, r.Sets.Quantity, r.Sets.SetID, r.Sets.Fee)
	case r.Trade != nil:
		return fmt.Sprintf("trade bot=%s market=%q id=%s pnl=%v fee=%v", r.Trade.Bot, r.Trade.Market, r.Trade.TradeID, r.Trade.PnL, r.Trade.Fee)
	case r.Redeem != nil:
		return fmt.Sprintf("redeem bot=%s market=%q quantity=%v cash=%v", r.Redeem.Bot, r.Redeem.Market, r.Redeem.Quantity, r.Redeem.Cash)
	default:
		return fmt.Sprintf("rebate bot=%s amount=%v", r.Rebate.Bot, r.Rebate.Amount)
	}
}

// A header fits one format only, whichever of the optional columns it has.
func TestNoHeaderFitsTwoFormats(t *testing.T) {
	for _, f := range formats {
		for _, extra := range [][]column{nil, f.optional} {
			var names []string
			for _, c := range slices.Concat(f.required, extra) {
				names = append(names, c.String())
			}
			for _, other := range formats {
				missing, unknown := other.compare(names)
				if fits := len(missing)+len(unknown) == 0; fits != (other == f) {
					t.Errorf("header of %s: fits %s is %v", f.name, other.name, fits)
				}
			}
		}
	}
}

func readText(t *testing.T, opt Options, files ...string) (*Plan, error) {
	t.Helper()
	r, err := newReader(opt, defaultLimits)
	if err != nil {
		return nil, err
	}
	for i, text := range files {
		if err := r.add(context.Background(), fmt.Sprintf("f%d.csv", i+1), []byte(text)); err != nil {
			return nil, err
		}
	}
	return r.plan(), nil
}

func mustRead(t *testing.T, opt Options, files ...string) *Plan {
	t.Helper()
	p, err := readText(t, opt, files...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rows are all rows of a plan.
func (p *Plan) rows() []*Row { return slices.Collect(p.All()) }

const (
	fillsHeader   = "time,bot,market,outcome,side,quantity,price,fee,trade_id\n"
	walletHeader  = "time,kind,market,outcome,side,quantity,price,cash,tx\n"
	setsHeader    = "time,bot,market,action,quantity,set_id\n"
	marketsHeader = "time,market,kind,outcomes\n"
	settleHeader  = "time,bot,market,outcome,payout\n"
	tapeHeader    = "time_ms,market,token_id,outcome,side,price,quantity\n"
)

func TestOddButReadable(t *testing.T) {
	const row = "2026-02-01T10:00:00Z,a,m,Yes,buy,1,0.5,0,T1"
	want := mustRead(t, Options{}, fillsHeader+row+"\n").rows()[0].Key
	tests := map[string]struct {
		text string
		line int
	}{
		"no last line end":      {fillsHeader + row, 2},
		"byte order mark":       {"\ufeff" + fillsHeader + row + "\n", 2},
		"CRLF":                  {strings.ReplaceAll(fillsHeader+row+"\n", "\n", "\r\n"), 2},
		"CR at the end":         {fillsHeader + row + "\r", 2},
		"blank lines":           {"\n" + fillsHeader + "\r\n\n" + row + "\n\n", 5},
		"quotes":                {fillsHeader + `"2026-02-01T10:00:00Z","a","m","Yes","buy","1","0.5","0","T1"` + "\n", 2},
		"quoted header":         {`"time",bot,market,outcome,side,quantity,price,fee,"trade_id"` + "\n" + row, 2},
		"other column order":    {"trade_id,fee,price,quantity,side,outcome,market,bot,time\nT1,0,0.5,1,buy,Yes,m,a,2026-02-01T10:00:00Z\n", 2},
		"optional columns":      {"kind,venue,notional,time,bot,market,outcome,side,quantity,price,fee,trade_id\n,,," + row, 2},
		"other zone, same time": {fillsHeader + strings.Replace(row, "10:00:00Z", "12:30:00.000+02:30", 1), 2},
		"other zeros":           {fillsHeader + "2026-02-01T10:00:00Z,a,m,Yes,buy,+1.000,00.50,-0.0,T1", 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := mustRead(t, Options{}, tt.text)
			if len(p.rows()) != 1 || p.rows()[0].Key != want || p.rows()[0].Line != tt.line {
				t.Errorf("got\n%s\nwant one row of line %d with key %s", dump(p), tt.line, want)
			}
		})
	}
}

func TestLinesAreCountedThroughQuotedLineEnds(t *testing.T) {
	p := mustRead(t, Options{KeepBad: true}, walletHeader+
		"2026-02-01T09:00:00Z,rebate,,,,,,1,\"a\nb\r\nc\"\n"+
		"2026-02-01T09:00:01Z,rebate,,,,,,1,ok\n"+
		"2026-02-01T09:00:02Z,rebate,,,,,,1,\"a\n\"\"b\",too many\n")
	if len(p.rows()) != 1 || p.rows()[0].Line != 5 {
		t.Errorf("rows: %+v; want one, of line 5", p.rows())
	}
	if len(p.Bad) != 2 || p.Bad[0].Line != 2 || p.Bad[0].Column != 36 || p.Bad[1].Line != 7 || p.Bad[1].Column != 6 {
		t.Errorf("bad rows: %+v; want 2:36 and, for the field too many, 7:6", p.Bad)
	}
	if want := "2026-02-01T09:00:00Z,rebate,,,,,,1,\"a\nb\r\nc\""; string(p.Bad[0].Raw) != want {
		t.Errorf("raw %q, want %q", p.Bad[0].Raw, want)
	}
}

func TestHeaderAloneIsNoRows(t *testing.T) {
	p := mustRead(t, Options{}, fillsHeader, strings.TrimSuffix(settleHeader, "\n"))
	if len(p.rows()) != 0 || len(p.Files) != 2 || p.Files[1].Format != "settlements" {
		t.Errorf("got %+v", p)
	}
}

// The package comment says how keys are made; this computes them from its words.
func TestKeysAreMadeAsDocumented(t *testing.T) {
	hash := func(parts ...string) string {
		var b []byte
		for _, p := range parts {
			b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
		}
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:])
	}
	const rebate = `2026-02-01T09:00:00Z,rebate,,,,,,1,"x"`
	rebateSum := sha256.Sum256([]byte(rebate))
	tests := map[string]struct{ got, want string }{
		"fill": {
			mustRead(t, Options{}, "venue,notional,kind,"+fillsHeader+"v,,,2026-02-01T11:00:00.50+01:00,a,m,Yes,buy,1.0,0.50,0,T1").rows()[0].Key,
			"fill/" + hash("fill", "a", "v", "T1", "2026-02-01T10:00:00.5Z", "m", "Yes", "", "buy", "1", "0.5", "", "0"),
		},
		"fill with notional": {
			mustRead(t, Options{}, "venue,notional,kind,"+fillsHeader+",0.510,outcome,2026-02-01T10:00:00Z,a,m,Yes,sell,1,0.5,0.1,T1").rows()[0].Key,
			"fill/" + hash("fill", "a", "", "T1", "2026-02-01T10:00:00Z", "m", "Yes", "outcome", "sell", "1", "0.5", "0.51", "0.1"),
		},
		"trade": {
			mustRead(t, Options{}, "time,bot,market,pnl,fee,trade_id\n2026-02-01T10:00:00Z,a,m,-2.50,0.1,T1").rows()[0].Key,
			"trade/" + hash("trade", "a", "", "T1", "2026-02-01T10:00:00Z", "m", "-2.5", "0.1"),
		},
		"wallet": {
			mustRead(t, Options{Bot: "w"}, walletHeader+rebate+"\r\n"+rebate).rows()[1].Key,
			"wallet/w/" + hex.EncodeToString(rebateSum[:]) + "#2",
		},
	}
	for name, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: key %s, want %s", name, tt.got, tt.want)
		}
	}
}

// A row of another content is another key, even with the trade id of the first.
func TestKeyDependsOnEveryField(t *testing.T) {
	const header = "kind,venue,notional,time,bot,market,outcome,side,quantity,price,fee,trade_id\n"
	base := strings.Split("outcome,v,0.5,2026-02-01T10:00:00Z,a,m,Yes,buy,1,0.5,0,T1", ",")
	other := strings.Split("spot,w,0.6,2026-02-01T10:00:01Z,b,n,No,sell,2,0.6,1,T2", ",")
	keys := map[string]bool{mustRead(t, Options{}, header+strings.Join(base, ",")).rows()[0].Key: true}
	for i := range base {
		row := slices.Clone(base)
		row[i] = other[i]
		keys[mustRead(t, Options{}, header+strings.Join(row, ",")).rows()[0].Key] = true
	}
	if len(keys) != len(base)+1 {
		t.Errorf("%d keys of %d rows that differ in one field", len(keys), len(base)+1)
	}
}

func TestOneFillHasOneKeyInEveryFormat(t *testing.T) {
	bot := mustRead(t, Options{}, "time,venue_trade_id,order_id,strategy,market,token_id,side,price,quantity,status\n"+
		"2026-02-01T10:00:00Z,T1,o,a,m,77,buy,0.5,1,FILLED")
	plain := mustRead(t, Options{}, "kind,"+fillsHeader+"outcome,2026-02-01T10:00:00Z,a,m,77,buy,1,0.5,0,T1")
	if bot.rows()[0].Key != plain.rows()[0].Key {
		t.Errorf("keys %s and %s", bot.rows()[0].Key, plain.rows()[0].Key)
	}
}
