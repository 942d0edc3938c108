package typeddata

import (
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/go-json-experiment/json/jsontext"

	"pets/domain"
)

// domainType is the type of every domain here.
const domainType = "EIP712Domain"

var (
	nameText   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	structText = regexp.MustCompile(`^[A-Z][A-Za-z0-9_]{0,63}$`)
	fieldText  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	plainText  = regexp.MustCompile(`^[ -~]{1,64}$`)
)

var (
	shapeFields    = []string{"name", "chain_id", "domain", "primaryType", "fields", "side", "collateral", "token_decimals"}
	shapeOptionals = []string{"signature_type", "any_taker", "max_fee_bps"}
)

// parseShape reads one shape of a registry.
func parseShape(p place, raw jsontext.Value) (*shape, error) {
	row, err := p.object(raw, shapeFields, shapeOptionals)
	if err != nil {
		return nil, err
	}
	sh := &shape{}
	if sh.name, err = p.field("name").matching(row["name"], nameText, "must be lower-case letters, digits and hyphens, at most 64"); err != nil {
		return nil, err
	}
	if sh.chain, err = p.field("chain_id").count(row["chain_id"], 1, maxSafe.Uint64()-1); err != nil {
		return nil, err
	}
	for _, part := range []func(place, map[string]jsontext.Value) error{
		sh.parseDomain, sh.parseStruct, sh.parseSide, sh.parseSignatureType, sh.parseTaker, sh.parseFee, sh.parseAssets,
	} {
		if err := part(p, row); err != nil {
			return nil, err
		}
	}
	return sh, sh.tryHash(p)
}

func (sh *shape) parseDomain(p place, row map[string]jsontext.Value) error {
	p = p.field("domain")
	d, err := p.object(row["domain"], domainFields, nil)
	if err != nil {
		return err
	}
	const plain = "must be 1 to 64 printable characters"
	if sh.domain.name, err = p.field("name").matching(d["name"], plainText, plain); err != nil {
		return err
	}
	if sh.domain.version, err = p.field("version").matching(d["version"], plainText, plain); err != nil {
		return err
	}
	sh.domain.contract, err = p.field("verifyingContract").checksummed(d["verifyingContract"])
	return err
}

// domainFields are the fields of a shape's domain; the chain is given beside it.
var domainFields = []string{"name", "version", "verifyingContract"}

func (sh *shape) parseStruct(p place, row map[string]jsontext.Value) error {
	var err error
	if sh.primary, err = p.field("primaryType").matching(row["primaryType"], structText, "must be the name of a struct, such as Order"); err != nil {
		return err
	}
	if sh.primary == domainType {
		return p.field("primaryType").refuse("must be the struct of the order, not of the domain")
	}
	p = p.field("fields")
	rows, err := p.list(row["fields"])
	if err != nil {
		return err
	}
	if len(rows) > maxFields {
		return p.refuse("must be at most %d", maxFields)
	}
	for i, row := range rows {
		f, err := parseField(p.item(i), row)
		if err != nil {
			return err
		}
		if err := sh.addField(p.item(i), f); err != nil {
			return err
		}
	}
	for _, r := range rules {
		if _, ok := sh.with(r.role); r.needed && !ok {
			return p.refuse("must have one with the role %s", r.role)
		}
	}
	sh.types = typesOf(sh.primary, sh.fields)
	return nil
}

func parseField(p place, raw jsontext.Value) (field, error) {
	row, err := p.object(raw, []string{"name", "type", "role"}, nil)
	if err != nil {
		return field{}, err
	}
	var f field
	if f.name, err = p.field("name").matching(row["name"], fieldText, "must be the name of a field"); err != nil {
		return field{}, err
	}
	if f.solidity, err = p.field("type").text(row["type"]); err != nil {
		return field{}, err
	}
	if !knownType(f.solidity) {
		return field{}, p.field("type").refuse("must be address, bool, bytes32, string, or uint8 to uint256")
	}
	text, err := p.field("role").text(row["role"])
	f.role = role(text)
	return f, err
}

func (sh *shape) addField(p place, f field) error {
	if slices.ContainsFunc(sh.fields, func(other field) bool { return other.name == f.name }) {
		return p.field("name").refuse("stands twice")
	}
	r, ok := ruleOf(f.role)
	if !ok {
		return p.field("role").refuse("is not a role")
	}
	if _, taken := sh.with(f.role); taken && f.role != roleZero {
		return p.field("role").refuse("stands twice")
	}
	if !r.fits(f.solidity) {
		return p.field("role").refuse("does not fit the type %s", f.solidity)
	}
	sh.fields = append(sh.fields, f)
	return nil
}

func typesOf(primary string, fields []field) apitypes.Types {
	members := make([]apitypes.Type, 0, len(fields))
	for _, f := range fields {
		members = append(members, apitypes.Type{Name: f.name, Type: f.solidity})
	}
	return apitypes.Types{primary: members, domainType: {
		{Name: "name", Type: "string"},
		{Name: "version", Type: "string"},
		{Name: "chainId", Type: "uint256"},
		{Name: "verifyingContract", Type: "address"},
	}}
}

func (sh *shape) parseSide(p place, row map[string]jsontext.Value) error {
	p = p.field("side")
	side, err := p.object(row["side"], []string{"buy", "sell"}, nil)
	if err != nil {
		return err
	}
	f, _ := sh.with(roleSide)
	if sh.buy, err = p.field("buy").encoding(f, side["buy"]); err != nil {
		return err
	}
	if sh.sell, err = p.field("sell").encoding(f, side["sell"]); err != nil {
		return err
	}
	if sh.buy == sh.sell {
		return p.refuse("must distinguish buy from sell")
	}
	return nil
}

func (sh *shape) parseSignatureType(p place, row map[string]jsontext.Value) error {
	p = p.field("signature_type")
	f, typed := sh.with(roleSignatureType)
	raw, given := row["signature_type"]
	switch {
	case typed && !given:
		return p.refuse("is missing: it says which value of %s means an account that signs for itself", f.name)
	case given && !typed:
		return p.refuse("needs a field with that role")
	case !given:
		return nil
	}
	var err error
	sh.signatureType, err = p.encoding(f, raw)
	return err
}

func (sh *shape) parseTaker(p place, row map[string]jsontext.Value) error {
	raw, given := row["any_taker"]
	if !given {
		return nil
	}
	p = p.field("any_taker")
	if _, ok := sh.with(roleTaker); !ok {
		return p.refuse("needs a field with the role %s", roleTaker)
	}
	v, err := p.boolean(raw)
	sh.anyTaker = !v.zero && err == nil
	return err
}

// parseFee requires the highest fee in the order or in the shape: an order
// without a fee accepts any fee that the venue can take.
func (sh *shape) parseFee(p place, row map[string]jsontext.Value) error {
	p = p.field("max_fee_bps")
	f, signed := sh.with(roleFee)
	raw, given := row["max_fee_bps"]
	switch {
	case signed && given:
		return p.refuse("must be left out: %s gives it", f.name)
	case !signed && !given:
		return p.refuse("is missing: no field has the role %s, so the highest fee of the venue has to be given here", roleFee)
	case signed:
		return nil
	}
	n, err := p.count(raw, 0, wholeBPS)
	if err != nil {
		return err
	}
	fee := domain.FromInt(int64(n)) //nolint:gosec // at most 10,000
	sh.maxFee = &fee
	return nil
}

func (sh *shape) parseAssets(p place, row map[string]jsontext.Value) error {
	at := p.field("collateral")
	c, err := at.object(row["collateral"], []string{"id", "decimals"}, nil)
	if err != nil {
		return err
	}
	if sh.collateral, err = at.field("id").text(c["id"]); err != nil {
		return err
	}
	token, ok := strings.CutPrefix(sh.collateral, fmt.Sprintf("eip155:%d/erc20:", sh.chain))
	if !ok || common.HexToAddress(token).Hex() != token || common.HexToAddress(token) == (common.Address{}) {
		return at.field("id").refuse("must be a CAIP-19 id of the chain, such as eip155:%d/erc20:0x… with an EIP-55 address", sh.chain)
	}
	if sh.collateralDecimals, err = at.field("decimals").decimals(c["decimals"]); err != nil {
		return err
	}
	sh.tokenDecimals, err = p.field("token_decimals").decimals(row["token_decimals"])
	return err
}

// tryHash hashes an order of zeros, so that a shape that cannot be hashed is
// detected when the file is read.
func (sh *shape) tryHash(p place) error {
	values := make(map[string]value, len(sh.fields))
	for _, f := range sh.fields {
		values[f.name] = zeroOf(f.solidity)
	}
	if _, err := sh.digest(values); err != nil {
		return p.refuse("cannot be hashed")
	}
	return nil
}

func zeroOf(solidity string) value {
	switch solidity {
	case typeAddress:
		return value{hash: common.Address{}.Hex()}
	case typeBool:
		return value{hash: false}
	case typeBytes32:
		return value{hash: make([]byte, common.HashLength)}
	case typeString:
		return value{hash: ""}
	}
	return value{hash: new(big.Int)}
}

// matching decodes a text of a given form.
func (p place) matching(raw jsontext.Value, form *regexp.Regexp, must string) (string, error) {
	text, err := p.text(raw)
	if err == nil && !form.MatchString(text) {
		err = p.refuse("%s", must)
	}
	return text, err
}

// checksummed decodes an address of a registry: in EIP-55, and not the zero
// address.
func (p place) checksummed(raw jsontext.Value) (common.Address, error) {
	text, err := p.text(raw)
	if err != nil {
		return common.Address{}, err
	}
	a := common.HexToAddress(text)
	if a.Hex() != text || a == (common.Address{}) {
		return common.Address{}, p.refuse("must be the address of a contract, in EIP-55")
	}
	return a, nil
}

// encoding decodes the value of a field, which is written as a string whatever
// its type.
func (p place) encoding(f field, raw jsontext.Value) (string, error) {
	text, err := p.text(raw)
	if err != nil {
		return "", err
	}
	if f.solidity == typeBool {
		raw = jsontext.Value(text)
	}
	v, err := p.value(f.solidity, raw)
	if err == nil && v.text != text {
		err = p.refuse("must be in decimal")
	}
	return text, err
}

// count decodes a whole number between limits, a JSON integer.
func (p place) count(raw jsontext.Value, low, high uint64) (uint64, error) {
	if raw.Kind() == '0' {
		if n, err := p.integer(64, raw); err == nil && n.Uint64() >= low && n.Uint64() <= high {
			return n.Uint64(), nil
		}
	}
	return 0, p.refuse("must be a JSON integer, %d to %d", low, high)
}

func (p place) decimals(raw jsontext.Value) (int, error) {
	n, err := p.count(raw, 0, domain.Scale)
	return int(n), err //nolint:gosec // at most 18
}
