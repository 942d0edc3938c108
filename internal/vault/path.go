package vault

import (
	"fmt"

	"github.com/ethereum/go-ethereum/accounts"

	"pets/domain"
)

// maxPathDepth is far above that of any standard.
const maxPathDepth = 10

// Path returns the BIP-44 path of the i-th Ethereum account: m/44'/60'/0'/0/i.
// For i ≥ 2³¹ there is none, and the result is refused everywhere.
func Path(i uint32) string { return fmt.Sprintf("m/44'/60'/0'/0/%d", i) }

// parsePath parses a path in its only accepted form, such as m/44'/60'/0'/0/0.
// The library also accepts relative paths, spaces and other bases, so that two
// texts could mean the same path, or a path other than the intended one.
func parsePath(text string) (accounts.DerivationPath, error) {
	path, err := accounts.ParseDerivationPath(text)
	if err != nil || len(path) == 0 || len(path) > maxPathDepth || path.String() != text {
		return nil, domain.Invalid("path", "must be a derivation path such as %s", Path(0))
	}
	return path, nil
}
