package portfolio

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/treasury"
)

// Approval is something that waits for a second person.
type Approval struct {
	// Kind is one of the kinds of package approval, ID the name of the transfer, of
	// the override, or of the request to clear.
	Kind        string
	ID          string
	RequestedBy string
	ExpiresAt   time.Time // zero if it waits for ever
	// Signed reports that it has to be signed.
	Signed bool
	// Subject is what the signature is over.
	Subject approval.Subject
}

// Approvals lists what waits for a second person at a time, in the order of the
// requests. ledger is the id of the ledger.
func (s *State) Approvals(ledger string, now time.Time) []Approval {
	var all []Approval
	add := func(kind, id string) {
		if a, waits := s.ApprovalOf(ledger, kind, id); waits && a.Waits(now) {
			all = append(all, a)
		}
	}
	for _, t := range s.Custody.OpenTransfers() {
		if !t.Lapsed(now) {
			add(approval.KindTransfer, t.Transfer)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Overrides)) {
		if !s.isOver(s.Overrides[id]) {
			add(approval.KindOverride, id)
		}
	}
	add(approval.KindClear, s.Stop.Request)
	slices.SortStableFunc(all, func(a, b Approval) int { return cmp.Compare(domain.RevisionOf(a.ID), domain.RevisionOf(b.ID)) })
	return all
}

// ApprovalOf returns what stands to be approved under a name, or false if nothing of
// this kind and name waits for a second person. Whether it has expired is for the
// caller to compare. The lines depend on nothing that may change until then.
func (s *State) ApprovalOf(ledger, kind, id string) (Approval, bool) {
	a := Approval{Kind: kind, ID: id, Signed: s.SignedApprovals}
	var lines []string
	switch kind {
	case approval.KindTransfer:
		t := s.Custody.Transfers[id]
		switch {
		case t == nil || t.Status != treasury.Requested && (t.Raise == nil || !t.Open()):
			return a, false
		case t.Status == treasury.Requested:
			a.RequestedBy, a.ExpiresAt = t.User, t.ExpiresAt
			lines = TransferLines(&t.TransferRequested)
		default:
			a.RequestedBy, a.ExpiresAt = t.Raise.User, t.Raise.ExpiresAt
			lines = raised(t, t.Raise)
		}
	case approval.KindOverride:
		o := s.Overrides[id]
		if o == nil || o.ConfirmedBy != "" {
			return a, false
		}
		a.RequestedBy, a.ExpiresAt = o.User, o.ExpiresAt
		if k, known := OverrideKindOf(o.Kind); known && k.AlwaysSigned {
			a.Signed = true
		}
		lines = s.overrideLines(o)
	case approval.KindClear:
		if id == "" || id != s.Stop.Request {
			return a, false
		}
		a.RequestedBy, a.ExpiresAt = s.Stop.Requester, s.Stop.RequestEnds
		lines = s.clearLines()
	default:
		return a, false
	}
	a.Subject = approval.Subject{Ledger: ledger, Portfolio: s.Portfolio, Kind: kind, Lines: lines}
	return a, true
}

// Waits reports whether a request has not expired.
func (a *Approval) Waits(now time.Time) bool { return a.ExpiresAt.IsZero() || now.Before(a.ExpiresAt) }

// ApprovedTransfer returns what was approved of a transfer that has not ended: what
// [State.ApprovalOf] returned before it was approved.
func (s *State) ApprovedTransfer(ledger, id string) (Approval, bool) {
	t := s.Custody.Transfers[id]
	if t == nil || !t.Open() || t.ApprovedBy == "" {
		return Approval{}, false
	}
	a := Approval{Kind: approval.KindTransfer, ID: id, RequestedBy: t.User, ExpiresAt: t.ExpiresAt, Signed: t.Signature != nil}
	lines := TransferLines(&t.TransferRequested)
	if r := t.Raised; r != nil {
		a.RequestedBy, a.ExpiresAt, lines = r.User, r.ExpiresAt, raised(t, &r.Raise)
	}
	a.Subject = approval.Subject{Ledger: ledger, Portfolio: s.Portfolio, Kind: approval.KindTransfer, Lines: lines}
	return a, true
}

// line writes one line of a subject. Texts of people stand in quotes, so that none
// can look like the end of its line or like another one.
func line(name string, value any) string { return fmt.Sprintf("%s: %v", name, value) }

func quoted(name, text string) string { return line(name, strconv.QuoteToGraphic(text)) }

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// TransferLines are the lines that an approver of a transfer is shown and signs.
func TransferLines(t *domain.TransferRequested) []string {
	lines := []string{
		line("transfer", t.Transfer),
		line("kind", t.Kind),
		line("amount", t.Amount.String()+" "+t.Asset),
		line("from", fmt.Sprintf("%s, the %s wallet %s", t.From, t.FromPlace, t.Wallet)),
		line("to", t.To+", "+t.ToPlace),
	}
	if t.ToName != "" { // requests of older builds lack it, and their lines are what was signed
		lines = append(lines, quoted(recipientCalled, t.ToName))
	}
	if !t.ToSince.IsZero() {
		lines = append(lines, line(recipientSince, moment(t.ToSince)))
	}
	lines = append(lines,
		line("chain", t.Chain),
		line("asset", t.AssetID),
		line("highest fee", t.HighestFee.String()+" "+t.GasAsset),
		line("hash", t.Hash),
		line("expires", moment(t.ExpiresAt)),
		quoted("requested by", t.User),
		quoted("reason", t.Reason),
	)
	if t.Approvals > 1 {
		lines = append(lines, line("approvals", t.Approvals))
	}
	for _, why := range t.ApprovalFor {
		lines = append(lines, quoted("needs approval because", why))
	}
	return lines
}

// raised returns what is approved with a request for a higher fee.
func raised(t *treasury.Transfer, r *treasury.Raise) []string {
	asked := t.TransferRequested
	asked.HighestFee, asked.Hash, asked.User, asked.Reason, asked.ExpiresAt = r.HighestFee, r.Hash, r.User, r.Reason, r.ExpiresAt
	return ApprovedLines(&asked, r.Former)
}

// ApprovedLines are the lines that an approver is shown and signs: those of a transfer, or,
// with its highest fee before a raise, those of the raise: the whole transfer with the new
// fee, and the former one after its name. A raise takes one approver; its lines still say how
// many the transfer took, so that who has nothing but the lines can ask for all of them.
func ApprovedLines(t *domain.TransferRequested, former domain.Decimal) []string {
	if former.IsZero() {
		return TransferLines(t)
	}
	return slices.Insert(TransferLines(t), 1, line(raisesFee, former.String()+" "+t.GasAsset))
}

// The names of lines that not every transfer has: raisesFee is that of a raise.
const (
	raisesFee       = "raises the highest fee from"
	recipientCalled = "recipient"
	recipientSince  = "recipient known since"
)

// clearLines are those of the open request to clear the emergency stop. A copy of the ledger
// has the same id, and gives a request the same name: the time tells the two apart. Requests
// of older builds lack it, and their lines are what was signed.
func (s *State) clearLines() []string {
	lines := []string{
		line("clear", s.Stop.Request),
		line("stop", s.Stop.Kind),
		quoted("reason of the stop", s.Stop.Reason),
		line("stopped since", moment(s.Stop.Since)),
		quoted("requested by", s.Stop.Requester),
	}
	if !s.Stop.RequestEnds.IsZero() {
		lines = append(lines, line("requested", moment(s.Stop.RequestedAt)), line("expires", moment(s.Stop.RequestEnds)))
	}
	return lines
}

// overrideLines are those of an open request. What it carries, and what it is about, are
// written by its kind.
func (s *State) overrideLines(o *Override) []string {
	k, _ := OverrideKindOf(o.Kind)
	lines := []string{line("override", o.ID), line("kind", o.Kind)}
	if o.Portfolio != "" {
		lines = append(lines, line("portfolio", o.Portfolio))
	}
	if k.content != nil {
		lines = append(lines, k.content(s, o)...)
	} else {
		lines = append(lines, patchLines(o.Limits)...)
	}
	if o.Difference != nil {
		lines = append(lines, differenceLine(o))
	}
	if o.Checked != nil {
		lines = append(lines, checkedLines(o.Checked)...)
	}
	lines = append(lines, line("expires", moment(o.ExpiresAt)), quoted("requested by", o.User), quoted("reason", o.Reason))
	if k.subject != nil {
		lines = append(lines, k.subject(s, o)...)
	}
	return lines
}

// patchLines are the keys and values of a JSON object, sorted. A key that stands there
// twice, of which readers may take either value, is shown as often.
func patchLines(patch json.RawMessage) []string {
	if len(patch) == 0 {
		return nil
	}
	var lines []string
	dec := json.NewDecoder(strings.NewReader(string(patch)))
	if open, err := dec.Token(); err == nil && open == json.Delim('{') {
		for dec.More() {
			var value json.RawMessage
			key, err := dec.Token()
			if err != nil || dec.Decode(&value) != nil {
				break
			}
			lines = append(lines, line("sets "+strconv.QuoteToGraphic(fmt.Sprint(key)), legible(value)))
		}
	}
	slices.SortStableFunc(lines, strings.Compare)
	return lines
}

// legible writes JSON on one line, with escapes for what cannot be seen.
func legible(value json.RawMessage) string {
	var out strings.Builder
	for _, r := range string(value) {
		switch {
		case r == '\n' || r == '\r' || r == '\t': // outside of texts; JSON has no others
			out.WriteByte(' ')
		case r == ' ' || unicode.IsGraphic(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// Approvers tells the decision which approvers' keys there are. Callers without a
// system stream, and so without API keys, do not call it: nothing can be signed then,
// and a portfolio opens with approvals by API key alone.
func (d *Decision) Approvers(a approval.Approvers) { d.approvers, d.approversKnown = a, true }

// SignedWith sets the signature that came with the command.
func (d *Decision) SignedWith(g *domain.ApprovalSignature) { d.signature = g }

// SignedAt returns the time at which an approver's key has to count for a record of
// that time: the wall clock's, which the stream's time may be ahead of. behind is how
// far the wall clock was behind the last record.
func (s *State) SignedAt(recorded time.Time, behind domain.Duration) time.Time {
	return recorded.Add(-time.Duration(s.ClockOffset + behind))
}

// checkApproval refuses an approval whose signature is missing or does not fit. The
// decision calls it when nothing else is left to refuse.
func (d *Decision) checkApproval(kind, id string) error {
	a, waits := d.s.ApprovalOf(d.approvers.Ledger, kind, id)
	if !waits {
		return domain.Errorf(domain.CodeInternal, "what is approved does not wait for it")
	}
	needed := d.s.SignedApprovals || d.approversKnown && a.Signed
	if d.signature == nil && !needed {
		return nil
	}
	return d.approvers.Check(d.signature, a.Subject, d.caller.User, d.s.SignedAt(d.now, domain.Duration(d.still.Behind)))
}

// requireApprover refuses signed approvals as long as nobody could give one.
func (d *Decision) requireApprover() error {
	if d.approvers.Counting(d.s.SignedAt(d.now, domain.Duration(d.still.Behind))) {
		return nil
	}
	return domain.Errorf(domain.CodeConflict, "no approver's key counts yet, so nobody could clear a stop of this portfolio or approve a transfer. An approver makes a key with pets apikey request, an admin registers its public half with POST /v1/approvers: the first one of a ledger counts at once, later ones after 24 h or by the word of another approver")
}

// checkSignedApprovals refuses an override that has nothing to switch.
func (d *Decision) checkSignedApprovals(portfolio string, limits json.RawMessage) error {
	switch {
	case portfolio != "":
		return domain.Invalid("portfolio", "is not allowed with signed_approvals, which concerns this portfolio")
	case len(limits) > 0:
		return domain.Invalid("limits", "are not allowed with signed_approvals")
	case d.s.Mode != domain.ModeLive:
		return domain.Errorf(domain.CodeConflict, "approvals in a paper portfolio are not signed: it holds no money")
	case d.s.SignedApprovals:
		return domain.Errorf(domain.CodeConflict, "approvals in this portfolio are signed already; there is no way back")
	}
	return d.requireApprover()
}

// confirmSigned has every later approval signed.
func (d *Decision) confirmSigned(o *Override, e *domain.OverrideRecorded) error {
	if err := d.checkSignedApprovals(o.Portfolio, o.Limits); err != nil {
		return err
	}
	d.emit(e)
	return nil
}

// signFromHere folds it. Approvals given by API key before stay valid.
func (s *State) signFromHere(*domain.OverrideRecorded) {
	if !s.SignedApprovals {
		s.approvedEarlier()
	}
	s.SignedApprovals = true
}
