package projections

import (
	"cmp"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/portfolio"
)

// Balance is one account with a nonzero balance. Debits are positive: assets and
// expenses normally are positive, external and income normally negative.
type Balance struct {
	Asset   string         `json:"asset"`
	Account string         `json:"account"`
	Balance domain.Decimal `json:"balance"`

	owner string // the bot, "" for none
}

// Balances are the books, with the sum of each asset's accounts, which is zero
// unless the books are wrong.
type Balances struct {
	Accounts []Balance                 `json:"accounts"`
	Sums     map[string]domain.Decimal `json:"sums"`
}

// places orders accounts as a balance sheet does.
var places = []string{
	ledger.PlaceHot, ledger.PlaceCold, ledger.PlaceTransit, ledger.PlacePosition,
	ledger.PlaceExternal, ledger.PlaceIncome, ledger.PlaceExpense, ledger.PlaceAdjustment,
}

// BalancesOf lists the accounts, the assets side first.
func BalancesOf(s *portfolio.State) Balances {
	accounts := make([]ledger.Account, 0, len(s.Book))
	for a := range s.Book {
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b ledger.Account) int {
		return cmp.Or(strings.Compare(a.Asset, b.Asset),
			slices.Index(places, a.Place)-slices.Index(places, b.Place), strings.Compare(a.Owner, b.Owner))
	})
	v := Balances{Accounts: make([]Balance, 0, len(accounts)), Sums: map[string]domain.Decimal{}}
	for _, a := range accounts {
		v.Accounts = append(v.Accounts, Balance{a.Asset, a.Name(), s.Book[a], a.Bot()})
		v.Sums[a.Asset] = v.Sums[a.Asset].Add(s.Book[a])
	}
	return v
}

// Of keeps only one bot's accounts ("" keeps all). Those are not the whole books,
// so the sums are left out.
func (v Balances) Of(bot string) Balances {
	if bot == "" {
		return v
	}
	own := Balances{Accounts: []Balance{}, Sums: map[string]domain.Decimal{}}
	for _, b := range v.Accounts {
		if b.owner == bot {
			own.Accounts = append(own.Accounts, b)
		}
	}
	return own
}
