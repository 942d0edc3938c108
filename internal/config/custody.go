package config

import (
	"encoding/base64"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"pets/domain"
)

// maxEndpoints is how many JSON-RPC endpoints may be named.
const maxEndpoints = 8

var chainID = regexp.MustCompile(`^eip155:[1-9][0-9]{0,17}$`)

// validateCustody checks the variables of keys and chains. No error repeats a
// value: most of them are secrets, or hold one.
func (c Config) validateCustody() error {
	if key := c.EncryptionKey.Reveal(); key != "" && !isFernetKey(key) {
		return domain.Invalid("ENCRYPTION_KEY", "must be %s", lookup("EncryptionKey").rule)
	}
	if retired := c.EncryptionKeysRetired.Reveal(); retired != "" {
		for key := range strings.SplitSeq(retired, ",") {
			if !isFernetKey(key) {
				return domain.Invalid("ENCRYPTION_KEYS_RETIRED", "must be %s", lookup("EncryptionKeysRetired").rule)
			}
		}
		if c.EncryptionKey.Reveal() == "" {
			return domain.Invalid("ENCRYPTION_KEYS_RETIRED", "is set, and ENCRYPTION_KEY is not: nothing could be sealed")
		}
	}
	switch every := c.ReconcileEvery; {
	case every < domain.Duration(time.Minute) || every > domain.Duration(24*time.Hour):
		return domain.Invalid("PETS_RECONCILE_EVERY", "must be %s", lookup("ReconcileEvery").rule)
	case !chainID.MatchString(c.Chain):
		return domain.Invalid("PETS_CHAIN", "must be %s", lookup("Chain").rule)
	case strings.TrimSpace(c.Keystore) == "" || strings.ContainsFunc(c.Keystore, control):
		return domain.Invalid("PETS_KEYSTORE", "must be %s", lookup("Keystore").rule)
	}
	for name, file := range map[string]string{"PETS_ASSET_REGISTRY": c.AssetRegistry, "PETS_ORDER_SHAPES": c.OrderShapes} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			return domain.Invalid(name, "must be a JSON file that can be read")
		}
	}
	if c.RPCURLs.Reveal() == "" {
		return nil
	}
	urls := strings.Split(c.RPCURLs.Reveal(), ",")
	for _, text := range urls {
		if u, err := url.Parse(text); len(urls) > maxEndpoints || err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return domain.Invalid("PETS_RPC_URLS", "must be %s", lookup("RPCURLs").rule)
		}
	}
	return nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// isFernetKey checks the form of a key: 32 bytes in base64, as Fernet writes it.
// The vault checks whether it is usable.
func isFernetKey(s string) bool {
	b, err := base64.URLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == 32
}

// Endpoints are the JSON-RPC endpoints, each a secret: their URLs hold tokens.
func (c Config) Endpoints() []Secret {
	if c.RPCURLs.Reveal() == "" {
		return nil
	}
	var all []Secret
	for text := range strings.SplitSeq(c.RPCURLs.Reveal(), ",") {
		all = append(all, NewSecret(text))
	}
	return all
}

// Treasury returns the rules of the treasury that a new portfolio is opened with. Its
// errors name the environment variable.
func (c Config) Treasury() (domain.TreasuryPolicy, error) {
	p := domain.TreasuryPolicy{
		HotWalletPercentage: c.HotWalletPercentage, MinRebalanceUSD: c.MinRebalanceUSD, ApprovalThresholdUSD: c.ApprovalThresholdUSD,
		ApprovalTTL: c.ApprovalTTL, MaxTransferFee: c.MaxTransferFee,
	}
	if err := p.Validate(); err != nil {
		return domain.TreasuryPolicy{}, inEnvironmentTerms(err)
	}
	return p, nil
}
