package money

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

// What comes next of a transfer is said in one line and a command; what frees one that stays
// as it is follows. Each command is one that is accepted in the state that it is printed for:
// whoever has to get out must not be sent in circles.

// standing is what the next steps of a transfer depend on, besides the transfer.
type standing struct {
	now time.Time
	// ways are the lines of what is in the way of every transfer that saves no money.
	ways    []string
	stopped bool // by the emergency stop
	// mostFee is the policy's max_transfer_fee.
	mostFee domain.Decimal
}

// nextStep is a sentence and the command that it is about, or a sentence alone.
type nextStep struct {
	says    string
	command []string
}

// sayNextStep prints what comes next: a command, or what is waited for, which was said before.
func (a *app) sayNextStep(p *cli.Printer, t *projections.Transfer, at standing) {
	for i, s := range nextSteps(t, at) {
		if i == 0 {
			p.Line("next: %s", s.says)
		} else if s.says != "" {
			p.Say(0, "%s", s.says)
		}
		if s.command != nil {
			a.Command(p, s.command...)
		}
	}
}

// nextSteps are the next step of a transfer, and what frees it if it stays as it is.
func nextSteps(t *projections.Transfer, at standing) []nextStep {
	cold := t.From == domain.WalletCold
	unsigned := show.LastAttempt(t) == nil || show.LastAttempt(t).TxHash == ""
	waiting := len(at.ways) > 0
	switch {
	case show.IsOver(t):
		return []nextStep{{"nothing; it is over", nil}}
	case neverSigned(t) && !at.now.Before(t.ExpiresAt):
		return []nextStep{{"nothing: its time is over, and the server records that it has expired. Ask again if it is still wanted. To see it end:", follow(t)}}
	case t.Barred != "" && t.Cancel == nil:
		return barredSteps(t)
	case waits(t):
		return []nextStep{approvalStep(t)}
	case elsewhere(t):
		return elsewhereSteps(t, at)
	case unsigned && waiting && !show.Urgent(t):
		return append([]nextStep{{"it waits for what is said above; once that is over, the server goes on with it. To see what it waits for:", follow(t)}}, endings(t, "if it is not wanted any more:")...)
	case cold && t.Status == treasury.Approved:
		return append([]nextStep{{"the server prepares the transaction when its turn comes; then it goes to the machine with the key. To see when:", follow(t)}}, stays(t, at)...)
	}
	return append([]nextStep{{"the server goes on with it by itself:", follow(t)}}, stays(t, at)...)
}

// approvalStep is the step of a second person.
func approvalStep(t *projections.Transfer) nextStep {
	first := t.FirstApprovedBy
	if t = pending(t); t.Status != treasury.Requested {
		first = ""
	}
	who := "somebody else than " + t.RequestedBy
	if first != "" {
		who += " and " + first
	}
	return nextStep{who + ", with the role approver:", []string{"approve", t.Transfer, "--hash", t.Hash}}
}

// barredSteps end a transfer of which nothing is signed or sent any more. What was sent may
// still arrive.
func barredSteps(t *projections.Transfer) []nextStep {
	why := "nothing of it is signed or sent any more: " + t.Barred + ". "
	if t.Status == treasury.Broadcast {
		steps := []nextStep{{why + "The server follows what was sent:", follow(t)}}
		return append(append(steps, endings(t, "if it stays here, use its number for nothing:")...), settling(t)...)
	}
	return append(endings(t, why+"End it:"), settling(t)...)
}

// elsewhereSteps are those of a transfer whose latest transaction waits for the machine with
// the key. Whether it may be signed now, the server has said (to_sign).
func elsewhereSteps(t *projections.Transfer, at standing) []nextStep {
	not, way := "", portfolio.Way("")
	if t.ToSign != nil && t.ToSign.Not != "" {
		not, way = "it must not be signed now: "+t.ToSign.Not+". ", t.ToSign.Way
	}
	var first nextStep
	switch {
	case t.Cancel != nil && !show.LastAttempt(t).Cancel:
		first = nextStep{"the server prepares the transaction that cancels it; then that goes to the machine with the key, and nothing else of it. To see when:", follow(t)}
	case way == portfolio.WayEnd:
		return append(endings(t, not+"End it."), settling(t)...)
	case way == portfolio.WayAgain && len(at.ways) > 0:
		first = nextStep{not + "It can be prepared again once what is said above is over. To see what it waits for:", follow(t)}
	case way == portfolio.WayAgain && !everSigned(t):
		first = nextStep{"the approval of the higher fee that it was made under has lapsed; prepare it again, within the fee that is approved:", []string{"transfer", "prepare", t.Transfer}}
	case way == portfolio.WayAgain:
		first = nextStep{"the approval of the higher fee that its latest transaction was made under has lapsed; the server follows what was sent before:", follow(t)}
	case way == portfolio.WayLook:
		first = nextStep{not + "Find out what happened:", []string{"events", "--type", "transfer"}}
	case way == portfolio.WayWait:
		first = nextStep{not + "To see it go on:", follow(t)}
	case show.LastAttempt(t).Cancel:
		first = nextStep{"the machine with the key signs what cancels it:", []string{"cold", "export", t.Transfer}}
	default:
		first = nextStep{"the machine with the key signs it:", []string{"cold", "export", t.Transfer}}
	}
	return append([]nextStep{first}, stays(t, at)...)
}

// stays are the ways out of a transfer that stays as it is.
func stays(t *projections.Transfer, at standing) []nextStep {
	var steps []nextStep
	if mayRaise(t, at) {
		steps = append(steps, nextStep{"if it stays here because its fee is too low (the server's log says so), a higher one:", []string{"transfer", "raise", t.Transfer, "--highest-fee", cli.Unsaid, "--reason", cli.Unsaid}})
	}
	says := "if it is not wanted any more, or stays here for another reason:"
	if t.Status == treasury.Broadcast {
		says = "if it stays here, or is not wanted any more, nothing at all with its number:"
	}
	if t.Cancel == nil {
		steps = append(steps, endings(t, says)...)
	}
	return append(steps, settling(t)...)
}

// endings are the commands that end a transfer on somebody's word: what was signed can be sent
// by whoever has it, so its number is used for something else.
func endings(t *projections.Transfer, says string) []nextStep {
	reject, cancel := []string{"reject", t.Transfer, "--reason", cli.Unsaid}, []string{"transfer", "cancel", t.Transfer, "--reason", cli.Unsaid}
	underWay := t.Status == treasury.Prepared || t.Status == treasury.Signed || t.Status == treasury.Broadcast
	switch {
	case !underWay || t.From == domain.WalletHot && t.Status != treasury.Broadcast:
		return []nextStep{{says, reject}}
	case t.Status == treasury.Prepared:
		return []nextStep{
			{says + " If it was never signed on the machine with the key:", append(reject, "--not-signed")},
			{"If it was signed, destroy the signed file, and use its number for nothing:", cancel},
		}
	}
	return []nextStep{{says, cancel}}
}

// settling is what two people do if the chain has a transaction that the server does not know.
func settling(t *projections.Transfer) []nextStep {
	onItsWay := t.Status == treasury.Signed || t.Status == treasury.Broadcast || t.Status == treasury.Prepared && t.From == domain.WalletCold
	if !onItsWay {
		return nil
	}
	return []nextStep{{"if a block explorer shows that another transaction than these has used its number, two people settle it:", []string{
		"override", "request", domain.OverrideTransfer, "transfer=" + t.Transfer, "outcome=…", "tx_hash=…", "block=…", "fee=…", "--reason", cli.Unsaid,
	}}}
}

// mayRaise reports whether a higher fee can be asked for now.
func mayRaise(t *projections.Transfer, at standing) bool {
	former := t.Payment.HighestFee
	if t.FeeNow.Sign() > 0 {
		former = t.FeeNow
	}
	tenth := domain.MustDecimal("1.1")
	switch {
	case t.Cancel != nil || t.Raise != nil || t.Status == treasury.Requested:
		return false
	case t.Status == treasury.Prepared && !at.now.Before(t.ExpiresAt):
		return false
	}
	return (!at.stopped || show.Urgent(t)) && !at.mostFee.Less(former.Mul(tenth))
}

func follow(t *projections.Transfer) []string { return []string{"transfers", t.Transfer, "--follow"} }

// everSigned reports whether a signature of the transfer is known to the server.
func everSigned(t *projections.Transfer) bool {
	for i := range t.Attempts {
		if t.Attempts[i].TxHash != "" {
			return true
		}
	}
	return false
}

// neverSigned reports that nothing of it was signed, here or elsewhere: it expires.
func neverSigned(t *projections.Transfer) bool {
	return t.Status == treasury.Requested || t.Status == treasury.Approved || t.Status == treasury.Prepared && t.From == domain.WalletHot
}
