package custody

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/notice"
)

// Options of a [Custodian]: the adapters that hold keys, talk to the chain and read typed
// data, and some times. If an adapter is nil, requests that need it are refused.
type Options struct {
	Signer Signer
	Chain  Chain
	// Orders reads EIP-712 typed data of known shapes.
	Orders func(typedData []byte) (domain.TypedOrder, [32]byte, error)
	// Collaterals are the CAIP-19 ids of what the known orders of a chain are paid in; it may
	// be nil.
	Collaterals func(chain string) []string
	Sealer      Sealer
	// Resealing is called for every wallet that a rotation has recorded; it may be nil.
	Resealing func(done, total int, wallet string)
	// Notify receives the notices for people; it may be nil.
	Notify notice.Notify
	// Board is told which of the recurring problems still hold; it may be nil.
	Board *notice.Board
	// RepriceAfter is how long a transaction may wait before it gets a higher fee; 0 is
	// five minutes.
	RepriceAfter time.Duration
	// CompareAgainAfter is how long a reconciliation that found a difference waits before it
	// compares again: a fill may be on the chain a moment before it is reported. 0 is three
	// seconds.
	CompareAgainAfter time.Duration
	// StepTimeout bounds one step of one transfer, and one reading of balances; 0 is a
	// minute.
	StepTimeout time.Duration
}

// Custodian signs and moves money for the portfolios of an engine. It is safe for
// concurrent use, and any number of them, in any number of processes, may work on one
// store.
type Custodian struct {
	engine *commands.Engine
	o      Options
	nudge  chan struct{} // see [Custodian.Nudge]

	mu       sync.Mutex
	breaches map[string]bool // that were reported, by portfolio and reason
}

// New returns the custodian of an engine. Its clock is the engine's.
func New(e *commands.Engine, o Options) *Custodian {
	if o.Notify == nil {
		o.Notify = func(notice.Notice) {}
	}
	if o.Board == nil {
		o.Board = notice.NewBoard(e.WallClock)
	}
	if o.RepriceAfter == 0 {
		o.RepriceAfter = 5 * time.Minute
	}
	if o.CompareAgainAfter == 0 {
		o.CompareAgainAfter = 3 * time.Second
	}
	if o.StepTimeout == 0 {
		o.StepTimeout = time.Minute
	}
	return &Custodian{engine: e, o: o, nudge: make(chan struct{}, 1), breaches: map[string]bool{}}
}

// Refusals that no later attempt changes: the server was started without what is needed.
var (
	errNoSigner = domain.Errorf(domain.CodeConflict, "no keystore is open: ENCRYPTION_KEY is not set")
	errNoChain  = domain.Errorf(domain.CodeConflict, "no chain is known: PETS_RPC_URLS is not set")
	errNoShapes = domain.Errorf(domain.CodeConflict, "no shapes of typed data are known")
)

// serverCaller is the caller of the commands that the server sends by itself.
var serverCaller = domain.Caller{User: domain.ServerUser, Role: domain.RoleAdmin}

// asServer makes a request of the server itself. A repeat has no second effect, because
// the state then refuses it or has nothing left to do.
func asServer(cmd commands.Command) commands.Request {
	return commands.Request{Caller: serverCaller, Key: uuid.NewString(), Command: cmd}
}

// commandOf checks a request before anything is done for it, and returns its command. A
// command of another type is a defect of the caller.
func commandOf[C commands.Command](r *commands.Request) (cmd C, err error) {
	if err := commands.CheckRequest(r); err != nil {
		return cmd, err
	}
	cmd, ok := r.Command.(C)
	if !ok {
		return cmd, domain.Errorf(domain.CodeInternal, "custody was asked for a %T and got a %T", cmd, r.Command)
	}
	return cmd, nil
}

// recall returns the first answer to a request that was accepted before, whatever the
// chain and the keystore say now. known is false for a new request: the engine refuses it
// here, because it lacks the data that the chain or the keystore adds, which is not part
// of its body.
func (c *Custodian) recall(ctx context.Context, id string, r commands.Request) (first commands.Answer, known bool, err error) {
	first, err = c.engine.Do(ctx, id, r)
	if err == nil || domain.CodeOf(err) == domain.CodeIdempotencyMismatch {
		return first, true, err
	}
	return commands.Answer{}, false, nil
}

// breach engages the emergency stop because something was changed that must not change,
// such as an approved payment or the key of a wallet. Every retry finds the same breach;
// while its stop is engaged it is reported only once.
func (c *Custodian) breach(ctx context.Context, id, detail string) {
	reason := "security breach: " + detail
	c.mu.Lock()
	reported := c.breaches[id+" "+reason]
	c.breaches[id+" "+reason] = true
	c.mu.Unlock()
	standing := false
	_ = c.engine.AtHead(ctx, id, func(s *portfolio.State) error { // if it cannot be read it is stopped again
		standing = s.Stop.Engaged && s.Stop.Kind == domain.StopSecurityBreach && (reported || s.Stop.Reason == reason)
		return nil
	})
	if standing {
		return
	}
	c.o.Notify(notice.Notice{Kind: notice.SecurityBreach, Portfolio: id, Detail: detail})
	c.engine.EngageSecurityBreach(ctx, id, reason)
}
