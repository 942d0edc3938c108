package vault

import (
	"crypto/ecdsa"
	"crypto/subtle"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Address is an account on an EVM chain; its String is EIP-55.
type Address = common.Address

// keyBytes is the length of a private key.
const keyBytes = 32

// Signature is r ‖ s ‖ v with s in the lower half of the order and v 0 or 1.
type Signature = [65]byte

// PrivateKey signs. It is passed to a function, wiped when that returns, and
// cannot be printed or encoded. It is safe for concurrent use, and returns
// ErrWiped after it was wiped. The zero PrivateKey is a wiped one.
type PrivateKey struct {
	hidden
	held func() *held // a closure: reflection does not see into it
}

// held is the hidden content of a PrivateKey.
type held struct {
	mu      sync.Mutex
	secret  *[keyBytes]byte // nil once wiped
	address Address
}

// newPrivateKey copies a key. It refuses one that is not between 1 and the order
// of the curve, with an error that says no more.
func newPrivateKey(secret []byte) (*PrivateKey, error) {
	signer, err := signerOf(secret)
	if err != nil {
		return nil, err
	}
	defer wipeSigner(signer)
	h := &held{secret: new([keyBytes]byte), address: crypto.PubkeyToAddress(signer.PublicKey)}
	copy(h.secret[:], secret)
	return &PrivateKey{held: func() *held { return h }}, nil
}

// Address is the account that the key signs for. It is public, and remains after
// Wipe.
func (k *PrivateKey) Address() Address { return k.open().address }

// Sign signs a digest deterministically (RFC 6979), so that the same digest gives
// the same signature. The digest must have been computed by this program: an
// attacker who chooses it freely can learn about the key.
func (k *PrivateKey) Sign(digest [32]byte) (Signature, error) {
	var signature Signature
	err := inSecret(func() error {
		return k.use(func(secret *[keyBytes]byte) error {
			signer, err := signerOf(secret[:])
			if err != nil {
				return err
			}
			defer wipeSigner(signer)
			made, err := crypto.Sign(digest[:], signer)
			if err != nil {
				return err
			}
			copy(signature[:], made)
			return nil
		})
	})
	return signature, err
}

// Wipe erases the key. It waits for a signature in progress.
func (k *PrivateKey) Wipe() {
	h := k.open()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.secret != nil {
		wipe(h.secret[:])
		h.secret = nil
	}
}

// open returns the hidden content; never nil.
func (k *PrivateKey) open() *held {
	if k == nil || k.held == nil {
		return &held{}
	}
	return k.held()
}

// use calls f with the key, which must not leave f. It is a pointer, so that the
// key is never in a register or argument that a stack trace would print.
func (k *PrivateKey) use(f func(*[keyBytes]byte) error) error {
	h := k.open()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.secret == nil {
		return ErrWiped
	}
	return f(h.secret)
}

// sameKey compares two keys in constant time.
func sameKey(a, b *PrivateKey) (same bool, err error) {
	err = a.use(func(x *[keyBytes]byte) error {
		return b.use(func(y *[keyBytes]byte) error {
			same = subtle.ConstantTimeCompare(x[:], y[:]) == 1
			return nil
		})
	})
	return same, err
}

// signerOf converts the key to the library's form; wipeSigner wipes that.
func signerOf(secret []byte) (*ecdsa.PrivateKey, error) {
	signer, err := crypto.ToECDSA(secret)
	if err != nil {
		return nil, errNotAKey
	}
	return signer, nil
}

// wipeSigner erases the words of the big integer, in place.
func wipeSigner(signer *ecdsa.PrivateKey) {
	clear(signer.D.Bits()) //nolint:staticcheck // the library's type has no other way in
	signer.D.SetInt64(0)   //nolint:staticcheck // likewise
}
