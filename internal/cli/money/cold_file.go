package money

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/evm"
	"pets/projections"
)

const (
	// coldFileVersion is the version of a file without signed approvals, and of what is carried
	// back; coldSignedVersion is that of a file with them.
	coldFileVersion   = 1
	coldSignedVersion = 2
	// maxCarried bounds such a file, in bytes; a usual one has some 1,500.
	maxCarried = 64 << 10
)

// coldUnsigned is an unsigned transfer that a person carries to the machine of a cold wallet.
type coldUnsigned struct {
	Version   int    `json:"pets_cold"`
	Portfolio string `json:"portfolio"`
	Transfer  string `json:"transfer"`
	// What it is, a payment or a cancellation. Files of older builds do not say it.
	What string `json:"what,omitempty"`
	// Hash is the hash that the approval is bound to; Payment is what was approved.
	Hash    string         `json:"hash"`
	Payment domain.Payment `json:"payment"`
	// Transaction is the transaction that internal/chain has prepared, as in the events.
	Transaction stdjson.RawMessage `json:"transaction"`
	// Approvals are the signed approvals. A file of version 1 has none: it only claims to be
	// approved.
	Approvals []coldApproval `json:"approvals,omitempty"`
}

// coldSigned is the signed transfer that a person carries back.
type coldSigned struct {
	Version   int    `json:"pets_cold_signed"` // coldFileVersion
	Portfolio string `json:"portfolio"`
	Transfer  string `json:"transfer"`
	TxHash    string `json:"tx_hash"`
	// Raw holds the signed bytes as 0x and hex. Anyone who has them can send the transaction.
	Raw string `json:"raw"`
}

// readColdFile strictly reads an unsigned transfer; its errors name file and field.
func readColdFile(file string) (*coldUnsigned, error) {
	var f coldUnsigned
	if err := readCarried(file, &f); err != nil {
		return nil, err
	}
	switch {
	case f.Version != coldFileVersion && f.Version != coldSignedVersion:
		return nil, domain.Invalid(file+": pets_cold", "is %d; this program reads versions %d and %d", f.Version, coldFileVersion, coldSignedVersion)
	case (f.Version == coldSignedVersion) != (len(f.Approvals) > 0):
		return nil, domain.Invalid(file+": approvals", "belong into every file of version %d, and into no other", coldSignedVersion)
	}
	return &f, nil
}

// readColdSigned strictly reads a signed transfer.
func readColdSigned(file string) (*coldSigned, error) {
	var f coldSigned
	if err := readCarried(file, &f); err != nil {
		if readCarried(file, new(coldUnsigned)) == nil {
			return nil, domain.Invalid(file, "is not a file that pets cold sign writes: it is the unsigned one, which goes to the machine with the key")
		}
		return nil, err
	}
	if f.Version != coldFileVersion {
		return nil, domain.Invalid(file+": pets_cold_signed", "is %d; this program reads version %d", f.Version, coldFileVersion)
	}
	return &f, nil
}

// check refuses a file whose parts disagree: the payment that a person reads, its approved hash,
// and the transaction. It returns what the transaction's own bytes say.
func (f *coldUnsigned) check(file string, signatory *evm.Signatory) (commands.Prepared, error) {
	if err := domain.CheckID(file+": portfolio", f.Portfolio); err != nil {
		return commands.Prepared{}, err
	}
	if err := domain.CheckID(file+": transfer", f.Transfer); err != nil {
		return commands.Prepared{}, err
	}
	prepared, err := signatory.Read(f.Transaction)
	if err != nil {
		return prepared, fmt.Errorf("%s: %w", file, err)
	}
	approved := treasury.Transfer{TransferRequested: domain.TransferRequested{Payment: f.Payment}}
	if field := approved.Matches(prepared.Says); field != "" {
		return prepared, domain.Errorf(domain.CodeConflict, "%s: the transaction does not say the same as the payment: its %s differs. Do not sign it, and find out who changed it", file, field)
	}
	if !f.intact() {
		return prepared, domain.Errorf(domain.CodeConflict, "%s: hash is not that of this transfer: something of it was changed after it was approved. Do not sign it", file)
	}
	if f.What != "" && f.What != f.what() {
		return prepared, domain.Errorf(domain.CodeConflict, "%s says that it is a %s, and its transaction is a %s. Do not sign it, and find out who changed it", file, f.What, f.what())
	}
	return prepared, f.checkApprovals(file)
}

// what names the kind of transaction that the file holds.
func (f *coldUnsigned) what() string {
	if f.cancels() {
		return projections.ToSignCancellation
	}
	return projections.ToSignPayment
}

// intact reports whether the hash is the one of this transfer, for any kind of transfer.
func (f *coldUnsigned) intact() bool {
	for _, kind := range []string{domain.TransferInternal, domain.TransferRebalance, domain.TransferWithdrawal, domain.TransferSweep, domain.TransferEvacuation, domain.TransferCancel} {
		if f.hashOf(kind) == f.Hash {
			return true
		}
	}
	return false
}

// cancels reports whether the transaction pays nothing, from the wallet to itself. [check] has
// compared the payment with the transaction's own bytes.
func (f *coldUnsigned) cancels() bool {
	return f.Payment.From == f.Payment.To && f.Payment.Amount.IsZero() && f.hashOf(domain.TransferCancel) == f.Hash
}

// hashOf returns the hash of this transfer, as one of a kind.
func (f *coldUnsigned) hashOf(kind string) string {
	return treasury.Hash(f.Portfolio, &domain.TransferRequested{Transfer: f.Transfer, Kind: kind, Payment: f.Payment})
}

// readCarried reads a carried file: one JSON object with known fields only, all present, none
// twice.
func readCarried(file string, into any) error {
	r, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", file, errors.Unwrap(err))
	}
	defer r.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(r, maxCarried+1))
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", file, errors.Unwrap(err))
	}
	if len(text) > maxCarried {
		return domain.Errorf(domain.CodeTooLarge, "%s is larger than %d KiB", file, maxCarried>>10)
	}
	if err := json.Unmarshal(text, into, json.RejectUnknownMembers(true)); err != nil {
		return inCarried(file, err)
	}
	return complete(file, "", text, reflect.TypeOf(into).Elem())
}

// complete returns an error if a field of an object is missing or null.
func complete(file, above string, text []byte, t reflect.Type) error {
	var there map[string]jsontext.Value
	if err := json.Unmarshal(text, &there); err != nil {
		return inCarried(file, err)
	}
	for i := range t.NumField() {
		name, option, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		value, has := there[name]
		if !has && option == "omitempty" {
			continue
		}
		if value == nil || value.Kind() == 'n' {
			return domain.Invalid(file+": "+above+name, "is missing")
		}
		if nested := t.Field(i).Type; nested == reflect.TypeFor[domain.Payment]() {
			if err := complete(file, name+".", value, nested); err != nil {
				return err
			}
		}
	}
	return nil
}

// inCarried returns an error that says where a file is wrong without quoting its content.
func inCarried(file string, err error) error {
	var syntax *jsontext.SyntacticError
	var meaning *json.SemanticError
	switch {
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &meaning):
		return domain.Invalid(file+": "+dotted(meaning.JSONPointer), "is a field that such a file does not have (byte %d)", meaning.ByteOffset)
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntax):
		return domain.Invalid(file+": "+dotted(syntax.JSONPointer), "appears twice (byte %d)", syntax.ByteOffset)
	case errors.As(err, &meaning):
		return domain.Invalid(file+": "+dotted(meaning.JSONPointer), "does not have the right type (byte %d)", meaning.ByteOffset)
	case errors.As(err, &syntax):
		return domain.Errorf(domain.CodeInvalid, "%s is not valid JSON (byte %d)", file, syntax.ByteOffset)
	default:
		return domain.Errorf(domain.CodeInvalid, "%s is empty, cut short or not JSON", file)
	}
}

func dotted(p jsontext.Pointer) string {
	return strings.ReplaceAll(strings.TrimPrefix(string(p), "/"), "/", ".")
}

// thereAlready refuses to write over a file, and says what stands in it: an older file may hold
// a payment that was cancelled since.
func thereAlready(file string, text []byte) error {
	was, err := os.ReadFile(file)
	if err == nil && bytes.Equal(bytes.TrimSpace(was), text) {
		return fmt.Errorf("%s is there already, with exactly this in it. Use that one, or name another with --out", file)
	}
	return fmt.Errorf("%s cannot be written: it is there already, WITH SOMETHING ELSE IN IT, and no such file is ever written over. Do not sign or send what stands there; name another file with --out", file)
}

// writeCarried writes a file readable by its owner only and flushes it to disk. It never
// overwrites a file.
func writeCarried(file string, v any) (err error) {
	text, err := stdjson.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	w, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return thereAlready(file, text)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", file, errors.Unwrap(err))
	}
	_, err = w.Write(append(text, '\n'))
	if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
		return errors.Join(fmt.Errorf("%s cannot be written", file), err, os.Remove(file))
	}
	if dir, e := os.Open(filepath.Dir(file)); e == nil {
		_ = dir.Sync() // flushes the name; not every file system supports it
		_ = dir.Close()
	}
	return nil
}
