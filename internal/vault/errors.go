package vault

import (
	"fmt"

	"pets/domain"
)

// The errors of this package, for errors.Is. Each has a domain code, and none
// holds a secret.
var (
	// ErrDamaged reports that a file is not what was written. Restore it from a
	// backup.
	ErrDamaged error = domain.Errorf(domain.CodeUnavailable, "the key file is damaged")
	// ErrForeignBlob reports an intact blob in another wallet's file: it was
	// renamed, swapped or copied, so a person has changed the keystore.
	ErrForeignBlob error = domain.Errorf(domain.CodeConflict, "the key file holds another wallet's key")
	// ErrForeignKey reports that the wallet's key does not belong to the expected
	// address.
	ErrForeignKey error = domain.Errorf(domain.CodeConflict, "the wallet's key belongs to another address")
	// ErrMissingKey reports that the key a blob is sealed under is not in the
	// keyring.
	ErrMissingKey error = domain.Errorf(domain.CodeUnavailable, "the encryption key is missing")
	// ErrExists reports that the wallet has a key; a key is never overwritten.
	ErrExists error = domain.Errorf(domain.CodeConflict, "the wallet already has a key")
	// ErrNotFound reports that the wallet has no file.
	ErrNotFound error = domain.Errorf(domain.CodeNotFound, "the wallet has no key here")
	// ErrExposed reports that others can read or change a file or folder that
	// must be secret.
	ErrExposed error = domain.Errorf(domain.CodeUnavailable, "others have access to secrets")
	// ErrBusy reports that another process is writing to the keystore. Try again.
	ErrBusy error = domain.Errorf(domain.CodeUnavailable, "the keystore is being written by another process")
	// ErrIncomplete reports that some keys are not sealed under the current key.
	ErrIncomplete error = domain.Errorf(domain.CodeConflict, "the rotation is not complete")
	// ErrWiped reports that a key was used after it was wiped.
	ErrWiped error = domain.Errorf(domain.CodeInternal, "the key was wiped")
	// ErrStorage reports that the file system failed. Whether the last step took
	// effect is unknown; every operation can be retried.
	ErrStorage error = domain.Errorf(domain.CodeUnavailable, "the keystore's folder cannot be used")
	// errNotAKey reports a key that is 0, at or above the order of the curve, or
	// not 32 bytes.
	errNotAKey error = domain.Errorf(domain.CodeInvalid, "these bytes are not a private key")
	// ErrHidden reports that a secret was about to be written.
	ErrHidden error = domain.Errorf(domain.CodeInternal, "a secret must not be written")
)

// MissingKeyError names the missing encryption key: add it to
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

// ForeignBlobError says whose key was found in whose file. It is an
// [ErrForeignBlob].
type ForeignBlobError struct {
	Wallet       string // owner of the file, by its name
	Address      Address
	Found        string // owner of the blob
	FoundAddress Address
}

func (e *ForeignBlobError) Error() string {
	return fmt.Sprintf("%v: the file of %s (%s) holds the key of %s (%s)", ErrForeignBlob, e.Wallet, e.Address, e.Found, e.FoundAddress)
}

// Unwrap makes errors.Is and domain.CodeOf work.
func (*ForeignBlobError) Unwrap() error { return ErrForeignBlob }

// ForeignKeyError reports that a wallet signs for another address than its events
// say. Its key was replaced: stop everything. It is an [ErrForeignKey].
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

// damaged returns an error about a damaged file.
func damaged(name, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrDamaged, name, fmt.Sprintf(format, args...))
}

// storage wraps an error of the file system.
func storage(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrStorage, doing, err)
}
