package vault

import (
	"fmt"

	"github.com/ethereum/go-ethereum/accounts"

	"pets/domain"
)

// maxPathDepth is far above any standard's.
const maxPathDepth = 10

// Path is the BIP-44 path of the i-th Ethereum account: m/44'/60'/0'/0/i. From
// 2³¹ on there is none, and nothing takes what it returns.
func Path(i uint32) string { return fmt.Sprintf("m/44'/60'/0'/0/%d", i) }

// parsePath reads a path in the one way it is written, m/44'/60'/0'/0/0. The
// library also takes relative paths, spaces and other bases, so that two texts
// could mean one path, or a person another than was meant.
func parsePath(text string) (accounts.DerivationPath, error) {
	path, err := accounts.ParseDerivationPath(text)
	if err != nil || len(path) == 0 || len(path) > maxPathDepth || path.String() != text {
		return nil, domain.Invalid("path", "must be a derivation path such as %s", Path(0))
	}
	return path, nil
}
