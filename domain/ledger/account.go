// Package ledger keeps the double-entry books of one portfolio: accounts and
// postings, positions at average cost, and the refolding of a position after a
// void.
//
// It owns what a fill or a settlement does to money. It refuses to judge: limits,
// marks and breakers belong to domain/risk, and whether a fact may be recorded is
// decided in domain/portfolio. All its functions are pure.
package ledger

import (
	"fmt"
	"strings"

	"pets/domain"
)

// Account is asset | place | owner, for example USDC | hot | bot/alpha. On the
// assets side: hot:treasury, hot:bot/<id>, cold:treasury,
// transit:<transfer>, position:bot/<id>/<market>/<outcome> (at cost). On the other side: external,
// income:trading/<bot>, income:rebates/<bot>, income:funding/<bot>, expense:fees/<bot>, expense:gas,
// adjustment.
type Account struct {
	Asset string
	Place string
	Owner string
}

// The places.
const (
	PlaceHot        = "hot"
	PlaceCold       = "cold"
	PlaceTransit    = "transit"
	PlacePosition   = "position"
	PlaceExternal   = "external"
	PlaceIncome     = "income"
	PlaceExpense    = "expense"
	PlaceAdjustment = "adjustment"
)

// Treasury is the owner of what belongs to no bot.
const Treasury = "treasury"

// Wallet returns hot:treasury or cold:treasury.
func Wallet(asset, wallet string) Account { return Account{asset, wallet, Treasury} }

// BotCash returns hot:bot/<id>.
func BotCash(asset, bot string) Account { return Account{asset, PlaceHot, "bot/" + bot} }

// Transit returns transit:<transfer>, the account of money that was sent and has
// not arrived.
func Transit(asset, transfer string) Account { return Account{asset, PlaceTransit, transfer} }

// PositionOf returns position:bot/<id>/<market>/<outcome>. Slashes inside a
// market or outcome are written %2F, so that no two positions share a name.
func PositionOf(asset, bot string, i domain.Instrument) Account {
	return Account{asset, PlacePosition, "bot/" + bot + "/" + escape(i.Market) + "/" + escape(i.Outcome)}
}

var escaper = strings.NewReplacer("%", "%25", "/", "%2F")

func escape(s string) string { return escaper.Replace(s) }

// External is the world outside the portfolio: the other side of deposits and
// withdrawals.
func External(asset string) Account { return Account{asset, PlaceExternal, ""} }

// TradingIncome is the income from a bot's closed quantities, before fees.
func TradingIncome(asset, bot string) Account { return Account{asset, PlaceIncome, "trading/" + bot} }

// RebateIncome holds what venues paid back to a bot, or to Treasury for none.
func RebateIncome(asset, bot string) Account { return Account{asset, PlaceIncome, "rebates/" + bot} }

// FundingIncome holds what positions of a bot brought or cost by being held.
func FundingIncome(asset, bot string) Account { return Account{asset, PlaceIncome, "funding/" + bot} }

// Fees holds the trading fees of a bot, or of Treasury for none.
func Fees(asset, bot string) Account { return Account{asset, PlaceExpense, "fees/" + bot} }

// Gas holds the cost of moving assets on a chain.
func Gas(asset string) Account { return Account{asset, PlaceExpense, "gas"} }

// Adjustment is the other side of every manual correction.
func Adjustment(asset string) Account { return Account{asset, PlaceAdjustment, ""} }

// IsAsset reports whether the account is on the assets side, so that its
// balance is part of equity.
func (a Account) IsAsset() bool {
	return a.Place == PlaceHot || a.Place == PlaceCold || a.Place == PlaceTransit || a.Place == PlacePosition
}

// Bot returns the bot that the account belongs to, or "".
func (a Account) Bot() string {
	kind, rest, _ := strings.Cut(a.Owner, "/")
	bot, _, _ := strings.Cut(rest, "/")
	if bot == Treasury && kind != "bot" {
		return "" // fees and rebates of no bot
	}
	return bot
}

// Name is place:owner, or the place alone.
func (a Account) Name() string {
	if a.Owner == "" {
		return a.Place
	}
	return a.Place + ":" + a.Owner
}

func (a Account) String() string { return a.Asset + "|" + a.Place + "|" + a.Owner }

// MarshalText writes asset|place|owner, so that accounts can be JSON keys.
func (a Account) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Account) UnmarshalText(b []byte) error {
	parts := strings.SplitN(string(b), "|", 3)
	if len(parts) != 3 {
		return fmt.Errorf("ledger: account %q is not asset|place|owner", b)
	}
	*a = Account{parts[0], parts[1], parts[2]}
	return nil
}

// Posting changes one account: positive is a debit, negative a credit.
type Posting struct {
	Account Account
	Amount  domain.Decimal
}

// Move returns the two postings that debit one account and credit another.
func Move(debit, credit Account, amount domain.Decimal) []Posting {
	return []Posting{{debit, amount}, {credit, amount.Neg()}}
}

// Sum returns the sum of the postings per asset. It is empty if the postings
// balance.
func Sum(postings []Posting) map[string]domain.Decimal {
	left := map[string]domain.Decimal{}
	for _, p := range postings {
		left[p.Account.Asset] = left[p.Account.Asset].Add(p.Amount)
	}
	for asset, amount := range left {
		if amount.IsZero() {
			delete(left, asset)
		}
	}
	return left
}

// Balanced reports whether postings sum to zero in each asset.
func Balanced(postings []Posting) bool {
	var sum domain.Decimal
	for _, p := range postings {
		if p.Account.Asset != postings[0].Account.Asset {
			return len(Sum(postings)) == 0
		}
		sum = sum.Add(p.Amount)
	}
	return sum.IsZero() // Nearly all postings are of one asset; they need no map.
}

// Book holds the balance of every account that is not zero.
type Book map[Account]domain.Decimal

// Post adds one posting, and returns the balance after it. An account whose balance reaches
// zero is removed, so the size of the book depends on what is open, not on its history.
func (b Book) Post(p Posting) domain.Decimal {
	balance := b[p.Account].Add(p.Amount)
	if balance.IsZero() {
		delete(b, p.Account)
	} else {
		b[p.Account] = balance
	}
	return balance
}

// TrialBalance returns the nonzero sums over all accounts, per asset. It is empty
// after every event, unless the books are wrong.
func (b Book) TrialBalance() map[string]domain.Decimal {
	all := make([]Posting, 0, len(b))
	for account, balance := range b {
		all = append(all, Posting{account, balance})
	}
	return Sum(all)
}
