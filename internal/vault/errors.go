package vault

import (
	"fmt"

	"pets/domain"
)

// What can go wrong, to be asked for with errors.Is. Each has a domain code, and
// none holds a secret.
var (
	// ErrDamaged: a file is not what was written. Restore it from a backup.
	ErrDamaged error = domain.Errorf(domain.CodeUnavailable, "the key file is damaged")
	// ErrForeignBlob: an intact blob stands where another belongs: it was renamed,
	// swapped or copied. Somebody has been at the keystore.
	ErrForeignBlob error = domain.Errorf(domain.CodeConflict, "the key file holds another wallet's key")
	// ErrForeignKey: the wallet's key is not the one of the address expected.
	ErrForeignKey error = domain.Errorf(domain.CodeConflict, "the wallet's key belongs to another address")
	// ErrMissingKey: the key a blob is sealed under is not in the keyring.
	ErrMissingKey error = domain.Errorf(domain.CodeUnavailable, "the encryption key is missing")
	// ErrExists: the wallet has a key, and no key is ever overwritten.
	ErrExists error = domain.Errorf(domain.CodeConflict, "the wallet already has a key")
	// ErrNotFound: no file for the wallet.
	ErrNotFound error = domain.Errorf(domain.CodeNotFound, "the wallet has no key here")
	// ErrExposed: others can read or change a file or folder that must be secret.
	ErrExposed error = domain.Errorf(domain.CodeUnavailable, "others have access to secrets")
	// ErrBusy: another process is writing to the keystore. Try again.
	ErrBusy error = domain.Errorf(domain.CodeUnavailable, "the keystore is being written by another process")
	// ErrIncomplete: keys are left that are not sealed under the current key.
	ErrIncomplete error = domain.Errorf(domain.CodeConflict, "the rotation is not complete")
	// ErrWiped: a key was used after its time.
	ErrWiped error = domain.Errorf(domain.CodeInternal, "the key was wiped")
	// ErrStorage: the file system failed. Whether the last step happened is
	// unknown; every operation can be tried again.
	ErrStorage error = domain.Errorf(domain.CodeUnavailable, "the keystore's folder cannot be used")
	// errNotAKey: 0, or beyond the order of the curve, or not 32 bytes.
	errNotAKey error = domain.Errorf(domain.CodeInvalid, "these bytes are not a private key")
	// ErrHidden: a secret was about to be written somewhere.
	ErrHidden error = domain.Errorf(domain.CodeInternal, "a secret is not written anywhere")
)

// MissingKeyError names the key that is needed: put it into
// ENCRYPTION_KEYS_RETIRED. It is an [ErrMissingKey].
type MissingKeyError struct {
	Wallet string
	KeyID  string
}

func (e *MissingKeyError) Error() string {
	return fmt.Sprintf("%v: wallet %s is sealed under %s, which is neither ENCRYPTION_KEY nor in ENCRYPTION_KEYS_RETIRED", ErrMissingKey, e.Wallet, e.KeyID)
}

// Unwrap makes errors.Is and domain.CodeOf work.
func (*MissingKeyError) Unwrap() error { return ErrMissingKey }

// ForeignBlobError says whose key was found in the file of another. It is an
// [ErrForeignBlob].
type ForeignBlobError struct {
	Wallet       string // whose file it is, by its name
	Address      Address
	Found        string // whose blob it holds
	FoundAddress Address
}

func (e *ForeignBlobError) Error() string {
	return fmt.Sprintf("%v: the file of %s (%s) holds the key of %s (%s)", ErrForeignBlob, e.Wallet, e.Address, e.Found, e.FoundAddress)
}

// Unwrap makes errors.Is and domain.CodeOf work.
func (*ForeignBlobError) Unwrap() error { return ErrForeignBlob }

// ForeignKeyError says that a wallet signs for another address than its events
// say. Somebody has put another key in its place: stop everything. It is an
// [ErrForeignKey].
type ForeignKeyError struct {
	Wallet   string
	Expected Address
	Found    Address
}

func (e *ForeignKeyError) Error() string {
	return fmt.Sprintf("%v: %s should be %s and is %s", ErrForeignKey, e.Wallet, e.Expected, e.Found)
}

// Unwrap makes errors.Is and domain.CodeOf work.
func (*ForeignKeyError) Unwrap() error { return ErrForeignKey }

// damaged says what is wrong with a file.
func damaged(name, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrDamaged, name, fmt.Sprintf(format, args...))
}

// storage wraps what the file system said.
func storage(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrStorage, doing, err)
}
