package portfolio

import (
	"cmp"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/treasury"
)

// Treasury returns the base asset in hot:treasury or cold:treasury.
func (s *State) Treasury(wallet string) domain.Decimal {
	return s.Book[ledger.Wallet(s.BaseAsset, wallet)]
}

func checkAsset(field, asset string) error {
	if err := domain.CheckText(field, asset); err != nil {
		return err
	}
	switch {
	case strings.Contains(asset, "|") || len(asset) > 128:
		return domain.Invalid(field, "must be at most 128 bytes without |")
	case strings.TrimSpace(asset) != asset:
		return domain.Invalid(field, "begins or ends with a space")
	}
	return nil
}

// checkNewName refuses the name of an asset that nothing knows yet and that a person takes for
// one that the portfolio has: money booked under it would be missing in the other.
func (s *State) checkNewName(field, asset string) error {
	names := []string{s.BaseAsset}
	for _, w := range s.Custody.SortedWallets() {
		for _, a := range w.Assets {
			names = append(names, a.Asset)
		}
	}
	if slices.Contains(names, asset) {
		return nil
	}
	for _, name := range names {
		if treasury.Readable(name) == treasury.Readable(asset) && !s.booked(asset) {
			return domain.Invalid(field, "reads like %s, which the portfolio has, and is another name: write it exactly so", name)
		}
	}
	return nil
}

// booked reports that an account has some of an asset: what is booked can be corrected.
func (s *State) booked(asset string) bool {
	for account := range s.Book {
		if account.Asset == asset {
			return true
		}
	}
	return false
}

// checkDecimals refuses an amount that no transaction of an asset can have moved: the ledger
// would never agree with the chain again.
func (s *State) checkDecimals(asset string, amount domain.Decimal) error {
	for _, w := range s.Custody.SortedWallets() {
		if a, known := w.Asset(asset); known && amount != amount.Trunc(a.Decimals) {
			return domain.Invalid("amount", "has more than the %d decimals of %s on its chain", a.Decimals, asset)
		}
	}
	return nil
}

// requireAsset checks the asset of a command. The default is the base asset.
func (d *Decision) requireAsset(asset *string) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if *asset == "" {
		*asset = d.s.BaseAsset
	}
	if err := checkAsset("asset", *asset); err != nil {
		return err
	}
	return d.s.checkNewName("asset", *asset)
}

// requireOwner checks the bot that money is booked to, "" for the treasury. Bots
// hold only base asset.
func (d *Decision) requireOwner(bot, asset string) error {
	if bot == "" {
		return nil
	}
	if _, err := d.requireBot(bot); err != nil {
		return err
	}
	if asset != d.s.BaseAsset {
		return domain.Invalid("asset", "of a bot can only be %s; book other assets to the treasury", d.s.BaseAsset)
	}
	return nil
}

// maxMovementLeg leaves room for the index of a log in a block.
const maxMovementLeg = 1_000_000

func (d *Decision) checkMovement(wallet, asset string, amount domain.Decimal, tx string, leg int) error {
	if wallet != domain.WalletHot && wallet != domain.WalletCold {
		return domain.Invalid("wallet", "must be \"hot\" or \"cold\"")
	}
	if amount.Sign() <= 0 {
		return domain.Invalid("amount", "must be above 0")
	}
	if err := d.s.checkDecimals(asset, amount); err != nil {
		return err
	}
	if err := d.checkLargest("amount", amount); err != nil {
		return err
	}
	switch {
	case leg < 0 || leg > maxMovementLeg:
		return domain.Invalid("leg", "must be 0 to %d", maxMovementLeg)
	case leg > 0 && tx == "":
		return domain.Invalid("leg", "tells apart movements of one transaction; name it in tx")
	}
	return cmp.Or(domain.CheckOptionalText("tx", tx), d.checkIdentity("tx", tx))
}

// Deposit records money that came in. It is a flow and never trips a breaker.
func (d *Decision) Deposit(e *domain.DepositRecorded) error {
	if err := d.requireAsset(&e.Asset); err != nil {
		return err
	}
	if err := d.checkMovement(e.Wallet, e.Asset, e.Amount, e.Tx, e.Leg); err != nil {
		return err
	}
	if before, err := d.bookedBefore(movementOf(e.Asset, e.Wallet, e.Tx, e.Leg), e.Tx, e.Amount); before || err != nil {
		return err
	}
	d.emit(e)
	return nil
}

// Withdraw records money that went out. It is a fact and is never refused. If it
// leaves equity below 0, the breakers are evaluated.
func (d *Decision) Withdraw(e *domain.WithdrawalRecorded) error {
	if err := d.requireAsset(&e.Asset); err != nil {
		return err
	}
	if err := d.checkMovement(e.Wallet, e.Asset, e.Amount, e.Tx, e.Leg); err != nil {
		return err
	}
	if before, err := d.bookedBefore(movementOf(e.Asset, e.Wallet, e.Tx, e.Leg), e.Tx, e.Amount.Neg()); before || err != nil {
		return err
	}
	d.fact(e)
	if d.s.Equity().Sign() < 0 {
		d.evaluate(nil)
	}
	return nil
}

// RecordFee books a fee or rebate that belongs to no fill.
func (d *Decision) RecordFee(e *domain.FeeRecorded) error {
	if err := d.requireAsset(&e.Asset); err != nil {
		return err
	}
	switch e.Kind {
	case domain.FeeTrading, domain.FeeGas, domain.FeeRebate:
	default:
		return domain.Invalid("kind", "must be trading, gas or rebate")
	}
	if e.Amount.Sign() <= 0 {
		return domain.Invalid("amount", "must be above 0; use kind rebate for money that comes back")
	}
	if err := d.requireOwner(e.Bot, e.Asset); err != nil {
		return err
	}
	if err := d.checkFeeSize(e); err != nil {
		return err
	}
	moved := d.fact(e).Moved
	d.evaluate(moved)
	return nil
}

// Unread says what is wrong with a mark of the command that could not be read.
func (d *Decision) Unread(index int, err error) {
	if d.unread == nil {
		d.unread = map[int]error{}
	}
	d.unread[index] = err
}

// MarkPrices values instruments and assets. The caller's role is the source: feed
// or operator. Other roles, such as bot, may mark only in a paper portfolio.
func (d *Decision) MarkPrices(marks []domain.Mark) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if d.s.Mode == domain.ModeLive && d.caller.Role != domain.RoleFeed && d.caller.Role != domain.RoleOperator {
		return domain.Errorf(domain.CodeDenied, "marks of a live portfolio come from keys of role feed or operator")
	}
	if len(marks) == 0 || len(marks) > 1000 {
		return domain.Invalid("marks", "must hold 1 to 1000 marks")
	}
	if d.s.Policy.Second() {
		return d.markSecondEdition(marks)
	}
	kept := make([]domain.Mark, 0, len(marks))
	for n, m := range marks {
		if err := d.unread[n]; err != nil {
			return err
		}
		if err := d.checkMark(m); err != nil {
			return err
		}
		if d.s.archived(m.Market) {
			continue
		}
		if err := d.checkNewMark(m); err != nil {
			return err
		}
		// The payout is the last mark: a settled outcome has no other price.
		if in := d.s.Instruments[domain.Instrument{Market: m.Market, Outcome: m.Outcome}]; in != nil && in.Payout != nil {
			continue
		}
		kept = append(kept, m)
	}
	if len(kept) == 0 {
		d.Note(domain.NotedIgnored, "every market named is settled")
		return nil
	}
	e := &domain.PriceMarked{Source: d.caller.Role, Marks: kept}
	if d.caller.Role == domain.RoleFeed && slices.ContainsFunc(kept, func(m domain.Mark) bool { return m.Asset != "" }) {
		e.User = d.caller.User
	}
	moved := d.fact(e).Moved
	d.evaluate(moved)
	d.fillRestingOnPaper(kept, "")
	return nil
}

// Limits on the names that a bot's marks may add to a portfolio. Each name is
// kept permanently, so a bot that invents names would fill the memory.
const (
	maxMarkedByBots = 10_000
	maxAssetsByBots = 1_000
)

// checkNewMark refuses a bot's mark of an unknown name, one that was never
// registered, traded or marked, once a portfolio has too many of them.
func (d *Decision) checkNewMark(m domain.Mark) error {
	if d.caller.Role != domain.RoleBot {
		return nil
	}
	if m.Asset != "" {
		if d.s.Assets[m.Asset] == nil && len(d.s.Assets) >= maxAssetsByBots {
			return domain.Errorf(domain.CodeDenied, "the portfolio has %d assets, and none of this name: a new one has to be marked first by a key of role feed or operator", len(d.s.Assets))
		}
		return nil
	}
	in := domain.Instrument{Market: m.Market, Outcome: m.Outcome}
	if market := d.s.Markets[m.Market]; market != nil && slices.Contains(market.Outcomes, m.Outcome) {
		return nil
	}
	if d.s.Instruments[in] == nil && len(d.s.Instruments) >= maxMarkedByBots {
		return domain.Errorf(domain.CodeDenied, "the portfolio has %d outcomes with a mark, and none of this name: register the market first, or mark it with a key of role feed or operator", len(d.s.Instruments))
	}
	return nil
}

func (d *Decision) checkMark(m domain.Mark) error {
	if m.Asset != "" {
		switch {
		case m.Market != "" || m.Outcome != "":
			return domain.Invalid("marks", "name either market and outcome or an asset")
		case m.Asset == d.s.BaseAsset:
			return domain.Invalid("marks", "the base asset is always worth 1")
		case m.Price.Sign() < 0:
			return domain.Invalid("price", "must not be negative")
		}
		return checkAsset("asset", m.Asset)
	}
	if err := domain.CheckText("market", m.Market); err != nil {
		return err
	}
	if err := domain.CheckText("outcome", m.Outcome); err != nil {
		return err
	}
	return d.checkPrice("price", m.Market, m.Price)
}

// checkPrice keeps prices of outcome shares within 0..1.
func (d *Decision) checkPrice(field, market string, price domain.Decimal) error {
	if price.Sign() < 0 {
		return domain.Invalid(field, "must not be negative")
	}
	if d.s.KindOf(market) == domain.KindOutcome && domain.One.Less(price) {
		return domain.Invalid(field, "of an outcome share is between 0 and 1; register the market as spot or perp if it is neither")
	}
	return nil
}
