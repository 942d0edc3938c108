package evm

import (
	"encoding/hex"
	"encoding/json"
	"strings"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/internal/chain"
)

// Signatory turns prepared transactions into signed ones, with the data of a registry. It
// needs no endpoint, so it also works on the machine of a cold wallet, which is never
// connected. It implements [custody.Signatory].
type Signatory struct{ registry *chain.Registry }

// NewSignatory returns a Signatory for the chains and assets of a registry.
func NewSignatory(r *chain.Registry) *Signatory { return &Signatory{r} }

// Read implements custody.Signatory.
func (s *Signatory) Read(transaction json.RawMessage) (commands.Prepared, error) {
	u, err := parse(transaction)
	if err != nil {
		return commands.Prepared{}, err
	}
	return s.prepared(u, transaction)
}

// parse reads a transaction. Errors name it "transaction", because it has no file name.
func parse(transaction json.RawMessage) (chain.Unsigned, error) {
	return chain.ParseUnsigned("transaction", transaction)
}

// prepared reads from the transaction itself what it does.
func (s *Signatory) prepared(u chain.Unsigned, transaction json.RawMessage) (commands.Prepared, error) {
	digest, err := u.Digest()
	if err != nil {
		return commands.Prepared{}, err
	}
	p, err := s.registry.Describe(u)
	if err != nil {
		return commands.Prepared{}, err
	}
	return commands.Prepared{
		Transaction: transaction, Nonce: u.Nonce, Digest: hex.EncodeToString(digest[:]),
		Says: domain.Payment{
			Chain: p.Chain, AssetID: p.Asset, From: p.From.String(), To: p.To.String(), Amount: p.Amount, HighestFee: p.HighestFee,
		},
	}, nil
}

// encode encodes a transaction as it is stored in events.
func (s *Signatory) encode(u chain.Unsigned) (commands.Prepared, error) {
	transaction, err := json.Marshal(u)
	if err != nil {
		return commands.Prepared{}, err
	}
	return s.prepared(u, transaction)
}

// Assemble implements custody.Signatory.
func (s *Signatory) Assemble(transaction json.RawMessage, signature [65]byte) (custody.SignedTransaction, error) {
	u, err := parse(transaction)
	if err != nil {
		return custody.SignedTransaction{}, err
	}
	signed, err := u.Assemble(signature)
	if err != nil {
		return custody.SignedTransaction{}, err
	}
	return custody.SignedTransaction{Raw: signed.Raw.String(), Hash: signed.Hash.Hex()}, nil
}

// Accept implements custody.Signatory.
func (s *Signatory) Accept(transaction json.RawMessage, raw string) (custody.SignedTransaction, error) {
	u, err := parse(transaction)
	if err != nil {
		return custody.SignedTransaction{}, err
	}
	b, err := decodeHex(raw)
	if err != nil {
		return custody.SignedTransaction{}, err
	}
	hash, err := u.Matches(b)
	if err != nil {
		return custody.SignedTransaction{}, err
	}
	return custody.SignedTransaction{Raw: raw, Hash: hash.Hex()}, nil
}

// maxRaw is the most bytes of a signed transfer.
const maxRaw = 4096

func decodeHex(raw string) ([]byte, error) {
	digits, ok := strings.CutPrefix(raw, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) == 0 || len(b) > maxRaw {
		return nil, domain.Invalid("raw", "must be 0x and the hex digits of at most %d bytes", maxRaw)
	}
	return b, nil
}
