package notice

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// keptFor is how long a notice that nothing settles stays on a [Board].
const keptFor = time.Hour

// Standing is a notice that still needs a person.
type Standing struct {
	Kind    Kind      `json:"kind"`
	Subject string    `json:"subject,omitempty"`
	What    string    `json:"what"`
	Cause   string    `json:"cause,omitempty"`
	Since   time.Time `json:"since"`
}

// Board keeps the notices that still need a person, so that whoever asks is told the same as
// the log. It is a receiver of notices. The sender of a recurring problem settles it; any other
// notice stays for an hour.
type Board struct {
	now func() time.Time

	mu  sync.Mutex
	all map[about]Standing
}

type about struct {
	kind               Kind
	portfolio, subject string
}

func aboutOf(n *Notice) about { return about{n.Kind, n.Portfolio, n.Subject} }

// NewBoard returns an empty board.
func NewBoard(now func() time.Time) *Board { return &Board{now: now, all: map[about]Standing{}} }

// Post puts a notice on the board, unless the portfolio's own record shows it for as long as it
// lasts.
func (b *Board) Post(n Notice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.post(&n)
}

func (b *Board) post(n *Notice) {
	if slices.Contains(recorded, n.Kind) {
		return
	}
	s := Standing{Kind: n.Kind, Subject: n.Subject, What: n.Text(), Since: b.now()}
	if n.Err != nil {
		s.Cause = n.Err.Error()
	}
	if before, known := b.all[aboutOf(n)]; known && recurs(n.Kind) {
		s.Since = before.Since
	}
	b.all[aboutOf(n)] = s
}

// Settle says that of one kind and portfolio these notices hold now, and no others.
func (b *Board) Settle(kind Kind, portfolio string, held []Notice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	still := map[about]bool{}
	for i := range held {
		still[aboutOf(&held[i])] = true
		b.post(&held[i])
	}
	for k := range b.all {
		if k.kind == kind && k.portfolio == portfolio && !still[k] {
			delete(b.all, k)
		}
	}
}

// recorded are the kinds that the record of the portfolio shows for as long as they last.
var recorded = []Kind{BalanceDiffers, SecurityBreach, HotTooLong}

// settled are the kinds of recurring problems, which their sender settles.
var settled = []Kind{TransferStuck, ChainUnread, KeyUnusable, PortfolioUnread, Defect}

func recurs(kind Kind) bool { return slices.Contains(settled, kind) }

// Of returns what stands of a portfolio, and of all of them, the oldest first.
func (b *Board) Of(portfolio string) []Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []Standing{}
	for k, s := range b.all {
		switch {
		case !recurs(k.kind) && b.now().Sub(s.Since) >= keptFor:
			delete(b.all, k)
		case k.portfolio == portfolio || k.portfolio == "":
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(x, y Standing) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.What, y.What), cmp.Compare(x.Kind, y.Kind))
	})
	return out
}
