package custody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
)

// Signer signs with the keys of wallets. A key never leaves it.
type Signer interface {
	// Sign signs a digest with the key of a wallet: r ‖ s ‖ v, with v 0 or 1. The same
	// digest gets the same signature. A key of another address is [ErrForeignKey].
	Sign(ctx context.Context, wallet, address string, digest [32]byte) ([65]byte, error)
	// Verify opens the key and compares it with the address.
	Verify(ctx context.Context, wallet, address string) error
}

// ErrForeignKey means that the keystore holds the key of another address under a
// wallet's name. The keys were exchanged, so it engages an emergency stop of kind
// security_breach.
var ErrForeignKey = errors.New("the keystore holds the key of another address under the wallet's name")

// Signatory turns prepared transactions into signed ones. It needs no chain: the machine
// of a cold wallet has one, too.
type Signatory interface {
	// Read returns what a transaction does, according to its own bytes.
	Read(transaction json.RawMessage) (commands.Prepared, error)
	// Assemble puts transaction and signature together. A signature by another key than
	// the sender's is an error.
	Assemble(transaction json.RawMessage, signature [65]byte) (SignedTransaction, error)
	// Accept compares signed bytes with the transaction, field by field.
	Accept(transaction json.RawMessage, raw string) (SignedTransaction, error)
}

// Chain prepares and sends transactions, and reads balances. Its errors never contain an
// endpoint's address or its words. An answer on which two endpoints differ is
// [ErrChainDisagrees].
type Chain interface {
	Signatory
	// Prepare turns an approved payment into a transaction with the current nonce and
	// fees. A payment that can never be made is [ErrCannotPay].
	Prepare(ctx context.Context, p domain.Payment, how Making) (commands.Prepared, error)
	// Reprice makes the transaction that replaces another one, at higher fees: the same
	// payment with its highest fee, or one of nothing to the sender itself.
	Reprice(ctx context.Context, transaction json.RawMessage, p domain.Payment, how Making) (commands.Prepared, error)
	// Send sends the same bytes to every endpoint. It may be repeated at any time. An
	// error means that the endpoints may not have accepted the bytes; [ErrUnderpriced]
	// means that they did not, because of the fees.
	Send(ctx context.Context, chain, raw string) error
	// Follow returns what became of the transactions of one nonce, the latest last.
	Follow(ctx context.Context, attempts []treasury.Attempt) (Outcome, error)
	// NextNonce returns the nonce of an account's next transaction at the newest block.
	NextNonce(ctx context.Context, chain, address string) (NextNonce, error)
	// CheckSettlement refuses an outcome of a transfer that contradicts the chain, given what
	// the ledger knows of the transaction. An outcome of which the endpoints know nothing now
	// is [ErrNotKnown].
	CheckSettlement(ctx context.Context, t *treasury.Transfer, s portfolio.TransferSettlement, known portfolio.HashUse) error
	// Tokens reads which tokens derive from a condition, those of its first slots. A chain
	// on which no contract is known gives a reading that says so.
	Tokens(ctx context.Context, condition string, slots int) (portfolio.TokenReading, error)
	// Balances reads the balances of wallets, all at the end of one block.
	Balances(ctx context.Context, wallets []*treasury.Wallet) (Balances, error)
	// Assets finds what the registry knows of a chain's assets: those named by their
	// ids, or by default the one with the symbol, and always the chain's coin.
	Assets(chain, symbol string, named map[string]string) ([]domain.WalletAsset, error)
	// CheckAddress returns the checksummed form (EIP-55) of an address, and refuses one
	// with a wrong checksum.
	CheckAddress(address string) (string, error)
}

// Making says how a transaction is made.
type Making struct {
	// First: it replaces whatever the wallet has under way. Without it, it waits for that.
	First bool
	// WholeFee: it offers all of the highest fee, because it waits for a signature
	// elsewhere and cannot be repriced without another one.
	WholeFee bool
	// Nonce is the nonce that it has to have, or nil for the next one.
	Nonce *uint64
	// Not are digests that it must not have: those of other transfers of the wallet. It
	// offers a wei more or less then.
	Not []string
}

// NextNonce is an account's next nonce, as of a block.
type NextNonce struct {
	Nonce uint64
	Block uint64
	Time  time.Time
}

// Errors of a [Chain] that have a meaning here.
var (
	// ErrChainDisagrees means that endpoints give different answers, or serve another
	// chain. Nothing is sent or signed on it, and a person has to look.
	ErrChainDisagrees = errors.New("the endpoints of the chain disagree")
	// ErrCannotPay means that the payment can never be made as approved.
	ErrCannotPay = errors.New("the payment can never be made as approved")
	// ErrUnderpriced means that no endpoint accepts a transaction at the fees it offers.
	ErrUnderpriced = errors.New("the fees of the transaction are too low to be taken")
	// ErrNotKnown means that the endpoints do not answer, or disagree, so that nothing is
	// contradicted.
	ErrNotKnown = errors.New("the chain does not say now what became of the transaction")
)

// SignedTransaction is a transaction as it is sent. Anyone who has it can send it.
type SignedTransaction struct {
	Raw  string // 0x and hex
	Hash string // 0x and 64 hex digits
}

// Format prints the hash alone, whatever the verb: the bytes do not belong in a log.
func (s SignedTransaction) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "signed transaction "+s.Hash)
}

// LogValue returns the text of Format.
func (s SignedTransaction) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprint(s))
}

// OutcomeKind is what the chain says about the transactions of one nonce.
type OutcomeKind string

// The kinds. Only Waiting and Lost are not final.
const (
	Waiting  OutcomeKind = "waiting"   // known, or in a block that is not final
	Lost     OutcomeKind = "lost"      // no endpoint knows it: send the same bytes again
	Arrived  OutcomeKind = "arrived"   // final, and the money is there
	Reverted OutcomeKind = "reverted"  // final, and nothing moved but the fee
	NotMoved OutcomeKind = "not_moved" // final, and the token did not move
	Replaced OutcomeKind = "replaced"  // final: another transaction used the nonce

	Cancelled OutcomeKind = "cancelled" // final: the transaction that cancels it used the nonce
)

// Outcome is what became of a transfer on the chain.
type Outcome struct {
	Kind   OutcomeKind
	TxHash string
	Block  uint64
	Fee    domain.Decimal // in the chain's coin
	// InBlock reports that one of the transactions stands in a block that is not final
	// yet.
	InBlock bool
}

// Balances are readings of one block.
type Balances struct {
	Block    uint64
	Time     time.Time
	Readings []portfolio.Reading
}
