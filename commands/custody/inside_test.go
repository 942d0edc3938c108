package custody

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/notice"
)

// Joined problems are reported one by one; a wrapped one is one.
func TestJoinedProblemsAreTakenApart(t *testing.T) {
	a, b := errors.New("a"), &TransferProblem{Transfer: "x1", Err: fmt.Errorf("%w: %w", ErrChainDisagrees, errors.New("b"))}
	require.Empty(t, each(nil))
	require.Equal(t, []error{a}, each(a))
	require.Equal(t, []error{b}, each(b))
	require.Equal(t, []error{a, b}, each(errors.Join(nil, a, b)))
}

// A store that hangs is waited for within the limit only.
func TestALookAtTheStateIsBounded(t *testing.T) {
	d := newDesk(t)
	d.custodian.o.StepTimeout = 20 * time.Millisecond
	gate := make(chan struct{})
	d.store.plan(fault{gate: gate})
	go func() {
		deposit := commands.RecordDeposit{Wallet: domain.WalletHot, Amount: dec("1")}
		_, _ = d.engine.Do(d.ctx(), "main", commands.Request{Caller: olga, Key: "k", Command: deposit})
	}()
	<-d.store.blocked
	start := time.Now()
	_, err := d.custodian.Work(d.ctx(), "main")
	require.Error(t, err)
	require.Less(t, time.Since(start), limit)
	close(gate)
	require.NoError(t, d.custodian.atHeadWithin(d.ctx(), "main", func(*portfolio.State) error { return nil }))
}

// A breach is engaged once: while the stop is engaged it is not repeated at every try;
// another breach is.
func TestABreachIsEngagedOnce(t *testing.T) {
	d := newDesk(t)
	var said []string
	d.custodian.o.Notify = func(n notice.Notice) { said = append(said, n.Text()) }
	for range 3 {
		d.custodian.breach(d.ctx(), "main", "transfer x1 is not what was approved")
	}
	require.Len(t, said, 1)
	for range 3 { // two at once
		d.custodian.breach(d.ctx(), "main", "the key of wallet hot-1 is that of another address")
		d.custodian.breach(d.ctx(), "main", "transfer x1 is not what was approved")
	}
	require.Len(t, said, 2)
	n := 0
	for _, kind := range d.types() {
		if kind == domain.EmergencyStopEngagedType {
			n++
		}
	}
	require.Equal(t, 2, n)
}
