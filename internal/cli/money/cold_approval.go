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
// the server has others at hand while a higher fee waits for its approval.
func coldApprovals(ledger, id string, t *projections.Transfer) []coldApproval {
	subject := approval.Subject{Ledger: ledger, Portfolio: id, Kind: approval.KindTransfer, Lines: approvedLines(t)}
	signatures := []*domain.ApprovalSignature{t.FirstSignature, t.Signature}
	if t.Raised != nil { // the first of two has signed the former fee
		signatures = signatures[1:]
	}
	var all []coldApproval
	for _, g := range signatures {
		if g != nil {
			all = append(all, coldApproval{Subject: subject, Signature: *g})
		}
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
		if field := f.differs(&a.Subject); field != "" {
			return domain.Errorf(domain.CodeConflict, "%s: what was approved is not this transfer: its %s differs. Do not sign it, and find out who changed it", file, field)
		}
		key, err := approval.ParsePublicKey(file+": approvals.signature.key", a.Signature.Key)
		if err != nil {
			return err
		}
		if err := approval.Verify(a.Signature, a.Subject, key); err != nil {
			return domain.Errorf(domain.CodeConflict, "%s: an approval is not signed with the key that it names. Do not sign it, and find out who changed it", file)
		}
		if seen[a.Signature.Key] || a.Subject.Ledger != f.Approvals[0].Subject.Ledger {
			return domain.Invalid(file+": approvals", "are of one key twice, or of two ledgers")
		}
		seen[a.Signature.Key] = true
	}
	return nil
}

// differs names what an approval says otherwise than the file, or returns "".
func (f *coldUnsigned) differs(s *approval.Subject) string {
	t, former, err := portfolio.TransferOfLines(s.Lines)
	switch {
	case s.Portfolio != f.Portfolio:
		return "portfolio"
	case s.Kind != approval.KindTransfer:
		return "kind"
	case err != nil:
		return "form"
	case t.Transfer != f.Transfer:
		return "transfer"
	case t.Hash != f.Hash:
		return "hash"
	case t.FromPlace != domain.WalletCold:
		return "wallet"
	}
	said := *t
	said.Payment = f.Payment
	if !slices.Equal(portfolio.ApprovedLines(&said, former), s.Lines) {
		return "payment"
	}
	if f.hashOf(t.Kind) != f.Hash {
		return "kind"
	}
	return ""
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
// that nobody has signed, or somebody whom this machine does not know.
func (p *pinned) signers(file string, f *coldUnsigned) ([]string, error) {
	if len(f.Approvals) == 0 {
		return nil, domain.Errorf(domain.CodeDenied, "%s holds no signature of an approver, so anybody can have made it; nothing was signed. A portfolio with signed approvals exports them", file)
	}
	var names []string
	for i := range f.Approvals {
		a := &f.Approvals[i]
		name, known := p.users[a.Signature.Key]
		if !known {
			return nil, domain.Errorf(domain.CodeDenied, "%s is approved with key %s, which is not in %s; nothing was signed", file, approval.Fingerprint(a.Signature.Key), p.file)
		}
		if p.ledger != "" && a.Subject.Ledger != p.ledger {
			return nil, domain.Errorf(domain.CodeDenied, "%s is approved in ledger %s, and %s has another one; nothing was signed", file, a.Subject.Ledger, p.file)
		}
		names = append(names, name)
	}
	return names, nil
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
