package tradefile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// column is the name of a column, the same in every format that has it.
type column uint8

const (
	colTime column = iota
	colTimeMs
	colBot
	colStrategy
	colMarket
	colOutcome
	colTokenID
	colSide
	colQuantity
	colPrice
	colFee
	colTradeID
	colVenueTradeID
	colOrderID
	colStatus
	colNotional
	colVenue
	colKind
	colPayout
	colPnL
	colReportedPnL
	colCash
	colTx
	colFeeAsset
	colAmount
	colFundingID
	colWallet
	colAsset
	colLeg
	colAction
	colSetID
	colOutcomes
	colCategory
	colExclusive
	columns // how many there are
)

var columnNames = [columns]string{
	colTime: "time", colTimeMs: "time_ms", colBot: "bot", colStrategy: "strategy",
	colMarket: "market", colOutcome: "outcome", colTokenID: "token_id", colSide: "side",
	colQuantity: "quantity", colPrice: "price", colFee: "fee", colTradeID: "trade_id",
	colVenueTradeID: "venue_trade_id", colOrderID: "order_id", colStatus: "status",
	colNotional: "notional", colVenue: "venue", colKind: "kind", colPayout: "payout",
	colPnL: "pnl", colReportedPnL: "net_pnl_reported", colCash: "cash", colTx: "tx",
	colFeeAsset: "fee_asset", colAmount: "amount", colFundingID: "funding_id", colWallet: "wallet", colAsset: "asset", colLeg: "leg",
	colAction: "action", colSetID: "set_id", colOutcomes: "outcomes", colCategory: "category", colExclusive: "exclusive",
}

func (c column) String() string { return columnNames[c] }

// format is one kind of file. A header never fits the columns of two formats.
type format struct {
	name     string
	required []column
	optional []column
	hasFills bool // --as-trades refuses it
	settles  bool // its rows may be settlements
	// scope begins the key of rows without an id; nil if every row has one.
	scope func(Options) string
	read  func(*cells) Row
}

const tapeName = "tape"

var formats = []*format{
	{
		name:     "fills",
		required: []column{colTime, colBot, colMarket, colOutcome, colSide, colQuantity, colPrice, colFee, colTradeID},
		optional: []column{colNotional, colVenue, colKind, colFeeAsset},
		hasFills: true,
		read:     readFill,
	},
	{
		name:     "settlements",
		required: []column{colTime, colBot, colMarket, colOutcome, colPayout},
		settles:  true,
		scope:    func(Options) string { return "settlement" },
		read:     readSettlement,
	},
	{
		name:     "closed trades",
		required: []column{colTime, colBot, colMarket, colPnL, colFee, colTradeID},
		read:     readTrade,
	},
	{
		name:     "wallet ledger",
		required: []column{colTime, colKind, colMarket, colOutcome, colSide, colQuantity, colPrice, colCash, colTx},
		hasFills: true,
		scope:    func(o Options) string { return "wallet/" + o.Bot },
		read:     readWallet,
	},
	{
		name:     "bot fills",
		required: []column{colTime, colVenueTradeID, colOrderID, colStrategy, colMarket, colTokenID, colSide, colPrice, colQuantity, colStatus},
		hasFills: true,
		read:     readBotFill,
	},
	{
		name:     "resolutions",
		required: []column{colTime, colMarket, colTokenID, colPayout, colReportedPnL},
		settles:  true,
		scope:    resolutionScope,
		read:     readResolution,
	},
	{
		name:     tapeName,
		required: []column{colTimeMs, colMarket, colTokenID, colOutcome, colSide, colPrice, colQuantity},
		hasFills: true,
		read:     readTape,
	},
	{
		name:     "funding",
		required: []column{colTime, colBot, colMarket, colOutcome, colAmount, colFundingID},
		optional: []column{colKind},
		read:     readFunding,
	},
	{
		name:     "movements",
		required: []column{colTime, colKind, colWallet, colAsset, colAmount, colTx},
		optional: []column{colLeg},
		scope:    func(Options) string { return "movement" },
		read:     readMovement,
	},
	{
		name:     "fees",
		required: []column{colTime, colBot, colKind, colAmount},
		scope:    func(Options) string { return "fee" },
		read:     readFee,
	},
	{
		name:     "markets",
		required: []column{colTime, colMarket, colKind, colOutcomes},
		optional: []column{colCategory, colExclusive},
		scope:    func(Options) string { return "market" },
		read:     readMarket,
	},
	{
		name:     "sets",
		required: []column{colTime, colBot, colMarket, colAction, colQuantity, colSetID},
		optional: []column{colFee},
		read:     readSets,
	},
}

// resolutionScope separates a settlement from a reported trade of the same row,
// because they are different facts.
func resolutionScope(o Options) string {
	if o.AsTrades {
		return "resolution-trade/" + o.Bot
	}
	return "resolution"
}

// knownFormats lists the known headers, one per line.
func knownFormats() string {
	var b strings.Builder
	b.WriteString("known formats, by the columns in the header (any order; those in brackets may be left out):")
	for _, f := range formats {
		fmt.Fprintf(&b, "\n  %s: %s", f.name, joinColumns(f.required))
		if len(f.optional) > 0 {
			fmt.Fprintf(&b, "[,%s]", joinColumns(f.optional))
		}
	}
	return b.String()
}

// joinColumns joins the columns of a header.
func joinColumns(list []column) string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.String()
	}
	return strings.Join(names, ",")
}

// layout is the position of each column in the rows of one file.
type layout struct {
	format *format
	header []string
	index  [columns]int8 // -1: the file has no such column
}

// recognise determines the format from the header row that s has just read.
func recognise(path string, s *scanner) (*layout, error) {
	if f := s.fault; f != nil {
		return nil, stoppedAt(path, s, f.at, "the header cannot be read: %s", f.reason)
	}
	if s.count > len(s.cells) {
		return nil, stoppedAt(path, s, s.cells[0].at, "the header names %d columns; no format has as many", s.count)
	}
	names := make([]string, len(s.cells))
	for i, c := range s.cells {
		names[i] = string(c.text)
		if slices.Index(names[:i], names[i]) >= 0 {
			return nil, stoppedAt(path, s, c.at, "the header names column %s twice", shown(names[i]))
		}
	}
	best, missing, unknown := nearest(names)
	if len(missing)+len(unknown) > 0 {
		return nil, stoppedAt(path, s, s.cells[0].at, "%s\n%s", difference(s.raw, best, missing, unknown), knownFormats())
	}
	return newLayout(best, names), nil
}

func newLayout(f *format, names []string) *layout {
	l := &layout{format: f, header: names}
	for c := range columns {
		l.index[c] = int8(slices.Index(names, c.String())) // #nosec G115 -- below limits.cells
	}
	return l
}

// nearest returns the format with the fewest differences from a header. The
// earlier one wins a tie.
func nearest(names []string) (best *format, missing, unknown []string) {
	for _, f := range formats {
		m, u := f.compare(names)
		if best == nil || len(m)+len(u) < len(missing)+len(unknown) {
			best, missing, unknown = f, m, u
		}
	}
	return best, missing, unknown
}

// compare returns the missing and the surplus columns of a header, in the order
// of the format and of the header.
func (f *format) compare(names []string) (missing, unknown []string) {
	known := make(map[string]bool, len(f.required)+len(f.optional))
	for _, c := range f.required {
		known[c.String()] = true
		if !slices.Contains(names, c.String()) {
			missing = append(missing, c.String())
		}
	}
	for _, c := range f.optional {
		known[c.String()] = true
	}
	for _, name := range names {
		if !known[name] {
			unknown = append(unknown, name)
		}
	}
	return missing, unknown
}

// difference says how a header differs from that of the nearest format.
func difference(header []byte, best *format, missing, unknown []string) string {
	if !bytes.ContainsRune(header, ',') && bytes.ContainsAny(header, ";\t|") {
		return "the header is of no known format: its columns must be separated by commas"
	}
	if len(missing) == len(best.required) {
		return "the header is of no known format: it shares no column with any"
	}
	var parts []string
	if len(missing) > 0 {
		parts = append(parts, "lacks "+shownAll(missing))
	}
	if len(unknown) > 0 {
		parts = append(parts, "has unknown "+shownAll(unknown))
	}
	return fmt.Sprintf("the header is of no known format; the nearest is %q, but it %s", best.name, strings.Join(parts, " and "))
}
