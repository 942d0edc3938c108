package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/notice"
)

// Signer opens a wallet's key for one signature. Keys never leave it.
type Signer interface {
	// Sign signs a digest with the key of a wallet, r ‖ s ‖ v with v 0 or 1. The same
	// digest gets the same signature. A key whose address is not as given is
	// [ErrForeignKey].
	Sign(ctx context.Context, wallet, address string, digest [32]byte) ([65]byte, error)
	// Verify opens the key and compares it with the address.
	Verify(ctx context.Context, wallet, address string) error
}

// ErrForeignKey: a keystore holds, under a wallet's name, the key of another address.
// Somebody put it there. It engages an emergency stop of kind security_breach.
var ErrForeignKey = errors.New("the keystore holds the key of another address under the wallet's name")

// Signatory is whoever turns prepared transactions into what is sent. None of it needs
// a chain: the machine of a cold wallet can do it.
type Signatory interface {
	// Read says what a transaction does, from its own bytes.
	Read(transaction json.RawMessage) (Prepared, error)
	// Assemble puts transaction and signature together; a signature by another key than
	// the sender's is an error.
	Assemble(transaction json.RawMessage, signature [65]byte) (SignedTransaction, error)
	// Accept holds signed bytes against the transaction, field by field.
	Accept(transaction json.RawMessage, raw string) (SignedTransaction, error)
}

// Chain moves coins, and looks at where they are. Its errors never hold an endpoint's
// address or words. What two endpoints do not agree on is [ErrChainDisagrees].
type Chain interface {
	Signatory
	// Prepare turns an approved payment into a transaction with nonce and fees of now.
	// A payment that can never be made is [ErrCannotPay]. One that goes first takes the
	// place of whatever of the wallet is under way; any other waits for it.
	Prepare(ctx context.Context, p domain.Payment, first bool) (Prepared, error)
	// Reprice makes the transaction that takes the place of a stuck one.
	Reprice(ctx context.Context, transaction json.RawMessage) (Prepared, error)
	// Send sends the same bytes to every endpoint; it may be repeated at any time. Where
	// nobody knows whether it was taken there is an error; [ErrUnderpriced] where it was
	// not, for its fees.
	Send(ctx context.Context, chain, raw string) error
	// Follow says what has become of the transactions of one nonce, latest last.
	Follow(ctx context.Context, attempts []treasury.Attempt) (Outcome, error)
	// Balances reads what wallets hold, all at the end of one block.
	Balances(ctx context.Context, wallets []*treasury.Wallet) (Balances, error)
	// Assets finds what the registry knows of assets of a chain: those named by their
	// ids, or the symbol's and the chain's coin.
	Assets(chain, symbol string, named map[string]string) ([]domain.WalletAsset, error)
	// CheckAddress accepts an address with a right checksum, and returns its one form.
	CheckAddress(address string) (string, error)
}

// Errors that a Chain makes known.
var (
	// ErrChainDisagrees: endpoints say different things, or serve another chain. Nothing
	// is sent or signed on it, and a person has to look.
	ErrChainDisagrees = errors.New("the endpoints of the chain disagree")
	// ErrCannotPay: the payment can never be made as approved.
	ErrCannotPay = errors.New("the payment can never be made as approved")
	// ErrUnderpriced: no endpoint takes a transaction at the fees that it offers.
	ErrUnderpriced = errors.New("the fees of the transaction are too low to be taken")
)

// Prepared is a payment as a transaction, and what its bytes say.
type Prepared struct {
	Transaction json.RawMessage `json:"transaction"`
	Nonce       uint64          `json:"nonce"`
	Digest      string          `json:"digest"` // 64 hex digits
	Says        domain.Payment  `json:"says"`
}

func (p Prepared) domain() portfolio.PreparedTransaction {
	return portfolio.PreparedTransaction{Transaction: p.Transaction, Nonce: p.Nonce, Digest: p.Digest, Says: p.Says}
}

// SignedTransaction is what is sent. Whoever has it can send it.
type SignedTransaction struct {
	Raw  string // 0x and hex
	Hash string // 0x and 64 hex digits
}

// Format prints the hash alone, whatever the verb: a log is no place for the bytes.
func (s SignedTransaction) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "signed transaction "+s.Hash)
}

// LogValue does the same.
func (s SignedTransaction) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprint(s))
}

// OutcomeKind is what the chain says of the transactions of one nonce.
type OutcomeKind string

// The kinds. Only Arrived, Reverted, NotMoved and Replaced are for ever.
const (
	Waiting  OutcomeKind = "waiting"   // known, or in a block that is not final
	Lost     OutcomeKind = "lost"      // nobody knows it: the same bytes have to be sent again
	Arrived  OutcomeKind = "arrived"   // final, and the money is there
	Reverted OutcomeKind = "reverted"  // final, and nothing moved but the fee
	NotMoved OutcomeKind = "not_moved" // final, and the token did not move
	Replaced OutcomeKind = "replaced"  // final: another transaction used the nonce
)

// Outcome of a transfer on the chain.
type Outcome struct {
	Kind   OutcomeKind
	TxHash string
	Block  uint64
	Fee    domain.Decimal // in the chain's coin
	// InBlock: one of them stands in a block that is not final yet.
	InBlock bool
}

// Balances are readings of one block.
type Balances struct {
	Block    uint64
	Time     time.Time
	Readings []portfolio.Reading
}

// CustodyOptions say who holds keys, speaks to the chain and reads typed data. Any may
// be nil: what needs it is then refused.
type CustodyOptions struct {
	Signer Signer
	Chain  Chain
	// Orders reads EIP-712 typed data of known shapes.
	Orders func(typedData []byte) (domain.TypedOrder, [32]byte, error)
	Sealer Sealer
	// Notify is told what a person should know; it may be nil.
	Notify notice.Notify
	// RepriceAfter is how long a transaction may wait before it gets a higher fee; 0 is
	// five minutes.
	RepriceAfter time.Duration
	// LookAgain is how long a reconciliation waits before it looks a second time at what
	// differs: a fill may be on the chain a moment before it is reported. 0 is three
	// seconds.
	LookAgain time.Duration
	// StepTimeout bounds one step of one transfer, and one reading of balances; 0 is a
	// minute.
	StepTimeout time.Duration
	Now         func() time.Time
}

// Custody is the part of the engine that reaches the outside: it signs and moves money.
// The rule that holds in all of it: what allows an act is appended first.
type Custody struct {
	engine *Engine
	o      CustodyOptions
	nudge  chan struct{} // see [Custody.Run]

	mu       sync.Mutex
	breaches map[string]bool // that were reported, by portfolio and what
}

// NewCustody returns the custody of an engine.
func NewCustody(e *Engine, o CustodyOptions) *Custody {
	if o.Now == nil {
		o.Now = e.now
	}
	if o.Notify == nil {
		o.Notify = func(notice.Notice) {}
	}
	if o.RepriceAfter == 0 {
		o.RepriceAfter = 5 * time.Minute
	}
	if o.LookAgain == 0 {
		o.LookAgain = 3 * time.Second
	}
	if o.StepTimeout == 0 {
		o.StepTimeout = time.Minute
	}
	return &Custody{engine: e, o: o, nudge: make(chan struct{}, 1), breaches: map[string]bool{}}
}

// What no later attempt finds otherwise: this server was started without it.
var (
	errNoSigner = domain.Errorf(domain.CodeConflict, "no keystore is open: ENCRYPTION_KEY is not set")
	errNoChain  = domain.Errorf(domain.CodeConflict, "no chain is known: PETS_RPC_URLS is not set")
	errNoShapes = domain.Errorf(domain.CodeConflict, "no shapes of typed data are known")
)

// breach engages the emergency stop: somebody, or something, has changed what must not
// change. "security_breach (mutated approval, blob of another address)".
func (c *Custody) breach(ctx context.Context, id, what string) {
	detail := what
	what = "security breach: " + what
	c.mu.Lock()
	reported := c.breaches[id+" "+what]
	c.breaches[id+" "+what] = true
	c.mu.Unlock()
	standing := false
	_ = c.engine.look(ctx, id, func(s *portfolio.State) error {
		// It is met again at every try. The stop stands for a breach: once is enough.
		standing = s.Stop.Engaged && s.Stop.Kind == domain.StopSecurityBreach && (reported || s.Stop.Reason == what)
		return nil
	})
	if standing {
		return
	}
	c.o.Notify(notice.Notice{Kind: notice.SecurityBreach, Portfolio: id, Detail: detail})
	c.engine.securityBreach(ctx, id, what)
}

// look shows the state of a portfolio at the head of its stream, to whoever is about to
// act on it. It is not for keeping: the writer goes on changing it.
func (e *Engine) look(ctx context.Context, id string, f func(*portfolio.State) error) error {
	w, err := e.writer(ctx, id, false)
	if err != nil {
		return err
	}
	return w.look(ctx, f)
}

// recall gives the first answer to a request that was accepted before, whatever chain and
// keystore say by now. One that was not is refused as it is: it lacks what they have to
// say, which is no part of its body.
func (c *Custody) recall(ctx context.Context, id string, r Request) (first Answer, known bool, err error) {
	first, err = c.engine.Do(ctx, id, r)
	if err == nil || domain.CodeOf(err) == domain.CodeIdempotencyMismatch {
		return first, true, err
	}
	return Answer{}, false, nil
}

// RegisterWallet makes a wallet known. Its address is claimed first, in the system
// stream: "A wallet belongs to one portfolio."
func (c *Custody) RegisterWallet(ctx context.Context, id string, r Request) (Answer, error) {
	cmd, ok := r.Command.(RegisterWallet)
	if !ok {
		return Answer{}, errWrongStream(r.Command)
	}
	if err := check(&r); err != nil {
		return Answer{}, err
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	if c.o.Chain == nil {
		return Answer{}, errNoChain
	}
	address, err := c.o.Chain.CheckAddress(cmd.Address)
	if err != nil {
		return Answer{}, err
	}
	if address != cmd.Address {
		return Answer{}, domain.Invalid("address", "must be written with its checksum (EIP-55)")
	}
	err = c.engine.look(ctx, id, func(s *portfolio.State) error {
		if cmd.Assets, err = c.o.Chain.Assets(cmd.Chain, s.BaseAsset, cmd.Named); err != nil {
			return err
		}
		return s.CheckWallet(&domain.WalletRegistered{Wallet: cmd.Wallet, Place: cmd.Place, Chain: cmd.Chain, Address: cmd.Address, Assets: cmd.Assets})
	})
	if err != nil {
		return Answer{}, err
	}
	if _, err := c.engine.System(ctx, Request{
		Caller: serverCaller, Key: uuid.NewString(), Command: ClaimWallet{Address: cmd.Address, Wallet: cmd.Wallet, Portfolio: id},
	}); err != nil {
		return Answer{}, err
	}
	r.Command = cmd
	return c.engine.Do(ctx, id, r)
}

// AddAddress puts an address into the book; a wrong checksum is found first.
func (c *Custody) AddAddress(ctx context.Context, id string, r Request) (Answer, error) {
	cmd, ok := r.Command.(AddAddress)
	if !ok {
		return Answer{}, errWrongStream(r.Command)
	}
	if c.o.Chain == nil {
		return Answer{}, errNoChain
	}
	if address, err := c.o.Chain.CheckAddress(cmd.Address); err != nil {
		return Answer{}, err
	} else if address != cmd.Address {
		return Answer{}, domain.Invalid("address", "must be written with its checksum (EIP-55)")
	}
	return c.engine.Do(ctx, id, r)
}

// VerifyWallet opens a wallet's key, compares it with the address, and records that.
func (c *Custody) VerifyWallet(ctx context.Context, id string, r Request) (Answer, error) {
	cmd, ok := r.Command.(UseKey)
	if !ok {
		return Answer{}, errWrongStream(r.Command)
	}
	if err := check(&r); err != nil {
		return Answer{}, err
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	w, err := c.verified(ctx, id, cmd.Wallet)
	if err != nil {
		return Answer{}, err
	}
	cmd.Address = w.Address
	r.Command = cmd
	return c.engine.Do(ctx, id, r)
}

// LoadWallet does the same, and records what the chain says the wallet holds.
func (c *Custody) LoadWallet(ctx context.Context, id string, r Request) (Answer, error) {
	cmd, ok := r.Command.(LoadWallet)
	if !ok {
		return Answer{}, errWrongStream(r.Command)
	}
	if err := check(&r); err != nil {
		return Answer{}, err
	}
	if first, known, err := c.recall(ctx, id, r); known {
		return first, err
	}
	if c.o.Chain == nil {
		return Answer{}, errNoChain
	}
	w, err := c.verified(ctx, id, cmd.Wallet)
	if err != nil {
		return Answer{}, err
	}
	read, err := c.o.Chain.Balances(ctx, []*treasury.Wallet{w})
	if err != nil {
		return Answer{}, err
	}
	cmd.Address, cmd.Block, cmd.Balances = w.Address, read.Block, []domain.WalletBalance{}
	for _, b := range read.Readings {
		cmd.Balances = append(cmd.Balances, domain.WalletBalance{Asset: b.Asset, Amount: b.Amount})
	}
	r.Command = cmd
	return c.engine.Do(ctx, id, r)
}

// verified returns a wallet whose key was opened and gives its address.
func (c *Custody) verified(ctx context.Context, id, name string) (*treasury.Wallet, error) {
	if c.o.Signer == nil {
		return nil, errNoSigner
	}
	wallets, err := c.wallets(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, w := range wallets {
		if w.Wallet != name {
			continue
		}
		return w, c.foreign(ctx, id, w.Wallet, c.o.Signer.Verify(ctx, w.Wallet, w.Address))
	}
	return nil, &domain.Error{Code: domain.CodeNotFound, Field: "wallet", Message: "is not registered in this portfolio"}
}
