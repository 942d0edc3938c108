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
	// maxEnded limits how many ended transfers are remembered. The stream holds
	// all of them.
	maxEnded = 1_000
	// maxOpen limits the open transfers, because each is examined before every
	// record.
	maxOpen = 100
	// maxSweeps is the number of sweeps allowed in addition, so that a full list
	// of transfers cannot keep the money from being saved.
	maxSweeps = 10
	// maxWallets and maxContacts limit what can be registered, and maxReadings
	// the assets of all wallets together: a reconciliation reads each of them and
	// has to fit an append. Retired wallets do not count here.
	maxWallets  = 100
	maxContacts = 1_000
	maxReadings = 500
	// maxEverWallets and maxEverReadings limit the same with the retired wallets,
	// which are read too. What is registered within a day is limited to
	// maxNewWallets and maxReadings, so that one stolen key that registers and
	// retires takes weeks to use up what there is for ever, and not a second.
	maxEverWallets  = 500
	maxEverReadings = 5_000
	maxNewWallets   = 20
	// hotGrace is how long the hot wallet may hold more than its share before
	// increases are denied.
	hotGrace = 24 * time.Hour
)

// Custody is the known state of a portfolio's wallets and transfers.
type Custody struct {
	Policy  domain.TreasuryPolicy       `json:"policy"`
	Wallets map[string]*treasury.Wallet `json:"wallets"`
	// Book holds the addresses that transfers may go to, by
	// [treasury.ContactKey].
	Book      map[string]*treasury.Contact  `json:"address_book"`
	Transfers map[string]*treasury.Transfer `json:"transfers"`
	// Ended holds the names of the ended transfers, oldest first.
	Ended []string `json:"ended,omitempty"`
	// Cold and Transit are the base asset in the cold wallet and in transit.
	Cold    domain.Decimal `json:"cold"`
	Transit domain.Decimal `json:"transit"`
	// HotAbove is when the hot wallet began to hold more than its share, or zero.
	HotAbove time.Time `json:"hot_above_since,omitzero"`
	// Differences are the unexplained differences between ledger and chain, by
	// place|asset: chain − ledger.
	Differences map[string]domain.Decimal `json:"differences"`
	// Booked are those of them on whose accounts something was booked after they were
	// measured: it may have explained them.
	Booked map[string]bool `json:"booked_since,omitempty"`
	// Reconciled is the time of the last comparison, or zero.
	Reconciled   time.Time `json:"reconciled,omitzero"`
	ReconciledAt uint64    `json:"reconciled_revision,omitempty"`
	// Short counts, up to two, the reconciliations in a row that found less of the base
	// asset than ledger and reservations explain; Shortage is what the last one found.
	// The first edition does not look.
	Short    int            `json:"short,omitempty"`
	Shortage domain.Decimal `json:"shortage,omitzero"`
}

// Unreconciled reports whether two reconciliations in a row have found a shortage:
// nothing is opened until one finds none.
func (c *Custody) Unreconciled() bool { return c.Short >= shortages }

// shortages is how many reconciliations in a row have to find one. A fill that was not
// reported yet looks like a shortage, but not for long.
const shortages = 2

func newCustody() Custody {
	return Custody{
		Policy: domain.DefaultTreasuryPolicy(), Wallets: map[string]*treasury.Wallet{}, Book: map[string]*treasury.Contact{},
		Transfers: map[string]*treasury.Transfer{}, Differences: map[string]domain.Decimal{},
	}
}

func (c *Custody) complete() bool {
	return filled(c.Wallets) && filled(c.Book) && filled(c.Transfers) && c.Differences != nil
}

// post keeps the sums of the base asset in the cold wallet and in transit.
func (c *Custody) post(p ledger.Posting) {
	switch p.Account.Place {
	case ledger.PlaceCold:
		c.Cold = c.Cold.Add(p.Amount)
	case ledger.PlaceTransit:
		c.Transit = c.Transit.Add(p.Amount)
	}
}

// Main returns the wallet of a place that was registered last and is not retired,
// or nil.
func (c *Custody) Main(place string) *treasury.Wallet {
	var main *treasury.Wallet
	for _, w := range c.Wallets {
		if w.Place == place && !w.Retired() && (main == nil || main.Revision < w.Revision) {
			main = w
		}
	}
	return main
}

// living counts the wallets that are not retired.
func (c *Custody) living() int {
	n := 0
	for _, w := range c.Wallets {
		if !w.Retired() {
			n++
		}
	}
	return n
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

// SortedTransfers returns all remembered transfers, oldest first.
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

// OpenTransfers returns the open transfers, oldest first. It is called before
// every record, so it does not sort the many that have ended.
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

// end notes that a transfer has ended, and forgets the oldest if there are too
// many. A transfer that still counts in the daily sum is kept.
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

// Holdings returns where the base asset is.
func (s *State) Holdings() treasury.Holdings { return s.holdingsAt(s.Time) }

func (s *State) holdingsAt(now time.Time) treasury.Holdings {
	h := s.holdingsForShare()
	h.FreeHot, h.FreeCold = s.freeIn(domain.WalletHot, s.BaseAsset, now), s.freeIn(domain.WalletCold, s.BaseAsset, now)
	return h
}

// freeIn returns what a place's treasury account holds of an asset, less what
// transfers will take from it. A transfer whose time is over takes nothing,
// whether that is recorded or not.
func (s *State) freeIn(place, asset string, now time.Time) domain.Decimal {
	free := s.Book[ledger.Wallet(asset, place)]
	for _, t := range s.Custody.Transfers {
		if t.FromPlace == place && !t.Lapsed(now) {
			free = free.Sub(t.Claims(asset))
		}
	}
	return free
}

// hasBothWallets reports whether there are a hot and a cold wallet to move money
// between.
func (s *State) hasBothWallets() bool {
	return s.Mode == domain.ModeLive && s.Custody.Main(domain.WalletHot) != nil && s.Custody.Main(domain.WalletCold) != nil
}

// hasBothPlaces reports whether the hot share is watched: whether a hot and a cold
// wallet were registered. One that is retired since still holds what it holds, and
// retiring it must not loosen the limit.
func (s *State) hasBothPlaces() bool {
	hot, cold := false, false
	for _, w := range s.Custody.Wallets {
		hot, cold = hot || w.Place == domain.WalletHot, cold || w.Place == domain.WalletCold
	}
	return s.Mode == domain.ModeLive && hot && cold
}

// watchHot notes when the hot wallet began to hold more than its share.
func (s *State) watchHot(now time.Time) {
	if len(s.Custody.Wallets) == 0 {
		return
	}
	above := s.hasBothPlaces() && treasury.AboveShare(s.holdingsForShare())
	switch {
	case !above:
		s.Custody.HotAbove = time.Time{}
	case s.Custody.HotAbove.IsZero():
		s.Custody.HotAbove = now
	}
}

// holdingsForShare is Holdings without the free amounts, because it runs after
// every event. Money on its way between two hot wallets counts as hot; otherwise
// each such transfer would restart the 24 h.
func (s *State) holdingsForShare() treasury.Holdings {
	between := domain.Zero
	if !s.Custody.Transit.IsZero() {
		between = s.betweenHot()
	}
	return treasury.Holdings{
		HotCash: s.hotCash().Add(between), Deployed: s.Cost, Cold: s.Custody.Cold, Transit: s.Custody.Transit.Sub(between),
	}
}

// hotCash returns the base asset of hot:treasury and of all bots.
func (s *State) hotCash() domain.Decimal {
	return s.Cash.Sub(s.Custody.Cold).Sub(s.Custody.Transit)
}

// betweenHot returns the base asset on its way from one hot wallet to another.
func (s *State) betweenHot() domain.Decimal {
	sum := domain.Zero
	for _, t := range s.Custody.Transfers {
		if t.Status == treasury.Broadcast && t.Asset == s.BaseAsset && t.FromPlace == domain.WalletHot && t.ToPlace == domain.WalletHot {
			sum = sum.Add(t.Amount)
		}
	}
	return sum
}

// HotTooLong reports whether the hot wallet has held more than its share for 24
// h. Increases are denied then.
func (s *State) HotTooLong(now time.Time) bool {
	since := s.Custody.HotAbove
	return !since.IsZero() && now.Sub(since) >= hotGrace
}

// differenceKey returns the key of an asset in a place.
func differenceKey(place, asset string) string { return place + "|" + asset }

// Difference returns the unexplained chain − ledger of an asset in a place.
type Difference struct {
	Place      string
	Asset      string
	Difference domain.Decimal
	// Unsure says why it is not as it was measured any more, or cannot be measured now: nothing
	// is booked for it meanwhile, because whatever explains it may be in the books already, or
	// get there by itself. It is "" if it was measured after the last booking.
	Unsure string
}

// measured notes that a line was compared.
func (c *Custody) measured(key string, difference domain.Decimal) {
	if delete(c.Booked, key); len(c.Booked) == 0 {
		c.Booked = nil // as in a state that had none
	}
	if difference.IsZero() {
		delete(c.Differences, key)
		return
	}
	c.Differences[key] = difference
}

// booked notes a posting to an account whose difference is open.
func (c *Custody) booked(a ledger.Account) {
	if len(c.Differences) == 0 { // for every posting
		return
	}
	key := differenceKey(a.Place, a.Asset)
	if _, open := c.Differences[key]; !open {
		return
	}
	if c.Booked == nil {
		c.Booked = map[string]bool{}
	}
	c.Booked[key] = true
}

// unsure says why nothing is to be booked for a difference now.
func (c *Custody) unsure(place, asset string) string {
	for _, t := range c.OpenTransfers() {
		pays, gets := t.FromPlace == place && (t.Asset == asset || t.GasAsset == asset), t.ToPlace == place && t.Asset == asset
		if t.Status == treasury.Broadcast && (pays || gets) {
			return "transfer " + t.Transfer + " is on its way, and ends or is cancelled first"
		}
	}
	if c.Booked[differenceKey(place, asset)] {
		return "something was booked there since it was measured"
	}
	return ""
}

// OpenDifferences lists the unexplained differences by place and asset.
func (c *Custody) OpenDifferences() []Difference {
	out := make([]Difference, 0, len(c.Differences))
	for _, key := range slices.Sorted(maps.Keys(c.Differences)) {
		place, asset, _ := strings.Cut(key, "|")
		out = append(out, Difference{place, asset, c.Differences[key], c.unsure(place, asset)})
	}
	return out
}
