package chain

import (
	_ "embed" // the default registry
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pets/domain"
)

// Limits of a registry file.
const (
	maxRegistryBytes = 1 << 20
	maxConfirmations = 10_000
	maxLagBlocks     = 1_000
	maxDecimals      = domain.Scale
)

//go:embed registry.json
var defaultRegistry []byte

// Chain is what the registry knows of one chain.
type Chain struct {
	ID   string `json:"id"` // CAIP-2, such as eip155:137
	Name string `json:"name"`
	// Confirmations is the number of blocks, including the transaction's own,
	// after which it is final.
	Confirmations uint64 `json:"confirmations"`
	// MaxLag is how many blocks an endpoint may be behind another one.
	MaxLag uint64 `json:"max_lag"`
	// HeadMaxAge is the largest age of the newest block. If it is older, the
	// endpoints are considered stuck.
	HeadMaxAge domain.Duration `json:"head_max_age"`
	// MaxGas is the most gas a transfer may ask for.
	MaxGas uint64 `json:"max_gas"`
	// Fees per gas, in gwei (10^-9 of the native coin).
	MinTipGwei domain.Decimal `json:"min_tip_gwei"`
	MaxTipGwei domain.Decimal `json:"max_tip_gwei"`
	MaxFeeGwei domain.Decimal `json:"max_fee_gwei"`
	// Conditional is the contract whose tokens are the outcomes of markets; nil if none
	// is known on the chain.
	Conditional *Conditional `json:"conditional_tokens,omitempty"`

	number uint64 // of the id
	rules  feeRules
}

// Number is the chain id that transactions are bound to (EIP-155).
func (c Chain) Number() uint64 { return c.number }

// testChains are the ids of chains whose coins have no value: development nodes and
// public test networks. The list is here and not in the registry, because a registry
// file could otherwise declare a main chain to be a test chain.
var testChains = []uint64{
	1337, 31337, // development nodes: geth, and Hardhat or Anvil
	80002,                   // Polygon Amoy
	11155111, 17000, 560048, // Sepolia, Holesky, Hoodi
	84532, 421614, 11155420, // Base, Arbitrum and OP on Sepolia
	97, 43113, 10200, // BNB, Avalanche Fuji, Chiado
}

// Test reports whether this is a known test chain, where nothing can be lost. Only such a
// chain may be used with a single endpoint.
func (c Chain) Test() bool { return slices.Contains(testChains, c.number) }

// Asset is what the registry knows of one asset: its native coin, or an ERC-20
// token.
type Asset struct {
	ID       string `json:"id"` // CAIP-19, such as eip155:137/erc20:0x… or eip155:137/slip44:966
	Symbol   string `json:"symbol"`
	Decimals int    `json:"decimals"`
	// ChainSymbols are the names that the token itself may use, if they differ
	// from Symbol.
	ChainSymbols []string `json:"chain_symbols,omitempty"`

	chain string
	token Address // the contract of an ERC-20 token, zero for the native coin
}

// Chain is the CAIP-2 id of the asset's chain.
func (a Asset) Chain() string { return a.chain }

// Contract is the address of a token's contract, zero for the native coin.
func (a Asset) Contract() Address { return a.token }

// Native reports whether a is the coin that fees are paid in.
func (a Asset) Native() bool { return a.token.IsZero() }

// Units converts an amount into the asset's units. An amount with more decimals
// than the asset has is refused, not rounded.
func (a Asset) Units(amount domain.Decimal) (Units, error) {
	return scaled("amount", amount, a.Decimals)
}

// Amount converts units to an amount, exactly.
func (a Asset) Amount(u Units) (domain.Decimal, error) { return unscaled(u, a.Decimals) }

// Registry holds the facts about chains and assets. They are data: no token's
// address or chain's number is hard-coded.
type Registry struct {
	Chains []Chain `json:"chains"`
	Assets []Asset `json:"assets"`
}

// Default returns the built-in registry.
func Default() (*Registry, error) { return ParseRegistry("the built-in registry", defaultRegistry) }

// ReadRegistry reads a registry file.
func ReadRegistry(file string) (*Registry, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, domain.Invalid(file, "cannot be read")
	}
	if info.Size() > maxRegistryBytes {
		return nil, domain.Invalid(file, "has more than %d bytes", maxRegistryBytes)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, domain.Invalid(file, "cannot be read")
	}
	return ParseRegistry(file, text)
}

// ParseRegistry parses a registry. It refuses unknown, repeated and missing
// fields and impossible values, naming the file and the field.
func ParseRegistry(file string, text []byte) (*Registry, error) {
	var rows struct {
		Chains []Chain    `json:"chains"`
		Assets []assetRow `json:"assets"`
	}
	if err := json.Unmarshal(text, &rows, json.RejectUnknownMembers(true)); err != nil {
		return nil, jsonError(file, err)
	}
	r := &Registry{Chains: rows.Chains, Assets: make([]Asset, 0, len(rows.Assets))}
	for i, row := range rows.Assets {
		if row.Decimals == nil {
			return nil, inFile(file, "assets", i, domain.Invalid("decimals", "is missing"))
		}
		row.Asset.Decimals = *row.Decimals
		r.Assets = append(r.Assets, row.Asset)
	}
	if err := r.check(file); err != nil {
		return nil, err
	}
	return r, nil
}

// assetRow distinguishes missing decimals from 0, which would multiply every
// amount.
type assetRow struct {
	Asset
	Decimals *int `json:"decimals"`
}

func (r *Registry) check(file string) error {
	for i := range r.Chains {
		if err := r.Chains[i].check(); err != nil {
			return inFile(file, "chains", i, err)
		}
		if slices.ContainsFunc(r.Chains[:i], func(c Chain) bool { return c.ID == r.Chains[i].ID }) {
			return inFile(file, "chains", i, domain.Invalid("id", "stands twice"))
		}
	}
	for i := range r.Assets {
		if err := r.Assets[i].check(r); err != nil {
			return inFile(file, "assets", i, err)
		}
		if slices.ContainsFunc(r.Assets[:i], func(a Asset) bool { return a.ID == r.Assets[i].ID }) {
			return inFile(file, "assets", i, domain.Invalid("id", "stands twice"))
		}
	}
	return r.checkNative(file)
}

// checkNative requires one native coin for each chain, because fees are paid in
// it.
func (r *Registry) checkNative(file string) error {
	for i, c := range r.Chains {
		n := 0
		for _, a := range r.Assets {
			if a.chain == c.ID && a.Native() {
				n++
			}
		}
		if n != 1 {
			return inFile(file, "chains", i, domain.Invalid("id", "needs exactly one native coin (slip44) among the assets, and has %d", n))
		}
	}
	if len(r.Chains) == 0 {
		return domain.Invalid(file+": chains", "is empty")
	}
	return nil
}

// Chain finds a chain by its CAIP-2 id.
func (r *Registry) Chain(id string) (Chain, error) {
	for _, c := range r.Chains {
		if c.ID == id {
			return c, nil
		}
	}
	return Chain{}, domain.Errorf(domain.CodeNotFound, "the chain is not in the registry")
}

// Asset finds an asset by its CAIP-19 id.
func (r *Registry) Asset(id string) (Asset, error) {
	for _, a := range r.Assets {
		if a.ID == id {
			return a, nil
		}
	}
	return Asset{}, domain.Errorf(domain.CodeNotFound, "the asset is not in the registry")
}

// Native returns the coin that fees on a chain are paid in.
func (r *Registry) Native(chainID string) (Asset, error) {
	for _, a := range r.Assets {
		if a.chain == chainID && a.Native() {
			return a, nil
		}
	}
	return Asset{}, domain.Errorf(domain.CodeNotFound, "the chain is not in the registry")
}

func (c *Chain) check() error {
	number, ok := strings.CutPrefix(c.ID, "eip155:")
	n, err := strconv.ParseUint(number, 10, 63)
	if !ok || err != nil || n == 0 || strconv.FormatUint(n, 10) != number {
		return domain.Invalid("id", "must be a CAIP-2 id such as eip155:137")
	}
	c.number = n
	switch {
	case !short(c.Name):
		return domain.Invalid("name", "must have 1 to 32 printable characters")
	case c.Confirmations < 1 || c.Confirmations > maxConfirmations:
		return domain.Invalid("confirmations", "must be 1 to %d", maxConfirmations)
	case c.MaxLag < 1 || c.MaxLag > maxLagBlocks:
		return domain.Invalid("max_lag", "must be 1 to %d", maxLagBlocks)
	case time.Duration(c.HeadMaxAge) < time.Second || time.Duration(c.HeadMaxAge) > time.Hour:
		return domain.Invalid("head_max_age", "must be 1s to 1h")
	case c.MaxGas < 21_000 || c.MaxGas > 10_000_000:
		return domain.Invalid("max_gas", "must be 21000 to 10000000")
	}
	if c.Conditional != nil {
		if err := c.Conditional.check(); err != nil {
			return err
		}
	}
	return c.checkFees()
}

func (c *Chain) checkFees() error {
	for field, to := range map[string]struct {
		gwei domain.Decimal
		wei  *Units
	}{
		"min_tip_gwei": {c.MinTipGwei, &c.rules.minTip},
		"max_tip_gwei": {c.MaxTipGwei, &c.rules.maxTip},
		"max_fee_gwei": {c.MaxFeeGwei, &c.rules.maxFee},
	} {
		wei, err := scaled(field, to.gwei, 9)
		if err != nil {
			return err
		}
		if wei.IsZero() {
			return domain.Invalid(field, "must be above 0")
		}
		*to.wei = wei
	}
	if c.rules.minTip.Cmp(c.rules.maxTip) > 0 {
		return domain.Invalid("max_tip_gwei", "must be at least min_tip_gwei")
	}
	if c.rules.maxTip.Cmp(c.rules.maxFee) > 0 {
		return domain.Invalid("max_fee_gwei", "must be at least max_tip_gwei")
	}
	return nil
}

func (a *Asset) check(r *Registry) error {
	chain, rest, _ := strings.Cut(a.ID, "/")
	space, reference, _ := strings.Cut(rest, ":")
	a.chain = chain
	switch space {
	case "erc20":
		token, err := ParseAddress(reference)
		if err != nil {
			return domain.Invalid("id", "must end in an address: it %v", err)
		}
		if token.IsZero() {
			return domain.Invalid("id", "must end in the address of a contract")
		}
		a.token = token
	case "slip44":
		if n, err := strconv.ParseUint(reference, 10, 31); err != nil || strconv.FormatUint(n, 10) != reference {
			return domain.Invalid("id", "must end in a SLIP-44 number")
		}
	default:
		return domain.Invalid("id", "must be a CAIP-19 id such as eip155:137/erc20:0x… or eip155:137/slip44:966")
	}
	if _, err := r.Chain(chain); err != nil {
		return domain.Invalid("id", "must begin with the id of a chain in this file")
	}
	switch {
	case !short(a.Symbol) || slices.ContainsFunc(a.ChainSymbols, func(s string) bool { return !short(s) }):
		return domain.Invalid("symbol", "must have 1 to 32 printable characters")
	case a.Decimals < 0 || a.Decimals > maxDecimals:
		return domain.Invalid("decimals", "must be 0 to %d", maxDecimals)
	case a.Native() && len(a.ChainSymbols) > 0:
		return domain.Invalid("chain_symbols", "is only for tokens: a native coin has no contract to query")
	}
	return nil
}

func short(s string) bool {
	return s != "" && len(s) <= 32 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func inFile(file, list string, i int, err error) error {
	var e *domain.Error
	if !errors.As(err, &e) {
		return domain.Invalid(fmt.Sprintf("%s: %s[%d]", file, list, i), "%v", err)
	}
	return domain.Invalid(fmt.Sprintf("%s: %s[%d].%s", file, list, i, e.Field), "%s", e.Message)
}

// jsonError says where the file is invalid.
func jsonError(file string, err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		what := "is not valid JSON"
		if errors.Is(err, jsontext.ErrDuplicateName) {
			what = "stands twice"
		}
		return domain.Invalid(file+": "+pointer(syntax.JSONPointer), "%s (byte %d)", what, syntax.ByteOffset)
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		what := "is not of the right type"
		switch {
		case errors.Is(err, json.ErrUnknownName):
			what = "is not a field of a registry"
		case semantic.Err != nil:
			what = semantic.Err.Error()
		}
		return domain.Invalid(file+": "+pointer(semantic.JSONPointer), "%s", what)
	}
	return domain.Invalid(file, "is empty or cut short")
}

// pointer converts a JSON pointer to the usual form of a field: a[1].b.
func pointer(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		switch _, err := strconv.Atoi(token); {
		case err == nil:
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	if b.Len() == 0 {
		return "the file"
	}
	return b.String()
}
