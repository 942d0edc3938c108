package chain

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pets/domain"
)

// maxRaw bounds a signed transaction: a transfer has some 200 bytes.
const maxRaw = 4096

// Unsigned is a transfer as a transaction before it is signed: plain data for
// events and for files that are signed offline. The same transfer always has the
// same JSON. A value that does not pass [Unsigned.Check] has no digest.
type Unsigned struct {
	ChainID uint64  `json:"chain_id"`
	From    Address `json:"from"`
	Nonce   uint64  `json:"nonce"`
	// To is the recipient of the native coin, or the token's contract; Data then
	// holds the recipient.
	To    Address       `json:"to"`
	Value Units         `json:"value"` // wei
	Data  hexutil.Bytes `json:"data"`
	Gas   uint64        `json:"gas"`
	Fees
	// HighestFee, in wei, is the approved fee of the whole transaction. It is not
	// part of what is signed: Gas × MaxFee never exceeds it.
	HighestFee Units `json:"highest_fee"`
}

// Check refuses anything but a transfer within its approved fee: a token transfer
// that also pays coins, any other contract call, a payment of nothing. Only a
// transaction of a wallet to itself may pay nothing: it cancels another one.
func (u Unsigned) Check() error {
	switch {
	case u.ChainID == 0 || u.ChainID > 1<<62:
		return notTransfer("it is bound to no chain")
	case u.From.IsZero() || u.To.IsZero():
		return notTransfer("sender or recipient is missing")
	case u.Gas == 0:
		return notTransfer("it has no gas")
	case u.Tip.Cmp(u.MaxFee) > 0:
		return notTransfer("its tip is above its highest fee per gas")
	}
	if err := u.checkPayment(); err != nil {
		return err
	}
	if fee, fits := u.MaxFee.times(u.Gas); !fits || fee.Cmp(u.HighestFee) > 0 {
		return fmt.Errorf("%w: it may cost %s wei, %s are approved", ErrFeeOverCap, fee, u.HighestFee)
	}
	return nil
}

func (u Unsigned) checkPayment() error {
	if len(u.Data) == 0 {
		if u.Value.IsZero() && !u.Cancels() {
			return notTransfer("it moves nothing")
		}
		return nil
	}
	to, units, ok := parseTransfer(u.Data)
	switch {
	case !ok:
		return notTransfer("it calls something other than a token's transfer")
	case !u.Value.IsZero():
		return notTransfer("it sends coins to a token's contract")
	case units.IsZero():
		return notTransfer("it moves nothing")
	case to.IsZero() || to == u.To:
		return notTransfer("its recipient is the token's contract, or the zero address")
	}
	return nil
}

func notTransfer(why string) error { return fmt.Errorf("%w: %s", ErrTransaction, why) }

// Recipient returns who gets the money, and how many units of the token at To or
// of the native coin.
func (u Unsigned) Recipient() (to Address, units Units) {
	if len(u.Data) == 0 {
		return u.To, u.Value
	}
	to, units, _ = parseTransfer(u.Data)
	return to, units
}

// Payment describes a transfer for people, derived from the bytes that are
// signed.
type Payment struct {
	Chain      string         `json:"chain"`
	Asset      string         `json:"asset"`
	From       Address        `json:"from"`
	To         Address        `json:"to"`
	Amount     domain.Decimal `json:"amount"`
	HighestFee domain.Decimal `json:"highest_fee"` // in the native coin
}

// Describe says what a transaction does, for the people who approve or sign it.
// It needs no endpoint, so it works on an offline machine.
func (r *Registry) Describe(u Unsigned) (Payment, error) {
	if err := u.Check(); err != nil {
		return Payment{}, err
	}
	id := fmt.Sprintf("eip155:%d", u.ChainID)
	native, err := r.Native(id)
	if err != nil {
		return Payment{}, err
	}
	asset := native
	if len(u.Data) > 0 {
		if asset, err = r.Asset(id + "/erc20:" + u.To.String()); err != nil {
			return Payment{}, err
		}
	}
	to, units := u.Recipient()
	p := Payment{Chain: id, Asset: asset.ID, From: u.From, To: to}
	if p.Amount, err = asset.Amount(units); err != nil {
		return Payment{}, err
	}
	p.HighestFee, err = native.Amount(u.HighestFee)
	return p, err
}

func (u Unsigned) transaction() *types.Transaction {
	to := common.Address(u.To)
	return types.NewTx(&types.DynamicFeeTx{
		ChainID: new(big.Int).SetUint64(u.ChainID), Nonce: u.Nonce, To: &to, Value: u.Value.Big(), Data: u.Data,
		Gas: u.Gas, GasFeeCap: u.MaxFee.Big(), GasTipCap: u.Tip.Big(),
	})
}

func (u Unsigned) signer() types.Signer {
	return types.NewLondonSigner(new(big.Int).SetUint64(u.ChainID))
}

// Digest is what gets signed. Whoever signs it holds the key; this package never does.
func (u Unsigned) Digest() ([32]byte, error) {
	if err := u.Check(); err != nil {
		return [32]byte{}, err
	}
	return u.signer().Hash(u.transaction()), nil
}

// Signed is a transaction as it is sent. The hash names it on the chain.
type Signed struct {
	Raw  hexutil.Bytes `json:"raw"`
	Hash common.Hash   `json:"hash"`
}

// Assemble combines transaction and signature, and recovers the sender. A
// signature by any other key gives [ErrSignature].
func (u Unsigned) Assemble(signature [65]byte) (Signed, error) {
	if err := u.Check(); err != nil {
		return Signed{}, err
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:64])
	if !crypto.ValidateSignatureValues(signature[64], r, s, true) {
		return Signed{}, fmt.Errorf("%w: it is not in its canonical form", ErrSignature)
	}
	tx, err := u.transaction().WithSignature(u.signer(), signature[:])
	if err != nil {
		return Signed{}, fmt.Errorf("%w: it does not fit the transaction", ErrSignature)
	}
	from, err := types.Sender(u.signer(), tx)
	if err != nil || Address(from) != u.From {
		return Signed{}, ErrSignature
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return Signed{}, fmt.Errorf("%w: it cannot be encoded", ErrTransaction)
	}
	return Signed{Raw: raw, Hash: tx.Hash()}, nil
}

// Decode decodes signed bytes, so that what is about to be sent can be compared
// with what was approved. HighestFee is not in the bytes; it is set to the most
// they can cost.
func Decode(raw []byte) (Unsigned, common.Hash, error) {
	var tx types.Transaction
	if len(raw) > maxRaw || tx.UnmarshalBinary(raw) != nil || tx.Type() != types.DynamicFeeTxType || tx.To() == nil || len(tx.AccessList()) != 0 || !tx.ChainId().IsUint64() {
		return Unsigned{}, common.Hash{}, notTransfer("it is not one that this program signs")
	}
	u := Unsigned{ChainID: tx.ChainId().Uint64(), Nonce: tx.Nonce(), To: Address(*tx.To()), Gas: tx.Gas(), Data: tx.Data()}
	from, err := types.Sender(u.signer(), &tx)
	if err != nil {
		return Unsigned{}, common.Hash{}, fmt.Errorf("%w: no sender can be recovered", ErrSignature)
	}
	u.From = Address(from)
	for to, n := range map[*Units]*big.Int{&u.Value: tx.Value(), &u.MaxFee: tx.GasFeeCap(), &u.Tip: tx.GasTipCap()} {
		if *to, err = unitsOf(n); err != nil {
			return Unsigned{}, common.Hash{}, notTransfer("an amount is out of range")
		}
	}
	u.HighestFee, _ = u.MaxFee.times(u.Gas)
	return u, tx.Hash(), u.Check()
}

// Matches compares signed bytes with the approved transaction and names the first
// field that differs.
func (u Unsigned) Matches(raw []byte) (common.Hash, error) {
	got, hash, err := Decode(raw)
	if err != nil {
		return hash, err
	}
	for _, f := range []struct {
		name string
		same bool
	}{
		{"chain_id", got.ChainID == u.ChainID},
		{"from", got.From == u.From},
		{"nonce", got.Nonce == u.Nonce},
		{"to", got.To == u.To},
		{"value", got.Value == u.Value},
		{"data", bytes.Equal(got.Data, u.Data)},
		{"gas", got.Gas == u.Gas},
		{"max_fee_per_gas", got.MaxFee == u.MaxFee},
		{"max_tip_per_gas", got.Tip == u.Tip},
		{"highest_fee", got.HighestFee.Cmp(u.HighestFee) <= 0},
	} {
		if !f.same {
			return hash, notTransfer(f.name + " is not what was approved")
		}
	}
	return hash, nil
}

// Reprice builds the transaction that replaces a stuck one: same nonce, recipient
// and amount. Endpoints accept a replacement only if both fees are a tenth
// higher, so they are raised at least to that. It never exceeds the approved fee.
func (u Unsigned) Reprice(fees Fees) (Unsigned, error) {
	if err := u.Check(); err != nil {
		return Unsigned{}, err
	}
	var fitsMax, fitsTip bool
	least := Fees{}
	least.MaxFee, fitsMax = bumped(u.MaxFee)
	least.Tip, fitsTip = bumped(u.Tip)
	if !fitsMax || !fitsTip {
		return Unsigned{}, ErrFeeOverCap
	}
	next := u
	next.Data = bytes.Clone(u.Data)
	next.MaxFee = higher(fees.MaxFee, least.MaxFee)
	next.Tip = higher(fees.Tip, least.Tip)
	return next, next.Check()
}

// bumped adds a tenth, rounded up, and at least 1.
func bumped(u Units) (Units, bool) {
	tenth := u.over(10)
	if scaled, fits := tenth.times(10); !fits || scaled != u || u.IsZero() {
		tenth, _ = tenth.add(NewUnits(1))
	}
	return u.add(tenth)
}

// ParseUnsigned decodes a transaction from an offline signing file. It refuses
// unknown, repeated and missing fields, and what does not pass Check.
func ParseUnsigned(file string, text []byte) (Unsigned, error) {
	var u Unsigned
	var there map[string]jsontext.Value
	if err := json.Unmarshal(text, &u, json.RejectUnknownMembers(true)); err != nil {
		return Unsigned{}, jsonError(file, err)
	}
	if err := json.Unmarshal(text, &there); err != nil {
		return Unsigned{}, jsonError(file, err)
	}
	for _, field := range []string{"chain_id", "from", "nonce", "to", "value", "data", "gas", "max_fee_per_gas", "max_tip_per_gas", "highest_fee"} {
		if v := there[field]; v == nil || v.Kind() == 'n' {
			return Unsigned{}, domain.Invalid(file+": "+field, "is missing")
		}
	}
	return u, u.Check()
}
