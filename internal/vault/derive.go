package vault

import (
	"github.com/btcsuite/btcd/btcutil/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg"

	"pets/domain"
)

// deriveKey derives the key at a BIP-32 path from a seed. The caller wipes the
// returned key. A child that does not exist (one in 2¹²⁷) is refused, not
// skipped: another index would be another path.
func deriveKey(seed []byte, text string) (*PrivateKey, error) {
	path, err := parsePath(text)
	if err != nil {
		return nil, err
	}
	node, err := hdkeychain.NewMaster(seed, &chaincfg.MainNetParams)
	if err != nil {
		return nil, domain.Errorf(domain.CodeInvalid, "the seed has no master key")
	}
	for _, i := range path {
		child, err := node.Derive(i)
		node.Zero()
		if err != nil {
			return nil, domain.Invalid("path", "has no key for this seed; take the next index")
		}
		node = child
	}
	defer node.Zero()
	private, err := node.ECPrivKey()
	if err != nil {
		return nil, domain.Errorf(domain.CodeInternal, "the derived node has no private key")
	}
	defer private.Zero()
	secret := private.Serialize()
	defer wipe(secret)
	return newPrivateKey(secret)
}
