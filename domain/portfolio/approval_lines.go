package portfolio

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"pets/domain"
)

// TransferOfLines reads the lines of an approved transfer back: the inverse of
// [TransferLines], for those who have the lines and no ledger, such as the machine of a
// cold wallet. For an approved raise it also returns the former highest fee, otherwise 0.
// It refuses lines that [ApprovedLines] would write otherwise.
func TransferOfLines(lines []string) (t *domain.TransferRequested, former domain.Decimal, err error) {
	r := &lineReader{lines: lines}
	t = &domain.TransferRequested{Transfer: r.next("transfer")}
	if r.has(raisesFee) {
		former, _ = r.amount(raisesFee)
	}
	t.Kind = r.next("kind")
	t.Amount, t.Asset = r.amount("amount")
	from, sender, _ := strings.Cut(r.next("from"), ", the ")
	t.From = from
	t.FromPlace, t.Wallet, _ = strings.Cut(sender, " wallet ")
	t.To, t.ToPlace, _ = strings.Cut(r.next("to"), ", ")
	if r.has(recipientCalled) {
		t.ToName = r.quoted(recipientCalled)
	}
	if r.has(recipientSince) {
		t.ToSince = r.moment(recipientSince)
	}
	t.Chain, t.AssetID = r.next("chain"), r.next("asset")
	t.HighestFee, t.GasAsset = r.amount("highest fee")
	t.Hash = r.next("hash")
	t.ExpiresAt = r.moment("expires")
	t.User, t.Reason = r.quoted("requested by"), r.quoted("reason")
	if r.has("approvals") {
		t.Approvals = r.number("approvals")
	}
	for len(r.lines) > 0 && r.wrong == nil {
		t.ApprovalFor = append(t.ApprovalFor, r.quoted("needs approval because"))
	}
	if r.wrong != nil || !slices.Equal(ApprovedLines(t, former), lines) {
		return nil, domain.Zero, domain.Invalid("lines", "are not those of a transfer")
	}
	return t, former, nil
}

// lineReader takes lines one after another. After the first error it reads nothing.
type lineReader struct {
	lines []string
	wrong error
}

// next returns what stands behind the name in the next line.
func (r *lineReader) next(name string) string {
	if len(r.lines) == 0 || r.wrong != nil {
		r.keep(domain.Invalid("lines", "end before %s", name))
		return ""
	}
	text, is := strings.CutPrefix(r.lines[0], name+": ")
	if !is {
		r.keep(domain.Invalid("lines", "have no %s where it should be", name))
	}
	r.lines = r.lines[1:]
	return text
}

func (r *lineReader) keep(err error) {
	if r.wrong == nil {
		r.wrong = err
	}
}

// has reports whether the next line has a name.
func (r *lineReader) has(name string) bool {
	return len(r.lines) > 0 && strings.HasPrefix(r.lines[0], name+": ")
}

func (r *lineReader) number(name string) int {
	n, err := strconv.Atoi(r.next(name))
	r.keep(err)
	return n
}

func (r *lineReader) amount(name string) (domain.Decimal, string) {
	number, asset, _ := strings.Cut(r.next(name), " ")
	d, err := domain.ParseDecimal(number)
	r.keep(err)
	return d, asset
}

func (r *lineReader) moment(name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.next(name))
	r.keep(err)
	return t
}

func (r *lineReader) quoted(name string) string {
	text, err := strconv.Unquote(r.next(name))
	r.keep(err)
	return text
}
