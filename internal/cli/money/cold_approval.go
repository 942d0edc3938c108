package money

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/vault"
	"pets/projections"
)

// coldApproval is a signed approval as a carried file has it.
type coldApproval struct {
	Subject   approval.Subject         `json:"subject"`
	Signature domain.ApprovalSignature `json:"signature"`
}

// coldApprovals returns the signed approvals of what is prepared of a transfer, nil if it was
// approved by an API key alone. The lines are made here, from what is shown of the transfer:
// the server has others at hand while a higher fee waits for its approval. After a raise the
// approvals of two people who agreed to the first fee follow that of the raise.
func coldApprovals(ledger, id string, t *projections.Transfer) []coldApproval {
	var all []coldApproval
	add := func(lines []string, signatures ...*domain.ApprovalSignature) {
		for _, g := range signatures {
			if g != nil {
				all = append(all, coldApproval{approval.Subject{Ledger: ledger, Portfolio: id, Kind: approval.KindTransfer, Lines: lines}, *g})
			}
		}
	}
	if t.Raised == nil {
		add(approvedLines(t), t.FirstSignature, t.Signature)
		return all
	}
	add(approvedLines(t), t.Signature)
	if b := t.BeforeRaises; b != nil && len(all) > 0 {
		asked := asRequested(t)
		asked.HighestFee, asked.Hash = b.HighestFee, b.Hash
		add(portfolio.TransferLines(asked), t.FirstSignature, b.Signature)
	}
	return all
}

// approvedLines are the lines of what was approved last of a transfer.
func approvedLines(t *projections.Transfer) []string {
	asked := asRequested(t)
	if r := t.Raised; r != nil {
		asked.User, asked.Reason, asked.ExpiresAt = r.RequestedBy, r.Reason, r.ExpiresAt
		return portfolio.ApprovedLines(asked, r.Former)
	}
	return portfolio.TransferLines(asked)
}

// checkApprovals refuses a file in which an approval is not one of exactly this transfer, or is
// not signed with the key that it names. Whose key that is is not known here.
func (f *coldUnsigned) checkApprovals(file string) error {
	seen := map[string]bool{}
	for i := range f.Approvals {
		a := &f.Approvals[i]
		if field := f.differs(i); field != "" {
			return domain.Errorf(domain.CodeConflict, "%s: what was approved is not this transfer: its %s differs. Do not sign it, and find out who changed it", file, field)
		}
		key, err := approval.ParsePublicKey(file+": approvals.signature.key", a.Signature.Key)
		if err != nil {
			return err
		}
		if err := approval.Verify(a.Signature, a.Subject, key); err != nil {
			return domain.Errorf(domain.CodeConflict, "%s: an approval is not signed with the key that it names. Do not sign it, and find out who changed it", file)
		}
		once := strings.Join(append([]string{a.Signature.Key}, a.Subject.Lines...), "\n")
		if seen[once] || a.Subject.Ledger != f.Approvals[0].Subject.Ledger {
			return domain.Invalid(file+": approvals", "are of one key twice, or of two ledgers")
		}
		seen[once] = true
	}
	return nil
}

// differs names what an approval says otherwise than the file, or returns "". The first one is
// of what is paid now. If that is a raise, later ones may be of the lower fee before it.
func (f *coldUnsigned) differs(i int) string {
	s := &f.Approvals[i].Subject
	t, former, err := portfolio.TransferOfLines(s.Lines)
	if err != nil {
		return "form"
	}
	pays, hash := f.Payment, f.Hash
	if i > 0 && former.IsZero() && f.raises() && t.HighestFee.Less(pays.HighestFee) {
		pays.HighestFee = t.HighestFee
		hash = treasury.Hash(f.Portfolio, &domain.TransferRequested{Transfer: f.Transfer, Kind: t.Kind, Payment: pays})
	}
	switch {
	case s.Portfolio != f.Portfolio:
		return "portfolio"
	case s.Kind != approval.KindTransfer:
		return "kind"
	case t.Transfer != f.Transfer:
		return "transfer"
	case t.Hash != hash:
		return "hash"
	case t.FromPlace != domain.WalletCold:
		return "wallet"
	}
	said := *t
	said.Payment = pays
	if !slices.Equal(portfolio.ApprovedLines(&said, former), s.Lines) {
		return "payment"
	}
	if f.hashOf(t.Kind) != f.Hash {
		return "kind"
	}
	return ""
}

// raises reports whether what is paid now was approved as a raise.
func (f *coldUnsigned) raises() bool {
	_, former, err := portfolio.TransferOfLines(f.Approvals[0].Subject.Lines)
	return err == nil && !former.IsZero()
}

// pinned is what the machine of a cold wallet knows by itself: whose key is whose.
type pinned struct {
	file   string
	ledger string            // "" if the file names none
	users  map[string]string // by public key
}

// readPinned reads a list of approvers' keys: one per line, a name and a public key; a line
// with ledger and its id; and comments after #.
func readPinned(file string) (*pinned, error) {
	p := &pinned{file: file, users: map[string]string{}}
	err := eachTrusted(file, func(name, value string) error {
		if name == "ledger" {
			if p.ledger != "" {
				return domain.Invalid(file, "names a ledger twice")
			}
			p.ledger = value
			return nil
		}
		if err := domain.CheckUser(file, name); err != nil {
			return err
		}
		key, err := approval.ParsePublicKey(file, value)
		if err != nil {
			return err
		}
		if p.users[key.String()] != "" {
			return domain.Invalid(file, "has the key %s twice", key.Fingerprint())
		}
		p.users[key.String()] = name
		return nil
	})
	if err == nil && len(p.users) == 0 {
		err = domain.Invalid(file, "has no approver's key")
	}
	return p, err
}

// signers returns who has approved a transfer, by the keys that are pinned. It refuses a file
// that nobody has signed, or somebody whom this machine does not know, or who asked for it, or
// fewer people than the signed lines say. Two keys of one name are one person.
func (p *pinned) signers(file string, f *coldUnsigned) ([]string, error) {
	if len(f.Approvals) == 0 {
		return nil, domain.Errorf(domain.CodeDenied, "%s holds no signature of an approver, so anybody can have made it; nothing was signed. A portfolio with signed approvals exports them", file)
	}
	var names, now, before []string
	needed := 1
	for i := range f.Approvals {
		a := &f.Approvals[i]
		name, known := p.users[a.Signature.Key]
		if !known {
			return nil, domain.Errorf(domain.CodeDenied, "%s is approved with key %s, which is not in %s; nothing was signed", file, approval.Fingerprint(a.Signature.Key), p.file)
		}
		if p.ledger != "" && a.Subject.Ledger != p.ledger {
			return nil, domain.Errorf(domain.CodeDenied, "%s is approved in ledger %s, and %s has another one; nothing was signed", file, a.Subject.Ledger, p.file)
		}
		t, _, err := portfolio.TransferOfLines(a.Subject.Lines)
		if err != nil {
			return nil, err
		}
		if domain.SameUser(name, t.User) {
			return nil, domain.Errorf(domain.CodeDenied, "%s is approved by %s, who asked for it; it takes another person, and nothing was signed", file, name)
		}
		needed = max(needed, t.Approvals)
		names = append(names, name)
		if t.Hash == f.Hash {
			now = append(now, strings.ToLower(name))
		} else {
			before = append(before, strings.ToLower(name))
		}
	}
	if f.raises() { // it takes one, after all who agreed to the first fee
		if needed > 1 {
			return names, p.enough(file+", before its fee was raised,", before, needed)
		}
		return names, nil
	}
	return names, p.enough(file, now, needed)
}

// enough refuses fewer different names than are needed.
func (p *pinned) enough(what string, names []string, needed int) error {
	slices.Sort(names)
	if has := len(slices.Compact(names)); has < needed {
		return domain.Errorf(domain.CodeDenied, "%s takes the approvals of %d people, and has those of %d by the names in %s; nothing was signed. Export it again, and find out why one is missing", what, needed, has, p.file)
	}
	return nil
}

// readAllowed reads a list of recipients: one per line, an address and a label.
func readAllowed(file string) (map[string]string, error) {
	labels := map[string]string{}
	err := eachTrusted(file, func(name, label string) error {
		address, err := chain.ParseAddress(name)
		if err != nil {
			return domain.Invalid(file, "%v", err)
		}
		if err := domain.CheckText(file, label); err != nil {
			return err
		}
		if labels[address.String()] != "" {
			return domain.Invalid(file, "has %s twice", address.String())
		}
		labels[address.String()] = label
		return nil
	})
	if err == nil && len(labels) == 0 {
		err = domain.Invalid(file, "has no address")
	}
	return labels, err
}

// eachTrusted reads a list that a person keeps on this machine: two words per line, the second
// of which may hold spaces, and comments. It refuses a file that others can write.
func eachTrusted(file string, take func(first, rest string) error) error {
	if err := vault.CheckTrustedFile(file); err != nil {
		return err
	}
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(r, maxCarried+1))
	if err != nil {
		return err
	}
	if len(text) > maxCarried {
		return domain.Errorf(domain.CodeTooLarge, "%s is larger than %d KiB", file, maxCarried>>10)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		first, rest, two := strings.Cut(line, " ")
		if rest = strings.TrimSpace(rest); !two || rest == "" {
			return domain.Invalid(file, "has something else than two words in line %d", n)
		}
		if err := take(first, rest); err != nil {
			return domain.Errorf(domain.CodeInvalid, "line %d: %v", n, err)
		}
	}
	return lines.Err()
}
