package tradefile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"iter"
	"slices"
	"strconv"
	"time"

	"pets/domain"
)

// DefaultBot owns the rows of files that name no bot.
const DefaultBot = "wallet"

// Options are the flags of `pets import` that change the meaning of rows.
type Options struct {
	Bot      string // --bot: owner of wallet rows and of --as-trades; empty is [DefaultBot]
	AsTrades bool   // --as-trades: resolutions are closed trades at net_pnl_reported
	KeepBad  bool   // --skip-bad: collect bad rows instead of stopping at the first
	Round    bool   // --round: round numbers with more decimals than a ledger keeps
}

// Plan is the content of all files, in time order. It keeps the text of the files
// and the place of each row, not the rows, which need seven times the memory.
type Plan struct {
	Bad     []BadRow      // with Options.KeepBad: in order of files, then of rows
	Bots    []string      // in order of first appearance in the rows
	Files   []FileSummary // in the order given
	Rounded int           // numbers that Options.Round rounded

	files  []*file
	places []place // by time; ties by order of files, then of rows
}

// Len returns the number of rows.
func (p *Plan) Len() int { return len(p.places) }

// All yields the rows by time; ties by order of files, then of rows. Each is
// parsed again from the text that Read has checked, which does not change. The
// rows are for one goroutine.
func (p *Plan) All() iter.Seq[*Row] {
	return func(yield func(*Row) bool) {
		var n occurrences
		together := gatherer{plan: p}
		for i, at := range p.places {
			row := p.files[at.file].rowAt(at)
			n.number(row)
			together.join(i, row)
			if !yield(row) {
				return
			}
		}
	}
}

// FileSummary says how one file was recognised and how much of it was read.
type FileSummary struct {
	Path   string
	Format string // "fills", "wallet ledger", …
	Rows   int
	Bad    int
}

// Row is one fact of one file: exactly one of the pointers is set.
type Row struct {
	File string // as given
	Line int    // of the row's first byte, from 1, counting the header
	Time time.Time
	Key  string // identity of the fact; see the package comment

	Fill       *Fill
	Settlement *Settlement
	Trade      *Trade
	Redeem     *Redeem
	Rebate     *Rebate
	Funding    *Funding
	Movement   *Movement
	Fee        *Fee
	Market     *Market
	Sets       *Sets

	file *file
	at   place
}

// Fill is an order filled, wholly or in part.
type Fill struct {
	Bot, Venue, Market, Outcome, TradeID string

	Kind     domain.MarketKind // empty if the file does not give it
	Side     domain.Side
	Quantity domain.Decimal  // > 0
	Price    domain.Decimal  // ≥ 0, and ≤ 1 unless Kind is spot or perp
	Notional *domain.Decimal // ≥ 0: the cash that moved, if the file gives it; it takes precedence over price × quantity
	Fee      domain.Decimal  // negative is a rebate
	FeeAsset string          // of the fee; empty is the base asset
}

// Funding is what holding a position brought, or as a negative amount cost.
type Funding struct {
	Bot, Market, Outcome, FundingID string

	Kind   domain.MarketKind // empty if the file does not give it
	Amount domain.Decimal    // not 0
}

// Movement is money that came in from outside, or went out.
type Movement struct {
	Withdrawal        bool
	Wallet, Asset, Tx string // asset and transaction may be empty
	Leg               int
	Amount            domain.Decimal // > 0
}

// Fee is a fee, or a rebate, of a bot that belongs to no fill.
type Fee struct {
	Bot, Kind string
	Amount    domain.Decimal // > 0
}

// Settlement is an outcome paid out, or a market that was void.
type Settlement struct {
	Bot             string // empty: every holder
	Market, Outcome string
	Payout          domain.Decimal // 0..1
	Void            bool           // every holder of the market gets the cost back; there is no outcome
	// Together are what the rows of this market (and bot) at this time say, by outcome.
	// It is nil if no other row says more, or if two of them contradict each other. The
	// rows share it.
	Together map[string]domain.Decimal
}

// Market is a market's registration.
type Market struct {
	Market, Category string

	Kind      domain.MarketKind // outcome where the file gives none
	Outcomes  []string
	Exclusive *bool // nil if the file does not say
}

// Sets is a split of cash into complete sets of a market, or a merge of sets into cash.
type Sets struct {
	Bot, Market, Action, SetID string

	Quantity domain.Decimal // > 0
	Fee      domain.Decimal // ≥ 0
}

// Trade is a closed trade of which only the result is known.
type Trade struct {
	Bot, Market, TradeID string

	PnL domain.Decimal // net of Fee
	Fee domain.Decimal // ≥ 0
}

// Redeem settles the one open outcome of a market: at Cash ÷ Quantity, or at 0 if
// Quantity is 0. The file does not say which outcome that is.
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

// bot returns the bot of the row, or "" for a settlement of all holders and for money of
// the treasury.
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
	case r.Funding != nil:
		return r.Funding.Bot
	case r.Fee != nil:
		return r.Fee.Bot
	case r.Sets != nil:
		return r.Sets.Bot
	case r.Movement != nil, r.Market != nil:
		return ""
	default:
		return r.Rebate.Bot
	}
}

// Read reads the files and merges their rows. It reports how many of the bytes on
// disk it has processed; progress may be nil.
//
// Errors: a [*BadRow] for the first row that cannot be read (in order of files;
// none with KeepBad), a [*FileError] for a file that cannot be used at all or
// beyond some place, ctx's error. The first two have [domain.CodeInvalid] or
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
	p := r.plan()
	if len(p.places)+len(p.Bad) == 0 {
		f := p.Files[0]
		return nil, unusable(f.Path, "has a header (%s) and no row below it; there is nothing to import", f.Format)
	}
	return p, nil
}

// plan merges what was read. The reader must not be used afterwards.
func (r *reader) plan() *Plan {
	merge(r.places)
	return &Plan{Bad: r.bad, Bots: r.botsInOrder(), Files: r.summaries, Rounded: r.rounded, files: r.files, places: r.places}
}

// place is the location of a row: all that is kept of it between checking and
// booking.
type place struct {
	nanos  int64  // its time; cells.inRange keeps it inside int64
	file   uint32 // in the order given
	offset uint32 // of its first byte; limits.bytes is 2^31
	line   uint32
	number uint32 // in its file, from 1; bad rows count
	bot    uint32 // in reader.bots, from 1; 0 for none
}

// merge sorts rows by time; ties by order of files, then of rows.
func merge(places []place) {
	byTime := func(a, b place) int {
		return cmp.Or(cmp.Compare(a.nanos, b.nanos), cmp.Compare(a.file, b.file), cmp.Compare(a.offset, b.offset))
	}
	if !slices.IsSortedFunc(places, byTime) {
		slices.SortFunc(places, byTime)
	}
}

// occurrences completes the identity of rows without an id. It needs the merged
// order, because an occurrence number counts over all files of a run.
type occurrences struct {
	seen map[digest]uint32
}

// digest replaces a longer text to save memory, because there may be millions.
type digest [sha256.Size / 2]byte

func (o *occurrences) number(row *Row) {
	if row.hasID() {
		return
	}
	if o.seen == nil {
		o.seen = make(map[digest]uint32)
	}
	text := row.Key
	sum := sha256.Sum256([]byte(text))
	short := digest(sum[:])
	o.seen[short]++
	occurrence := "#" + strconv.FormatUint(uint64(o.seen[short]), 10)
	row.Key = text + occurrence
	id := text[len(text)-hashDigits:][:idDigits] + occurrence
	switch {
	case row.Fill != nil:
		row.Fill.TradeID = id
	case row.Trade != nil:
		row.Trade.TradeID = id
	case row.Sets != nil:
		row.Sets.SetID = id
	}
}

// botsInOrder includes bots that only a settlement names, because its command
// would be refused for an unregistered bot.
func (r *reader) botsInOrder() []string {
	var bots []string
	seen := make([]bool, 1+len(r.bots))
	seen[0] = true // no bot
	for _, at := range r.places {
		if !seen[at.bot] {
			seen[at.bot] = true
			bots = append(bots, r.botNames[at.bot-1])
		}
	}
	return bots
}
