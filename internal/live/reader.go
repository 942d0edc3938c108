package live

import (
	"fmt"
	"runtime/debug"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/projections"
)

// Reader is a read model of one portfolio. The package comment says what it may
// rely on.
type Reader = projections.Projection

// Attachment is a kind of reader that is attached to every portfolio.
type Attachment[R Reader] struct {
	name string
	make func(portfolio string) R
}

// attachment is an Attachment of any reader.
type attachment interface {
	newReader(portfolio string) Reader
	called() string
}

func (a *Attachment[R]) newReader(portfolio string) Reader { return a.make(portfolio) }

func (a *Attachment[R]) called() string { return a.name }

// Attach makes every portfolio that is opened from now on create a reader, which
// sees its whole history. The name is for messages.
func Attach[R Reader](f *Followers, name string, make func(portfolio string) R) *Attachment[R] {
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
	for _, r := range p.riders {
		if r.of != attachment(a) {
			continue
		}
		if r.failed != nil {
			return none, &domain.Error{Code: domain.CodeUnavailable, Message: a.name + " cannot be followed for this portfolio; see the server's log", Cause: r.failed}
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
	failed    error // guarded by the runner, like the reader
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
