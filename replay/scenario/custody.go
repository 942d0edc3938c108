package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
)

// testChain is the chain of a scenario's wallets. There is no chain behind it: a
// scenario states itself what the chain would answer.
const testChain = "eip155:137"

// walletVerb registers a wallet that holds the base asset and the chain's coin.
func walletVerb(s *scenario, a *args) []commands.Command {
	return one(commands.RegisterWallet{
		Wallet: a.word("the wallet"), Place: a.word("hot or cold"), Chain: testChain, Address: a.word("the address"),
		Assets: []domain.WalletAsset{
			{Asset: s.state.BaseAsset, ID: testChain + "/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", Decimals: s.state.BaseDecimals},
			{Asset: "POL", ID: testChain + "/slip44:966", Decimals: 18, Native: true},
		},
	})
}

// addressOf returns a wallet's address, or "" for one that is not registered.
func (s *scenario) addressOf(wallet string) string {
	if w := s.state.Custody.Wallets[wallet]; w != nil {
		return w.Address
	}
	return ""
}

// keyVerb, loadedVerb, openedVerb and provenVerb record what was done with a key.
func keyVerb(s *scenario, a *args) []commands.Command {
	wallet := a.word("the wallet")
	return one(commands.RecordKey{Wallet: wallet, Address: s.addressOf(wallet), Origin: a.word("created or recovered"), Path: "m/44'/60'/0'/0/0", KeyID: "8b1a9953"})
}

func loadedVerb(s *scenario, a *args) []commands.Command {
	c := commands.LoadWallet{Wallet: a.word("the wallet"), Block: 1}
	c.Address = s.addressOf(c.Wallet)
	for more := true; more; more = a.more() {
		c.Balances = append(c.Balances, domain.WalletBalance{Asset: a.word("the asset"), Amount: a.number("the amount")})
	}
	return one(c)
}

func openedVerb(s *scenario, a *args) []commands.Command {
	wallet := a.word("the wallet")
	return one(commands.UseKey{Wallet: wallet, Address: s.addressOf(wallet), Purpose: a.option("purpose")})
}

func provenVerb(s *scenario, a *args) []commands.Command {
	wallet := a.word("the wallet")
	return one(commands.TestRecovery{Wallet: wallet, Address: s.addressOf(wallet)})
}

func contactVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.AddAddress{Chain: testChain, Address: a.word("the address"), Label: a.word("the label")})
}

func forgetVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.RemoveAddress{Chain: testChain, Address: a.word("the address"), Reason: a.option("reason")})
}

// retireVerb and missingVerb record that a wallet is not used any more, and that its key
// is gone.
func retireVerb(_ *scenario, a *args) []commands.Command {
	return one(commands.RetireWallet{Wallet: a.word("the wallet"), Reason: a.option("reason")})
}

func missingVerb(s *scenario, a *args) []commands.Command {
	wallet := a.word("the wallet")
	return one(commands.MissKey{Wallet: wallet, Address: s.addressOf(wallet), Detail: a.option("detail")})
}

func transferVerb(kind string) func(*scenario, *args) []commands.Command {
	return func(_ *scenario, a *args) []commands.Command {
		c := commands.RequestTransfer{
			From: a.word("where from"), To: a.word("where to"), Asset: a.option("asset"), HighestFee: a.amountOr("fee", domain.Zero),
			Reason: a.option("reason"), Sweep: kind == domain.TransferSweep, Evacuate: kind == domain.TransferEvacuation,
		}
		if kind == domain.TransferInternal || a.more() {
			c.Amount = a.number("the amount")
		}
		return one(c)
	}
}

// approveVerb approves a transfer by its hash; hash= approves another hash.
func approveVerb(s *scenario, a *args) []commands.Command {
	c := commands.ApproveTransfer{Transfer: last(a.word("the transfer"), s.transfer), Hash: a.option("hash")}
	if t := s.state.Custody.Transfers[c.Transfer]; t != nil && c.Hash == "" {
		if c.Hash = t.Hash; t.Raise != nil {
			c.Hash = t.Raise.Hash
		}
	}
	return one(c)
}

func raiseVerb(s *scenario, a *args) []commands.Command {
	return one(commands.RaiseFee{Transfer: last(a.word("the transfer"), s.transfer), HighestFee: a.number("the fee"), Reason: a.option("reason")})
}

func cancelVerb(s *scenario, a *args) []commands.Command {
	return one(commands.CancelTransfer{Transfer: last(a.word("the transfer"), s.transfer), HighestFee: a.amountOr("fee", domain.Zero), Reason: a.option("reason")})
}

func rejectVerb(s *scenario, a *args) []commands.Command {
	c := commands.RejectTransfer{Transfer: last(a.word("the transfer"), s.transfer), Reason: a.option("reason")}
	if a.option("signed") == "no" {
		c.Signed = new(bool)
	}
	return one(c)
}

// advanceVerb does what the server does with a transfer: prepare, sign and send
// it, and record the outcome on the chain.
func advanceVerb(s *scenario, a *args) []commands.Command {
	id, step := last(a.word("the transfer"), s.transfer), a.word("the step")
	fee, code := a.amountOr("fee", domain.Zero), a.option("code")
	t := s.state.Custody.Transfers[id]
	if t == nil {
		t = &treasury.Transfer{}
	}
	sum := sha256.Sum256([]byte(id + "/" + strconv.Itoa(len(t.Attempts))))
	p := commands.Prepared{Transaction: json.RawMessage("{}"), Nonce: nextNonce(s, t), Digest: hex.EncodeToString(sum[:]), Says: t.Payment}
	if t.Cancel != nil {
		p.Says, p.Cancel = t.Cancel.Payment, true
	}
	digest := ""
	if made := t.Last(); made != nil {
		digest = made.Digest
	}
	hash := "0x" + digest
	switch step {
	case "prepared":
		return one(commands.PrepareTransfer{Transfer: id, Prepared: p})
	case "again":
		return one(commands.PrepareAgain{Transfer: id, Prepared: p})
	case "repriced":
		return one(commands.RepriceTransfer{Transfer: id, Prepared: p})
	case "signed":
		return one(commands.SignTransfer{Transfer: id, Digest: digest, TxHash: hash})
	case "sent":
		return one(commands.BroadcastTransfer{Transfer: id, TxHash: hash})
	case "arrived":
		return one(commands.ConfirmTransfer{Transfer: id, TxHash: hash, Block: 1, Fee: fee})
	case "failed":
		c := commands.FailTransfer{Transfer: id, Code: code, Fee: fee}
		if code != domain.FailedRefused {
			c.TxHash = hash
		}
		return one(c)
	}
	if step == "reopened" {
		return one(commands.ReopenTransfer{Transfer: id, Code: orElse(code, domain.ReopenedUnused), Block: 1})
	}
	a.fail("%q is not a step; the steps are prepared, again, repriced, signed, sent, arrived, failed and reopened", step)
	return nil
}

// nextNonce keeps the nonce of a transfer that has one, and returns the next
// number for others.
func nextNonce(s *scenario, t *treasury.Transfer) uint64 {
	if made := t.Last(); made != nil {
		return made.Nonce
	}
	nonce := uint64(1)
	for _, other := range s.state.Custody.Transfers {
		if made := other.Last(); made != nil && other.From == t.From {
			nonce = max(nonce, made.Nonce+1)
		}
	}
	return nonce
}

// reconcileVerb states what the chain would answer, as pairs of WALLET/ASSET and
// AMOUNT.
func reconcileVerb(_ *scenario, a *args) []commands.Command {
	c := commands.Reconcile{Block: 1}
	for more := true; more; more = a.more() {
		wallet, asset, ok := strings.Cut(a.word("WALLET/ASSET"), "/")
		if !ok {
			a.fail("reconcile takes pairs of WALLET/ASSET and an amount")
			return nil
		}
		c.Readings = append(c.Readings, portfolio.Reading{Wallet: wallet, Asset: asset, Amount: a.number("the amount")})
	}
	return one(c)
}

func treasuryVerb(_ *scenario, a *args) []commands.Command {
	reason := a.option("reason")
	return one(commands.ChangeTreasuryPolicy{Policy: policyPatch(a), Reason: reason})
}

// signVerb requests the signature of an order as a bot would, with a quantity and
// the total amount paid or asked for it.
func signVerb(s *scenario, a *args) []commands.Command {
	c := commands.SignOrder{Permit: last(a.word("the permit"), s.permit)}
	o := &c.Order
	o.Side = domain.Side(a.word("buy or sell"))
	o.Quantity = a.number("the quantity")
	a.literal("for")
	o.Notional = a.number("the amount")
	o.Shape, o.Chain, o.Contract, o.Token = "scenario", testChain, "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E", orElse(a.option("token"), "7")
	o.FeeBPS, o.ExpiresAt = a.amountOr("fee_bps", domain.Zero), a.time("expires")
	if w := s.state.Custody.Main(domain.WalletHot); w != nil {
		o.Signer, o.Maker = w.Address, w.Address
		if base, ok := w.Asset(s.state.BaseAsset); ok {
			o.Collateral = base.ID
		}
	}
	if signer := a.option("signer"); signer != "" {
		o.Signer = signer
	}
	sum := sha256.Sum256([]byte(c.Permit + string(o.Side) + o.Quantity.String() + o.Notional.String() + o.Token))
	o.Digest = hex.EncodeToString(sum[:])
	return one(c)
}
