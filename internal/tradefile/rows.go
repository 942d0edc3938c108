package tradefile

import (
	"strconv"

	"pets/domain"
)

// One function per format. If several cells are wrong, the first one read is
// reported, which need not be the leftmost.

func readFill(c *cells) Row {
	kind := c.kind()
	return Row{Time: c.time(), Fill: &Fill{
		Bot:      c.bot(colBot),
		Venue:    c.venue(),
		Market:   c.market(),
		Outcome:  c.outcome(colOutcome),
		TradeID:  c.text(colTradeID, domain.CheckText),
		Kind:     kind,
		Side:     c.side(),
		Quantity: c.quantity(),
		Price:    c.price(kind),
		Notional: c.notional(),
		Fee:      c.decimal(colFee), // a rebate is negative, where the rules of the portfolio know that
		FeeAsset: c.shared(colFeeAsset, domain.CheckOptionalText),
	}}
}

// readFunding reads what holding a position brought or cost. The first row of a spot or
// perp market registers it, as a fill does.
func readFunding(c *cells) Row {
	return Row{Time: c.time(), Funding: &Funding{
		Bot:       c.bot(colBot),
		Market:    c.market(),
		Outcome:   c.outcome(colOutcome),
		FundingID: c.text(colFundingID, domain.CheckText),
		Kind:      c.kind(),
		Amount:    c.signed(colAmount),
	}}
}

// readMovement reads money that came in from outside, or went out.
func readMovement(c *cells) Row {
	return Row{Time: c.time(), Movement: &Movement{
		Withdrawal: c.oneOf(colKind, "deposit", "withdrawal") == "withdrawal",
		Wallet:     c.oneOf(colWallet, domain.WalletHot, domain.WalletCold),
		Asset:      c.shared(colAsset, domain.CheckOptionalText),
		Tx:         c.text(colTx, domain.CheckOptionalText),
		Leg:        c.leg(),
		Amount:     c.positive(colAmount),
	}}
}

// readFee reads a fee or a rebate that belongs to no fill.
func readFee(c *cells) Row {
	return Row{Time: c.time(), Fee: &Fee{
		Bot:    c.bot(colBot),
		Kind:   c.oneOf(colKind, domain.FeeTrading, domain.FeeGas, domain.FeeRebate),
		Amount: c.positive(colAmount),
	}}
}

// readMarket reads a market's registration. Its outcomes stand in one cell, between bars.
func readMarket(c *cells) Row {
	m := &Market{
		Market:    c.market(),
		Category:  c.shared(colCategory, domain.CheckOptionalText),
		Kind:      c.kind(),
		Outcomes:  c.outcomes(),
		Exclusive: c.flag(colExclusive),
	}
	if m.Kind == "" {
		m.Kind = domain.KindOutcome
	}
	return Row{Time: c.time(), Market: m}
}

func readSets(c *cells) Row {
	s := &Sets{
		Bot:      c.bot(colBot),
		Market:   c.market(),
		Action:   c.oneOf(colAction, domain.SplitSets, domain.MergeSets),
		Quantity: c.quantity(),
		SetID:    c.text(colSetID, domain.CheckText),
	}
	if len(c.raw(colFee)) > 0 {
		s.Fee = c.fee()
	}
	return Row{Time: c.time(), Sets: s}
}

func readSettlement(c *cells) Row {
	bot := ""
	if len(c.raw(colBot)) > 0 {
		bot = c.bot(colBot)
	}
	if string(c.raw(colPayout)) == "void" {
		if s := c.raw(colOutcome); len(s) > 0 {
			c.refuse(colOutcome, "%s must be empty where the payout is void: all outcomes of the market are", shown(string(s)))
		}
		return Row{Time: c.time(), Settlement: &Settlement{Bot: bot, Market: c.market(), Void: true}}
	}
	return Row{Time: c.time(), Settlement: &Settlement{
		Bot:     bot,
		Market:  c.market(),
		Outcome: c.outcome(colOutcome),
		Payout:  c.payout(),
	}}
}

func readTrade(c *cells) Row {
	return Row{Time: c.time(), Trade: &Trade{
		Bot:     c.bot(colBot),
		Market:  c.market(),
		TradeID: c.text(colTradeID, domain.CheckText),
		PnL:     c.decimal(colPnL),
		Fee:     c.fee(),
	}}
}

// readWallet reads a row of a wallet's ledger. cash is the money that moved, + is
// received; price is rounded for display. tx is not an id: one transaction fills
// and redeems several rows.
func readWallet(c *cells) Row {
	row := Row{Time: c.time()}
	c.ignored(colTx)
	switch kind := c.oneOf(colKind, "trade", "redeem", "rebate", domain.SplitSets, domain.MergeSets); kind {
	case "trade":
		row.Fill = c.walletTrade()
	case "redeem":
		c.mustBeEmpty(kind, colOutcome, colSide, colPrice)
		row.Redeem = c.walletRedeem()
	case domain.SplitSets, domain.MergeSets:
		c.mustBeEmpty(kind, colOutcome, colSide, colPrice)
		row.Sets = c.walletSets(kind)
	case "rebate":
		c.mustBeEmpty(kind, colMarket, colOutcome, colSide, colPrice)
		if len(c.raw(colQuantity)) > 0 {
			c.atLeastZero(colQuantity, "")
		}
		row.Rebate = &Rebate{Bot: c.opt.Bot, Amount: c.atLeastZero(colCash, "; a rebate brings cash")}
	}
	return row
}

func (c *cells) walletTrade() *Fill {
	f := &Fill{
		Bot:      c.opt.Bot,
		Market:   c.market(),
		Outcome:  c.outcome(colOutcome),
		Kind:     domain.KindOutcome,
		Side:     c.side(),
		Quantity: c.quantity(),
		Price:    c.price(domain.KindOutcome),
	}
	cash := c.decimal(colCash)
	switch {
	case f.Side == domain.Buy && cash.Sign() > 0:
		c.refuse(colCash, "%s is above 0, but a buy pays", shown(string(c.raw(colCash))))
	case f.Side == domain.Sell && cash.Sign() < 0:
		c.refuse(colCash, "%s is below 0, but a sell brings cash", shown(string(c.raw(colCash))))
	}
	notional := cash.Abs()
	f.Notional = &notional
	return f
}

func (c *cells) walletRedeem() *Redeem {
	r := &Redeem{
		Bot:      c.opt.Bot,
		Market:   c.market(),
		Quantity: c.atLeastZero(colQuantity, ""),
		Cash:     c.atLeastZero(colCash, "; a redeem brings cash"),
	}
	if r.Quantity.Less(r.Cash) {
		c.refuse(colCash, "%s is above the quantity, but a token pays at most 1", shown(string(c.raw(colCash))))
	}
	return r
}

// walletSets reads sets that were bought or given back for 1 each. What the cash is short
// of that, or over it, is the fee.
func (c *cells) walletSets(action string) *Sets {
	s := &Sets{Bot: c.opt.Bot, Market: c.market(), Action: action, Quantity: c.quantity()}
	cash := c.decimal(colCash)
	s.Fee = s.Quantity.Sub(cash)
	if action == domain.SplitSets {
		s.Fee = cash.Add(s.Quantity).Neg()
	}
	switch {
	case action == domain.SplitSets && s.Fee.Sign() < 0:
		c.refuse(colCash, "%s is not what a split costs: −quantity, or less with a fee", shown(string(c.raw(colCash))))
	case action == domain.MergeSets && (s.Fee.Sign() < 0 || cash.Sign() < 0):
		c.refuse(colCash, "%s is not what a merge brings: the quantity, or less with a fee", shown(string(c.raw(colCash))))
	}
	return s
}

func readBotFill(c *cells) Row {
	c.ignored(colOrderID)
	c.oneOf(colStatus, "PARTIAL", "FILLED") // any other state is not that of a fill
	return Row{Time: c.time(), Fill: &Fill{
		Bot:      c.bot(colStrategy),
		Market:   c.market(),
		Outcome:  c.outcome(colTokenID),
		TradeID:  c.text(colVenueTradeID, domain.CheckText),
		Kind:     domain.KindOutcome,
		Side:     c.side(),
		Quantity: c.quantity(),
		Price:    c.price(domain.KindOutcome),
	}}
}

// readResolution reads the venue's payout or, with --as-trades, the bot's own
// profit. It checks both in either case.
func readResolution(c *cells) Row {
	row := Row{Time: c.time()}
	s := &Settlement{Market: c.market(), Outcome: c.outcome(colTokenID), Payout: c.payout()}
	pnl := c.decimal(colReportedPnL)
	if c.opt.AsTrades {
		row.Trade = &Trade{Bot: c.opt.Bot, Market: s.Market, PnL: pnl}
	} else {
		row.Settlement = s
	}
	return row
}

// tapeBots is how many bots the rows of a tape, which has no account, are
// distributed to.
const tapeBots = 10

func readTape(c *cells) Row {
	c.ignored(colTokenID)
	return Row{Time: c.timeMs(), Fill: &Fill{
		Bot:      tapeBotNames[c.number%tapeBots],
		Market:   c.market(),
		Outcome:  c.outcome(colOutcome),
		TradeID:  strconv.Itoa(c.number),
		Kind:     domain.KindOutcome,
		Side:     c.side(),
		Quantity: c.quantity(),
		Price:    c.price(domain.KindOutcome),
	}}
}

var tapeBotNames = [tapeBots]string{"bot0", "bot1", "bot2", "bot3", "bot4", "bot5", "bot6", "bot7", "bot8", "bot9"}
