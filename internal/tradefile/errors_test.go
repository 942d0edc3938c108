package tradefile

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pets/domain"
)

const (
	resolutionsHeader = "time,market,token_id,payout,net_pnl_reported\n"
	botFillsHeader    = "time,venue_trade_id,order_id,strategy,market,token_id,side,price,quantity,status\n"
	kindsHeader       = "kind,notional,venue," + fillsHeader
	at                = "2026-02-01T10:00:00Z,"
)

// Each case is one row under a header.
var badRowTests = []struct{ name, header, row, want string }{
	{"no zone", fillsHeader, "2026-02-01T10:00:00,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2026-02-01T10:00:00" has no time zone; write Z for UTC, or an offset such as +01:00`},
	{"no zone, with space", fillsHeader, "2026-02-01 10:00:00.5,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2026-02-01 10:00:00.5" has no time zone; write Z for UTC, or an offset such as +01:00`},
	{"no time", fillsHeader, ",a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "" is not an RFC 3339 time such as 2026-01-09T07:54:14Z`},
	{"local habit", fillsHeader, "01/02/2026 10:00,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "01/02/2026 10:00" is not an RFC 3339 time such as 2026-01-09T07:54:14Z`},
	{"comma for point", fillsHeader, `"2026-02-01T10:00:00,5Z",a,m,Yes,buy,1,0.5,0,T1`, `f1.csv:2:1: time: "2026-02-01T10:00:00,5Z" is not an RFC 3339 time such as 2026-01-09T07:54:14Z`},
	{"hour of one digit", fillsHeader, "2026-02-01T7:00:00Z,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2026-02-01T7:00:00Z" is not an RFC 3339 time such as 2026-01-09T07:54:14Z`},
	{"offset of a day", fillsHeader, "2026-02-01T10:00:00+24:00,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2026-02-01T10:00:00+24:0"… is not an RFC 3339 time such as 2026-01-09T07:54:14Z`},
	{"point without decimals", fillsHeader, "2026-02-01T10:00:00.Z,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2026-02-01T10:00:00.Z" is not an RFC 3339 time such as 2026-01-09T07:54:14Z`},
	{"no such day", fillsHeader, "2026-02-30T10:00:00Z,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2026-02-30T10:00:00Z" is not an RFC 3339 time such as 2026-01-09T07:54:14Z`},
	{"named zone", fillsHeader, "2026-02-01T10:00:00 CET,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2026-02-01T10:00:00 CET" is not an RFC 3339 time such as 2026-01-09T07:54:14Z`},
	{"leap second", fillsHeader, "2026-12-31T23:59:60Z,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2026-12-31T23:59:60Z" is not an RFC 3339 time such as 2026-01-09T07:54:14Z`},
	{"picoseconds", fillsHeader, "2026-02-01T10:00:00.1234567891Z,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2026-02-01T10:00:00.1234"… is finer than nanoseconds`},
	{"too early", fillsHeader, "1970-01-01T00:30:00+01:00,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "1970-01-01T00:30:00+01:0"… is not in the years 1970 to 2261`},
	{"too late", fillsHeader, "2262-01-01T00:00:00Z,a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: time: "2262-01-01T00:00:00Z" is not in the years 1970 to 2261`},
	{"no bot", fillsHeader, at + ",m,Yes,buy,1,0.5,0,T1", `f1.csv:2:22: bot: is missing`},
	{"bot of two words", fillsHeader, at + "my bot,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:22: bot: may hold only letters, digits and . _ -`},
	{"no market", fillsHeader, at + "a,,Yes,buy,1,0.5,0,T1", `f1.csv:2:24: market: is missing`},
	{"long market", fillsHeader, at + "a," + strings.Repeat("m", 257) + ",Yes,buy,1,0.5,0,T1", `f1.csv:2:24: market: has 257 bytes; the most is 256`},
	{"line end in market", fillsHeader, at + "a,\"m\nn\",Yes,buy,1,0.5,0,T1", `f1.csv:2:24: market: holds a character that cannot be printed (U+000A)`},
	{"no outcome", fillsHeader, at + "a,m,,buy,1,0.5,0,T1", `f1.csv:2:26: outcome: is missing`},
	{"side in capitals", fillsHeader, at + "a,m,Yes,BUY,1,0.5,0,T1", `f1.csv:2:30: side: "BUY" is not buy or sell`},
	{"quantity 0", fillsHeader, at + "a,m,Yes,buy,0.00,0.5,0,T1", `f1.csv:2:34: quantity: "0.00" is not above 0`},
	{"quantity below 0", fillsHeader, at + "a,m,Yes,buy,-1,0.5,0,T1", `f1.csv:2:34: quantity: "-1" is not above 0`},
	{"no price", fillsHeader, at + "a,m,Yes,buy,1,,0,T1", `f1.csv:2:36: price: is empty; write a number such as 12.5`},
	{"exponent", fillsHeader, at + "a,m,Yes,buy,1,5e,0,T1", `f1.csv:2:36: price: "5e" is not a number such as -12.5 or 1.5e-7 (a point for decimals, no spaces, no thousands separators)`},
	{"decimal comma", fillsHeader, at + `a,m,Yes,buy,1,"0,5",0,T1`, `f1.csv:2:36: price: "0,5" is not a number such as -12.5 or 1.5e-7 (a point for decimals, no spaces, no thousands separators)`},
	{"not a number", fillsHeader, at + "a,m,Yes,buy,1,NaN,0,T1", `f1.csv:2:36: price: "NaN" is not a number such as -12.5 or 1.5e-7 (a point for decimals, no spaces, no thousands separators)`},
	{"too large", fillsHeader, at + "a,m,Yes,buy,1000000000000000,0.5,0,T1", `f1.csv:2:34: quantity: "1000000000000000" is not below 10^15 in absolute value`},
	{"price below 0", fillsHeader, at + "a,m,Yes,buy,1,-0.5,0,T1", `f1.csv:2:36: price: "-0.5" is below 0`},
	{"price above 1", fillsHeader, at + "a,m,Yes,buy,1,1.01,0,T1", `f1.csv:2:36: price: "1.01" is above 1 in an outcome market (spot and perp markets need a column kind)`},
	{"fee below 0", "time,bot,market,pnl,fee,trade_id\n", at + "a,m,1,-0.1,T1", `f1.csv:2:28: fee: "-0.1" is below 0; report rebates separately`},
	{"no funding", "time,bot,market,outcome,amount,funding_id\n", at + "a,m,Yes,0,F1", `f1.csv:2:30: amount: "0" is 0`},
	{"a movement's sign", "time,kind,wallet,asset,amount,tx\n", at + "withdrawal,hot,,-5,0x1", `f1.csv:2:38: amount: "-5" is not above 0`},
	{"a movement's leg", "time,kind,wallet,asset,amount,tx,leg\n", at + "deposit,hot,,5,0x1,-1", `f1.csv:2:41: leg: "-1" is not a whole number`},
	{"a movement's wallet", "time,kind,wallet,asset,amount,tx\n", at + "deposit,warm,,5,0x1", `f1.csv:2:30: wallet: "warm" is not hot or cold`},
	{"no trade id", fillsHeader, at + "a,m,Yes,buy,1,0.5,0,", `f1.csv:2:42: trade_id: is missing`},
	{"columns count characters", fillsHeader, at + "a,Zürich über ß?,Yes,hold,1,0.5,0,T1", `f1.csv:2:43: side: "hold" is not buy or sell`},
	{"unknown kind", kindsHeader, "future,,," + at + "a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:1: kind: "future" is not outcome or spot or perp`},
	{"notional below 0", kindsHeader, ",-1,," + at + "a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:2: notional: "-1" is below 0; the side gives the direction of the cash`},
	{"unprintable venue", kindsHeader, ",,\t," + at + "a,m,Yes,buy,1,0.5,0,T1", `f1.csv:2:3: venue: holds a character that cannot be printed (U+0009)`},
	{"secrets are cut", fillsHeader, at + "a,m,Yes,0xfeedfacecafebeef0123456789abcdef,1,0.5,0,T1", `f1.csv:2:30: side: "0xfeedfacecafebeef012345"… is not buy or sell`},
	{"control characters are escaped", fillsHeader, at + "a,m,Yes,\x1b[31mred,1,0.5,0,T1", `f1.csv:2:30: side: "\x1b[31mred" is not buy or sell`},

	{"too few fields", fillsHeader, at + "a,m", `f1.csv:2:24: the row has 3 fields, the header has 9`},
	{"too many fields", fillsHeader, at + "a,m,Yes,buy,1,0.5,0,T1,,", `f1.csv:2:45: the row has 11 fields, the header has 9`},
	{"very many fields", fillsHeader, strings.Repeat(",", 1000), `f1.csv:2:10: the row has 1001 fields, the header has 9`},
	{"NUL", fillsHeader, at + "a,m\x00,Yes,buy,1,0.5,0,T1", `f1.csv:2:24: market: is not UTF-8 text, or holds a NUL byte`},
	{"Latin-1", fillsHeader, at + "a,Z\xfcrich,Yes,buy,1,0.5,0,T1", `f1.csv:2:24: market: is not UTF-8 text, or holds a NUL byte`},
	{"long cell", fillsHeader, at + "a," + strings.Repeat("m", 1025) + ",Yes,buy,1,0.5,0,T1", `f1.csv:2:24: market: has 1025 bytes; the most is 1024`},
	{"quote inside", fillsHeader, at + `a,6" pipe,Yes,buy,1,0.5,0,T1`, `f1.csv:2:25: market: a quote inside a cell that does not begin with one`},
	{"text after quote", fillsHeader, at + `a,"6" pipe",Yes,buy,1,0.5,0,T1`, `f1.csv:2:27: market: text follows a closing quote (a quote inside quotes is written twice)`},
	{"old line ends", fillsHeader, at + "a,m\rn,Yes,buy,1,0.5,0,T1", `f1.csv:2:25: market: a carriage return is not followed by a line feed`},

	{"settlement above 1", settleHeader, at + ",m,Yes,1.5", `f1.csv:2:29: payout: "1.5" is above 1`},
	{"settlement below 0", settleHeader, at + ",m,Yes,-1", `f1.csv:2:29: payout: "-1" is below 0`},
	{"settlement of a bad bot", settleHeader, at + "ä,m,Yes,1", `f1.csv:2:22: bot: may hold only letters, digits and . _ -`},
	{"trade without result", "time,bot,market,pnl,fee,trade_id\n", at + "a,m,,0,T1", `f1.csv:2:26: pnl: is empty; write a number such as 12.5`},

	{"wallet kind", walletHeader, at + "convert,m,Yes,buy,1,0.5,-0.5,x", `f1.csv:2:22: kind: "convert" is not trade or redeem or rebate or split or merge`},
	{"sets of one outcome", walletHeader, at + "split,m,Yes,,1,,-1,x", `f1.csv:2:30: outcome: "Yes" must be empty in a row of kind split`},
	{"a split for less", walletHeader, at + "split,m,,,10,,-9.99,x", `f1.csv:2:36: cash: "-9.99" is not what a split costs: −quantity, or less with a fee`},
	{"a merge for more", walletHeader, at + "merge,m,,,10,,10.01,x", `f1.csv:2:36: cash: "10.01" is not what a merge brings: the quantity, or less with a fee`},
	{"a merge that costs", walletHeader, at + "merge,m,,,10,,-10,x", `f1.csv:2:36: cash: "-10" is not what a merge brings: the quantity, or less with a fee`},
	{"sets without a quantity", walletHeader, at + "split,m,,,0,,0,x", `f1.csv:2:32: quantity: "0" is not above 0`},
	{"a void outcome", "time,bot,market,outcome,payout\n", at + ",m,Yes,void", `f1.csv:2:25: outcome: "Yes" must be empty where the payout is void: all outcomes of the market are`},
	{"sets of no kind", setsHeader, at + "a,m,convert,1,s1", `f1.csv:2:26: action: "convert" is not split or merge`},
	{"sets below 0", setsHeader, at + "a,m,split,-1,s1", `f1.csv:2:32: quantity: "-1" is not above 0`},
	{"sets without an id", setsHeader, at + "a,m,split,1,", `f1.csv:2:34: set_id: is missing`},
	{"a market's kind", marketsHeader, at + "m,option,YES|NO", `f1.csv:2:24: kind: "option" is not outcome or spot or perp`},
	{"a market's outcomes", marketsHeader, at + "m,,YES|", `f1.csv:2:25: outcomes: "YES|": outcome 2 is missing; write the names with | between them, such as YES|NO`},
	{"an outcome twice", marketsHeader, at + "m,,YES|NO|YES", `f1.csv:2:25: outcomes: "YES|NO|YES" names "YES" twice`},
	{"a market's flag", "time,market,kind,outcomes,exclusive\n", at + "m,,YES|NO,yes", `f1.csv:2:32: exclusive: "yes" is not true or false`},
	{"buy that brings cash", walletHeader, at + "trade,m,Yes,buy,1,0.5,0.5,x", `f1.csv:2:44: cash: "0.5" is above 0, but a buy pays`},
	{"sell that costs", walletHeader, at + "trade,m,Yes,sell,1,0.5,-0.5,x", `f1.csv:2:45: cash: "-0.5" is below 0, but a sell brings cash`},
	{"wallet trade without outcome", walletHeader, at + "trade,m,,buy,1,0.5,-0.5,x", `f1.csv:2:30: outcome: is missing`},
	{"redeem of an outcome", walletHeader, at + "redeem,m,Yes,,1,,1,x", `f1.csv:2:31: outcome: "Yes" must be empty in a row of kind redeem`},
	{"redeem without market", walletHeader, at + "redeem,,,,1,,1,x", `f1.csv:2:29: market: is missing`},
	{"redeem that costs", walletHeader, at + "redeem,m,,,1,,-1,x", `f1.csv:2:36: cash: "-1" is below 0; a redeem brings cash`},
	{"redeem above 1", walletHeader, at + "redeem,m,,,1,,1.01,x", `f1.csv:2:36: cash: "1.01" is above the quantity, but a token pays at most 1`},
	{"redeem of nothing for cash", walletHeader, at + "redeem,m,,,0,,1,x", `f1.csv:2:36: cash: "1" is above the quantity, but a token pays at most 1`},
	{"rebate of a market", walletHeader, at + "rebate,m,,,1,,1,x", `f1.csv:2:29: market: "m" must be empty in a row of kind rebate`},
	{"rebate that costs", walletHeader, at + "rebate,,,,,,-1,x", `f1.csv:2:34: cash: "-1" is below 0; a rebate brings cash`},

	{"order that is no fill", botFillsHeader, at + "x#1,x,a,m,1,buy,0.999,5,CANCELLED", `f1.csv:2:46: status: "CANCELLED" is not PARTIAL or FILLED`},
	{"resolution without pnl", resolutionsHeader, at + "m,1,1,", `f1.csv:2:28: net_pnl_reported: is empty; write a number such as 12.5`},
	{"tape time", tapeHeader, "1770000000.457,m,t,Up,buy,0.5,1", `f1.csv:2:1: time_ms: "1770000000.457" is not a whole number of milliseconds since 1970`},
	{"tape time in nanoseconds", tapeHeader, "1770000000457000000,m,t,Up,buy,0.5,1", `f1.csv:2:1: time_ms: "1770000000457000000" is not in the years 1970 to 2261`},
}

func TestBadRowSaysWhereAndWhy(t *testing.T) {
	const hint = "; fix the row or pass --skip-bad FILE"
	for _, tt := range badRowTests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := readText(t, Options{}, tt.header+tt.row+"\n")
			var bad *BadRow
			if !errors.As(err, &bad) || p != nil {
				t.Fatalf("got %v, %v; want a BadRow", p, err)
			}
			if want := tt.want + hint; err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
			if string(bad.Raw) != tt.row || domain.CodeOf(err) != domain.CodeInvalid {
				t.Errorf("raw %q, code %s; want the row and invalid", bad.Raw, domain.CodeOf(err))
			}
			// Kept instead, it leaves the rest of the file readable.
			kept := mustRead(t, Options{KeepBad: true}, tt.header+tt.row+"\n"+tt.row)
			if len(kept.Bad) != 2 || len(kept.rows()) != 0 || kept.Files[0].Bad != 2 || kept.Bad[0].Error() != err.Error() {
				t.Errorf("kept %+v", kept)
			}
		})
	}
}

// "the message names --round and not --skip-bad"
func TestWhatIsTooFineIsToBeRounded(t *testing.T) {
	const header, row = fillsHeader, at + "a,m,Yes,buy,1,0.1234567890123456785,1e-19,T1"
	_, err := readText(t, Options{}, header+row)
	want := `f1.csv:2:36: price: "0.1234567890123456785" has more than 18 decimals; pass --round to round such numbers, half to even`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	var bad *BadRow
	if !errors.As(err, &bad) || !bad.TooFine {
		t.Errorf("%v is not to be mended by rounding", err)
	}
	// A row that is refused for something else is not said to be mended by rounding,
	// and what was rounded in it does not count.
	p := mustRead(t, Options{Round: true, KeepBad: true}, header+row+"\n"+at+"a,m,Yes,hold,1,0.1234567890123456785,0,T2\n"+
		at+"a,m,Yes,buy,1,0.5,0.1000000000000000000000,T3\n")
	rows := p.rows()
	if p.Rounded != 2 || len(rows) != 2 || p.Bad[0].TooFine || rows[0].Fill.Price.String() != "0.123456789012345678" || !rows[0].Fill.Fee.IsZero() {
		t.Errorf("%d rounded, got\n%s", p.Rounded, dump(p))
	}
	if rows = p.rows(); p.Rounded != 2 || len(rows) != 2 {
		t.Error("a second look counts again")
	}
}

func TestFileThatCannotBeUsedSaysWhy(t *testing.T) {
	const row = "2026-02-01T10:00:00Z,a,m,Yes,buy,1,0.5,0,T1\n"
	known := "\n" + knownFormats()
	tests := []struct {
		name  string
		files []string
		want  string
	}{
		{"empty", []string{""}, "f1.csv: is empty; it needs at least a header line" + known},
		{"only a byte order mark and blanks", []string{"\ufeff\r\n \n"}, "f1.csv: is empty; it needs at least a header line" + known},
		{"UTF-16", []string{"\xff\xfet\x00i\x00"}, "f1.csv: is UTF-16 text; save it as UTF-8"},
		{"SQLite", []string{"SQLite format 3\x00\x10\x00"}, "f1.csv: is a SQLite database, not CSV; export the trades from it, for example with sqlite3 -header -csv" + known},
		{"JSON", []string{" \n[{\"id\": 1}]"}, "f1.csv: is JSON, not CSV; export the trades as CSV" + known},
		{"JSON, packed", []string{zipped(t, "{}")}, "f1.csv: is JSON, not CSV; export the trades as CSV" + known},
		{"spreadsheet", []string{"PK\x03\x04..."}, "f1.csv: is a spreadsheet or zip archive; save it as CSV"},
		{"binary", []string{"\x00\x01\x02"}, "f1.csv:1:1: the header cannot be read: is not UTF-8 text, or holds a NUL byte"},
		{"header without end of quote", []string{"time,\"bot\nx"}, "f1.csv:1:6: the header cannot be read: the quote that opens here is not closed"},
		{"column twice", []string{"time,bot,bot\n"}, `f1.csv:1:10: the header names column "bot" twice`},
		{"many columns", []string{strings.Repeat("a,", 64)}, `f1.csv:1:1: the header names 65 columns; no format has as many`},
		{"column missing", []string{"time,bot,market,outcome,side,quantity,price,trade_id\n"}, `f1.csv:1:1: the header is of no known format; the nearest is "fills", but it lacks "fee"` + known},
		{"columns unknown", []string{"time,bot,market,outcome,payout,Note,\n"}, `f1.csv:1:1: the header is of no known format; the nearest is "settlements", but it has unknown "Note", ""` + known},
		{"capitals", []string{"\n\nTime,bot,market,outcome,payout\n"}, `f1.csv:3:1: the header is of no known format; the nearest is "settlements", but it lacks "time" and has unknown "Time"` + known},
		{"semicolons", []string{"time;bot;market;outcome;payout\n"}, `f1.csv:1:1: the header is of no known format: its columns must be separated by commas` + known},
		{"no header", []string{"a,b\n"}, `f1.csv:1:1: the header is of no known format: it shares no column with any` + known},
		{"open quote", []string{fillsHeader + row + `2026-02-01T10:00:00Z,a,"m,Yes,buy,1,0.5,0,T1` + "\n" + row}, `f1.csv:3:24: market: the quote that opens here is not closed; what follows cannot be read`},
		{"open quote before another", []string{fillsHeader + `2026-02-01T10:00:00Z,a,"m,Yes,buy,1,0.5,0,T1` + "\n" + `2026-02-01T10:00:00Z,a,"m, n",Yes,buy,1,0.5,0,T1`}, `f1.csv:2:24: market: the quote that opens here is not closed; what follows cannot be read`},
		{"open quote over 1 KB", []string{fillsHeader + `2026-02-01T10:00:00Z,"a` + "\n" + strings.Repeat(row, 30) + `"`}, `f1.csv:2:22: bot: the quote that opens here is not closed; what follows cannot be read`},
		{"open quote beyond the columns", []string{settleHeader + `2026-02-01T10:00:00Z,,m,Yes,1,"`}, `f1.csv:2:31: the quote that opens here is not closed; what follows cannot be read`},
		{"row over 64 KiB", []string{fillsHeader + strings.Repeat("x", 64<<10+1)}, `f1.csv:2:1: the row has over 65536 bytes; a line end or a quote is missing; what follows cannot be read`},
		{"same file", []string{fillsHeader + row, settleHeader, fillsHeader + row}, "f3.csv: has the same content as f1.csv; give every file once"},
		{"same file, packed", []string{"\ufeff" + fillsHeader + row, zipped(t, fillsHeader+row)}, "f2.csv: has the same content as f1.csv; give every file once"},
		{"two tapes", []string{tapeHeader, tapeHeader + "1,m,t,Up,buy,0.5,1\n"}, "f2.csv: is a second tape beside f1.csv; trade ids of a tape are its row numbers, so a run takes one only"},
		{"damaged gzip", []string{"\x1f\x8bnot gzip at all"}, "f1.csv: is damaged: gzip: invalid header"},
		{"gzip cut off", []string{zipped(t, fillsHeader+row)[:60]}, "f1.csv: is damaged or cut off: unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, keepBad := range []bool{false, true} {
				p, err := readText(t, Options{KeepBad: keepBad}, tt.files...)
				var fe *FileError
				if !errors.As(err, &fe) || p != nil || domain.CodeOf(err) != domain.CodeInvalid {
					t.Fatalf("got %v, %v; want an invalid FileError", p, err)
				}
				if err.Error() != tt.want {
					t.Errorf("got  %s\nwant %s", err, tt.want)
				}
			}
		})
	}
}

func TestKnownFormatsNameEveryColumn(t *testing.T) {
	const want = `known formats, by the columns in the header (any order; those in brackets may be left out):
  fills: time,bot,market,outcome,side,quantity,price,fee,trade_id[,notional,venue,kind,fee_asset]
  settlements: time,bot,market,outcome,payout
  closed trades: time,bot,market,pnl,fee,trade_id
  wallet ledger: time,kind,market,outcome,side,quantity,price,cash,tx
  bot fills: time,venue_trade_id,order_id,strategy,market,token_id,side,price,quantity,status
  resolutions: time,market,token_id,payout,net_pnl_reported
  tape: time_ms,market,token_id,outcome,side,price,quantity
  funding: time,bot,market,outcome,amount,funding_id[,kind]
  movements: time,kind,wallet,asset,amount,tx[,leg]
  fees: time,bot,kind,amount
  markets: time,market,kind,outcomes[,category,exclusive]
  sets: time,bot,market,action,quantity,set_id[,fee]`
	if got := knownFormats(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// "`--as-trades` books `net_pnl_reported` as closed trades of `--bot` instead,
// and fills are then refused"
func TestAsTradesRefusesEveryFileOfFills(t *testing.T) {
	for _, f := range formats {
		_, err := readText(t, Options{AsTrades: true}, joinColumns(f.required)+"\n")
		want := "f1.csv: is a file of fills (" + f.name + "); with --as-trades the reported results are booked instead, and both would count every trade twice: leave this file or --as-trades out"
		switch {
		case f.hasFills && (err == nil || err.Error() != want):
			t.Errorf("%s: got %v, want %s", f.name, err, want)
		case !f.hasFills && err != nil:
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

func TestPathsThatAreNoFiles(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name  string
		paths []string
		opt   Options
		want  string
		code  domain.Code
	}{
		{"none", nil, Options{}, "no file was given", domain.CodeInvalid},
		{"missing", []string{"testdata/fills.csv", "testdata/nothing.csv"}, Options{}, "testdata/nothing.csv: cannot be read: no such file or directory", domain.CodeNotFound},
		{"directory", []string{dir}, Options{}, dir + ": is a directory; name the files in it", domain.CodeInvalid},
		{"device", []string{os.DevNull}, Options{}, os.DevNull + ": is not a regular file", domain.CodeInvalid},
		{"bot", []string{"testdata/wallet.csv"}, Options{Bot: "my wallet"}, "bot may hold only letters, digits and . _ -", domain.CodeInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Read(context.Background(), tt.paths, tt.opt, nil)
			if err == nil || p != nil || err.Error() != tt.want || domain.CodeOf(err) != tt.code {
				t.Errorf("got %v, %v (%s); want %s (%s)", p, err, domain.CodeOf(err), tt.want, tt.code)
			}
		})
	}
	_, err := Read(context.Background(), []string{"testdata/nothing.csv"}, Options{}, nil)
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v does not wrap os.ErrNotExist", err)
	}
}

// limit − 1 and limit are read, limit + 1 is refused.
func TestLimits(t *testing.T) {
	const row = "2026-02-01T10:00:00Z,,m,Yes,1\n"
	rows := func(n int) string { return settleHeader + strings.Repeat(row, n) }
	small := defaultLimits
	small.rows, small.bad = 3, 3
	small.bytes = int64(len(rows(3)))
	badRows := func(n int) string { return settleHeader + strings.Repeat("x\n", n) }
	tests := []struct {
		name string
		text func(n int) string
		want string
	}{
		{"rows", rows, "f.csv:5:1: the files have over 3 rows; import them in several runs"},
		{"bad rows", badRows, "f.csv:5:1: the files have over 3 bad rows"},
		{"gzip bomb", func(n int) string { return zipped(t, rows(n)) }, "f.csv: unpacks to over 121 bytes; split it"},
	}
	for _, tt := range tests {
		for n := 2; n <= 4; n++ {
			r, err := newReader(Options{KeepBad: true}, small)
			if err != nil {
				t.Fatal(err)
			}
			err = r.add(context.Background(), "f.csv", []byte(tt.text(n)))
			if n <= 3 && err != nil {
				t.Errorf("%s, %d: %v", tt.name, n, err)
			}
			if n > 3 && (err == nil || err.Error() != tt.want) {
				t.Errorf("%s, %d: got %v, want %s", tt.name, n, err, tt.want)
			}
		}
	}
}

func TestLoadIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.csv")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := load(path, 5); err != nil || string(data) != "12345" {
		t.Errorf("at the limit: %q, %v", data, err)
	}
	if _, err := load(path, 4); err == nil || err.Error() != path+": has over 4 bytes; split it" {
		t.Errorf("above the limit: %v", err)
	}
}

func TestReadStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if p, err := Read(ctx, []string{"testdata/fills.csv"}, Options{}, nil); !errors.Is(err, context.Canceled) || p != nil {
		t.Errorf("got %v, %v", p, err)
	}
}

func TestProgressRunsFromNothingToAll(t *testing.T) {
	paths := []string{"testdata/fills.csv", "testdata/tape.csv.gz"}
	var size int64
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	var steps []int64
	_, err := Read(context.Background(), paths, Options{}, func(done, total int64) {
		if total != size || (len(steps) > 0 && done < steps[len(steps)-1]) {
			t.Errorf("%d of %d after %v, size %d", done, total, steps, size)
		}
		steps = append(steps, done)
	})
	if err != nil || steps[0] != 0 || steps[len(steps)-1] != size {
		t.Errorf("steps %v of %d, %v", steps, size, err)
	}
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
