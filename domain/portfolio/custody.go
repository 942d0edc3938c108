package portfolio

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/treasury"
)

const (
	// maxEnded bounds how many transfers are remembered that are over; the stream has
	// all of them.
	maxEnded = 1_000
	// maxOpen bounds those that are not: each is looked at before every record.
	maxOpen = 100
	// maxSweeps is how many more sweeps there may be: those that somebody filled the
	// list with must not keep the money from being saved.
	maxSweeps = 10
	// maxWallets and maxContacts bound what is registered, maxReadings the assets of all
	// wallets: a reconciliation reads each, and has to fit an append.
	maxWallets  = 100
	maxContacts = 1_000
	maxReadings = 500
	// hotGrace is how long the hot wallet may hold more than its share before
	// increases are denied.
	hotGrace = 24 * time.Hour
)

// Custody is what a portfolio knows of its wallets and transfers.
type Custody struct {
	Policy  domain.TreasuryPolicy       `json:"policy"`
	Wallets map[string]*treasury.Wallet `json:"wallets"`
	// Book are the addresses that transfers may go to, by [treasury.ContactKey].
	Book      map[string]*treasury.Contact  `json:"address_book"`
	Transfers map[string]*treasury.Transfer `json:"transfers"`
	// Ended are the names of those that are over, oldest first.
	Ended []string `json:"ended,omitempty"`
	// Cold and Transit are the base asset in the cold wallet, and on its way.
	Cold    domain.Decimal `json:"cold"`
	Transit domain.Decimal `json:"transit"`
	// HotAbove is since when the hot wallet holds more than its share, zero for not.
	HotAbove time.Time `json:"hot_above_since,omitzero"`
	// Differences are those between ledger and chain that nobody has explained, by
	// place|asset: chain − ledger.
	Differences map[string]domain.Decimal `json:"differences"`
	// Reconciled is the last comparison, zero for none.
	Reconciled   time.Time `json:"reconciled,omitzero"`
	ReconciledAt uint64    `json:"reconciled_revision,omitempty"`
}

func newCustody() Custody {
	return Custody{
		Policy: domain.DefaultTreasuryPolicy(), Wallets: map[string]*treasury.Wallet{}, Book: map[string]*treasury.Contact{},
		Transfers: map[string]*treasury.Transfer{}, Differences: map[string]domain.Decimal{},
	}
}

func (c *Custody) complete() bool {
	return filled(c.Wallets) && filled(c.Book) && filled(c.Transfers) && c.Differences != nil
}

// post keeps the sums of the base asset that lies in the cold wallet and is on its way.
func (c *Custody) post(p ledger.Posting) {
	switch p.Account.Place {
	case ledger.PlaceCold:
		c.Cold = c.Cold.Add(p.Amount)
	case ledger.PlaceTransit:
		c.Transit = c.Transit.Add(p.Amount)
	}
}

// Main is the wallet of a place that was registered last, nil for none.
func (c *Custody) Main(place string) *treasury.Wallet {
	var main *treasury.Wallet
	for _, w := range c.Wallets {
		if w.Place == place && (main == nil || main.Revision < w.Revision) {
			main = w
		}
	}
	return main
}

// SortedWallets returns all wallets by name.
func (c *Custody) SortedWallets() []*treasury.Wallet {
	return sortedBy(c.Wallets, func(a, b *treasury.Wallet) int { return strings.Compare(a.Wallet, b.Wallet) })
}

// SortedBook returns all contacts by label, chain and address.
func (c *Custody) SortedBook() []*treasury.Contact {
	return sortedBy(c.Book, func(a, b *treasury.Contact) int {
		return cmp.Or(strings.Compare(a.Label, b.Label), strings.Compare(a.Chain, b.Chain), strings.Compare(a.Address, b.Address))
	})
}

// SortedTransfers returns all transfers that are remembered, oldest first.
func (c *Custody) SortedTransfers() []*treasury.Transfer {
	return sortedBy(c.Transfers, olderTransfer)
}

func olderTransfer(a, b *treasury.Transfer) int {
	return cmp.Or(cmp.Compare(len(a.Transfer), len(b.Transfer)), strings.Compare(a.Transfer, b.Transfer))
}

func sortedBy[V any](m map[string]*V, compare func(a, b *V) int) []*V {
	all := make([]*V, 0, len(m))
	for _, v := range m {
		all = append(all, v)
	}
	slices.SortFunc(all, compare)
	return all
}

// OpenTransfers are those to which something can still happen, oldest first. They are
// asked for before every record: the many that are over are not sorted for it.
func (c *Custody) OpenTransfers() []*treasury.Transfer {
	var open []*treasury.Transfer
	for _, t := range c.Transfers {
		if t.Open() {
			open = append(open, t)
		}
	}
	slices.SortFunc(open, olderTransfer)
	return open
}

// end remembers that a transfer is over, and forgets the oldest of too many. One that
// still counts in the sum of a day is kept.
func (c *Custody) end(t *treasury.Transfer, at time.Time) {
	if !t.EndedAt.IsZero() {
		return
	}
	t.EndedAt = at
	c.Ended = append(c.Ended, t.Transfer)
	for len(c.Ended) > maxEnded {
		if old := c.Transfers[c.Ended[0]]; old != nil && old.Counts(at) {
			return
		}
		delete(c.Transfers, c.Ended[0])
		c.Ended = slices.Delete(c.Ended, 0, 1)
	}
}

// Holdings are the base asset's whereabouts.
func (s *State) Holdings() treasury.Holdings { return s.holdingsAt(s.Time) }

func (s *State) holdingsAt(now time.Time) treasury.Holdings {
	h := s.holdingsForShare()
	h.FreeHot, h.FreeCold = s.freeIn(domain.WalletHot, s.BaseAsset, now), s.freeIn(domain.WalletCold, s.BaseAsset, now)
	return h
}

// freeIn is what a place's treasury account holds of an asset, less what transfers
// will take out of it. One whose time is over takes nothing, recorded or not.
func (s *State) freeIn(place, asset string, now time.Time) domain.Decimal {
	free := s.Book[ledger.Wallet(asset, place)]
	for _, t := range s.Custody.Transfers {
		if t.FromPlace == place && !t.Lapsed(now) {
			free = free.Sub(t.Claims(asset))
		}
	}
	return free
}

// hasBothWallets: rebalancing and the share of the hot wallet mean something only
// where there are two.
func (s *State) hasBothWallets() bool {
	return s.Mode == domain.ModeLive && s.Custody.Main(domain.WalletHot) != nil && s.Custody.Main(domain.WalletCold) != nil
}

// watchHot notes since when the hot wallet holds more than its share.
func (s *State) watchHot(now time.Time) {
	if len(s.Custody.Wallets) == 0 {
		return
	}
	above := s.hasBothWallets() && treasury.AboveShare(s.holdingsForShare())
	switch {
	case !above:
		s.Custody.HotAbove = time.Time{}
	case s.Custody.HotAbove.IsZero():
		s.Custody.HotAbove = now
	}
}

// holdingsForShare leaves out what could be sent: it is asked for after every event.
// What is on its way from one hot wallet to another is as hot as before; the 24 h would
// begin anew with each such transfer if it were not.
func (s *State) holdingsForShare() treasury.Holdings {
	between := domain.Zero
	if !s.Custody.Transit.IsZero() {
		between = s.betweenHot()
	}
	return treasury.Holdings{
		HotCash: s.Cash.Sub(s.Custody.Cold).Sub(s.Custody.Transit).Add(between), Deployed: s.Cost, Cold: s.Custody.Cold, Transit: s.Custody.Transit.Sub(between),
	}
}

// betweenHot is the base asset on its way from one hot wallet to another.
func (s *State) betweenHot() domain.Decimal {
	sum := domain.Zero
	for _, t := range s.Custody.Transfers {
		if t.Status == treasury.Broadcast && t.Asset == s.BaseAsset && t.FromPlace == domain.WalletHot && t.ToPlace == domain.WalletHot {
			sum = sum.Add(t.Amount)
		}
	}
	return sum
}

// HotTooLong reports whether the hot wallet has held more than its share for 24 h:
// increases are denied then.
func (s *State) HotTooLong(now time.Time) bool {
	since := s.Custody.HotAbove
	return !since.IsZero() && now.Sub(since) >= hotGrace
}

// differenceKey names an asset in a place.
func differenceKey(place, asset string) string { return place + "|" + asset }

// Difference is chain − ledger of an asset in a place, that nobody has explained.
type Difference struct {
	Place      string
	Asset      string
	Difference domain.Decimal
}

// OpenDifferences lists them by place and asset.
func (c *Custody) OpenDifferences() []Difference {
	out := make([]Difference, 0, len(c.Differences))
	for _, key := range slices.Sorted(maps.Keys(c.Differences)) {
		place, asset, _ := strings.Cut(key, "|")
		out = append(out, Difference{place, asset, c.Differences[key]})
	}
	return out
}
