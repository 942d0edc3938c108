package live

import (
	"fmt"
	"runtime/debug"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/views"
	"pets/projections"
)

// Reader is a read model of one portfolio. The package comment says what it may
// rely on.
type Reader = projections.Projection

// Attachment is a kind of reader that is attached to every portfolio.
type Attachment[R Reader] struct {
	name string
	make func(portfolio string, p projections.Pieces) R
}

// attachment is an Attachment of any reader.
type attachment interface {
	newReader(portfolio string, p projections.Pieces) Reader
	called() string
}

func (a *Attachment[R]) newReader(portfolio string, p projections.Pieces) Reader {
	return a.make(portfolio, p)
}

func (a *Attachment[R]) called() string { return a.name }

// Attach makes every portfolio that is opened from now on create a reader, which
// sees its whole history, or, if it is a [projections.Kept], what came after a checkpoint of
// it. What it writes and seldom reads again it may append to its pieces. The name is for
// messages, and for the reader's part of a checkpoint. A portfolio may create another reader
// later, which takes the place of the first.
func Attach[R Reader](f *Followers, name string, make func(portfolio string, p projections.Pieces) R) *Attachment[R] {
	a := &Attachment[R]{name: name, make: make}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made = append(f.made, a)
	return a
}

// Of returns the reader of a portfolio, for use within [Portfolio.Read] only. The
// error reports that the reader failed, or was attached after the portfolio was
// opened.
func (a *Attachment[R]) Of(p *Portfolio) (R, error) {
	var none R
	for _, r := range p.now.riders {
		if r.of != attachment(a) {
			continue
		}
		if err := r.trouble(); err != nil {
			return none, p.refused(a.name, err)
		}
		if of, ok := r.Reader.(R); ok {
			return of, nil
		}
	}
	return none, domain.Errorf(domain.CodeInternal, "%s is not attached to portfolio %s", a.name, p.id)
}

// rider keeps a failing reader from affecting the others.
type rider struct {
	Reader
	of        attachment
	portfolio *Portfolio
	file      *views.File // nil if its pieces are in memory
	failed    error       // guarded by the runner, like the reader
}

// Apply implements [Reader].
func (r *rider) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
	if r.failed != nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			r.failed = fmt.Errorf("%s failed at revision %d: %v", r.of.called(), rec.Revision, v)
			r.portfolio.log.Error("a reader failed and is detached; its reads are refused", "portfolio", r.portfolio.id, "reader", r.of.called(),
				"revision", rec.Revision, "error", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	r.Reader.Apply(rec, e, s)
}

// trouble returns why the reader cannot answer, or nil.
func (r *rider) trouble() error {
	if r.failed != nil {
		return r.failed
	}
	if kept, is := r.Reader.(projections.Kept); is {
		return kept.Err()
	}
	return nil
}
