package tradefile

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"pets/domain"
)

// DefaultBot owns the rows of files that name no bot.
const DefaultBot = "wallet"

// Options are the flags of `pets import` that change what rows mean.
type Options struct {
	Bot      string // --bot: owner of wallet rows and of --as-trades; empty is [DefaultBot]
	AsTrades bool   // --as-trades: resolutions are closed trades at net_pnl_reported
	KeepBad  bool   // --skip-bad: collect bad rows instead of stopping at the first
}

// Plan is everything the files say, in the order in which it happened.
type Plan struct {
	Rows  []Row         // by time; ties by order of files, then of rows
	Bad   []BadRow      // with Options.KeepBad: in order of files, then of rows
	Bots  []string      // in order of first appearance in Rows
	Files []FileSummary // in the order given
}

// FileSummary says what one file was taken for and how much of it was read.
type FileSummary struct {
	Path   string
	Format string // "fills", "wallet ledger", …
	Rows   int
	Bad    int
}

// Row is one fact of one file: exactly one of the pointers is set.
type Row struct {
	File string // as given
	Line int    // of the row's first byte, from 1, the header included
	Time time.Time
	Key  string // identity of the fact; see the package comment

	Fill       *Fill
	Settlement *Settlement
	Trade      *Trade
	Redeem     *Redeem
	Rebate     *Rebate
}

// Fill is an order filled, wholly or in part.
type Fill struct {
	Bot, Venue, Market, Outcome, TradeID string

	Kind     domain.MarketKind // empty where the file does not say
	Side     domain.Side
	Quantity domain.Decimal  // > 0
	Price    domain.Decimal  // ≥ 0, and ≤ 1 unless Kind is spot or perp
	Notional *domain.Decimal // ≥ 0: the cash that moved, where the file says it; it overrules price × quantity
	Fee      domain.Decimal  // ≥ 0
}

// Settlement is an outcome paid out.
type Settlement struct {
	Bot             string // empty: every holder
	Market, Outcome string
	Payout          domain.Decimal // 0..1
}

// Trade is a closed trade of which only the result is known.
type Trade struct {
	Bot, Market, TradeID string

	PnL domain.Decimal // net of Fee
	Fee domain.Decimal // ≥ 0
}

// Redeem settles the one open outcome of a market: at Cash ÷ Quantity, or at 0
// when Quantity is 0. The file does not say which outcome that is.
type Redeem struct {
	Bot, Market string

	Quantity domain.Decimal // ≥ 0
	Cash     domain.Decimal // 0..Quantity
}

// Rebate is income of a bot that belongs to no market.
type Rebate struct {
	Bot    string
	Amount domain.Decimal // ≥ 0
}

// bot is the bot the row is about, empty for a settlement of every holder.
func (r *Row) bot() string {
	switch {
	case r.Fill != nil:
		return r.Fill.Bot
	case r.Settlement != nil:
		return r.Settlement.Bot
	case r.Trade != nil:
		return r.Trade.Bot
	case r.Redeem != nil:
		return r.Redeem.Bot
	default:
		return r.Rebate.Bot
	}
}

// Read reads the files and merges their rows. It reports how many of the bytes
// on disk it has dealt with; progress may be nil.
//
// Errors: a [*BadRow] for the first row that cannot be read (in order of files;
// none with KeepBad), a [*FileError] for a file that cannot be used at all or
// cannot be read on, ctx's error. The first two have [domain.CodeInvalid] or
// [domain.CodeNotFound]. With an error there is no plan.
func Read(ctx context.Context, paths []string, opt Options, progress func(doneBytes, totalBytes int64)) (*Plan, error) {
	r, err := newReader(opt, defaultLimits)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, domain.Errorf(domain.CodeInvalid, "no file was given")
	}
	if progress != nil {
		r.progress = progress
	}
	if err := r.measure(paths); err != nil {
		return nil, err
	}
	for _, path := range paths {
		stored, err := load(path, r.limits.bytes)
		if err != nil {
			return nil, err
		}
		if err := r.add(ctx, path, stored); err != nil {
			return nil, err
		}
	}
	return r.plan(), nil
}

// plan merges what was read. The reader is spent afterwards.
func (r *reader) plan() *Plan {
	rows := merge(r.rows)
	number(rows)
	return &Plan{Rows: rows, Bad: r.bad, Bots: botsOf(rows), Files: r.files}
}

// merge sorts rows by time, stably. Rows are large and mostly in order already,
// so places are sorted instead of rows, and only where there is something to do.
func merge(rows []Row) []Row {
	byTime := func(a, b Row) int { return a.Time.Compare(b.Time) }
	if slices.IsSortedFunc(rows, byTime) {
		return rows
	}
	type place struct {
		nanos int64
		index int
	}
	places := make([]place, len(rows))
	for i := range rows {
		places[i] = place{rows[i].Time.UnixNano(), i} // cells.inRange keeps times inside int64
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.nanos, b.nanos), cmp.Compare(a.index, b.index))
	})
	merged := make([]Row, len(rows))
	for i, p := range places {
		merged[i] = rows[p.index]
	}
	return merged
}

// number completes the identity of rows without an id. It needs the merged
// order, because an occurrence number counts over all files of a run.
func number(rows []Row) {
	seen := make(map[string]int)
	for i := range rows {
		row := &rows[i]
		if row.hasID() {
			continue
		}
		text := row.Key
		seen[text]++
		occurrence := "#" + strconv.Itoa(seen[text])
		row.Key = text + occurrence
		id := text[len(text)-hashDigits:][:idDigits] + occurrence
		switch {
		case row.Fill != nil:
			row.Fill.TradeID = id
		case row.Trade != nil:
			row.Trade.TradeID = id
		}
	}
}

// botsOf includes bots that only a settlement names: its command would be refused
// for a bot nobody registered.
func botsOf(rows []Row) []string {
	var bots []string
	seen := make(map[string]bool)
	for i := range rows {
		bot := rows[i].bot()
		if bot != "" && !seen[bot] {
			seen[bot] = true
			bots = append(bots, bot)
		}
	}
	return bots
}
