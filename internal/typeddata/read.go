package typeddata

import (
	"encoding/hex"
	"slices"

	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/go-json-experiment/json/jsontext"

	"pets/domain"
)

// MaxBytes is how long typed data may be.
const MaxBytes = 16 << 10

// Read parses typed data in the form of eth_signTypedData_v4: an object of types,
// domain, primaryType and message. It returns the order and the digest that a
// signature of it signs. Errors have code invalid (too_large above [MaxBytes]),
// name the field starting with typed_data, and never hold a value.
func (s *Shapes) Read(typedData []byte) (domain.TypedOrder, [32]byte, error) {
	p := place{path: "typed_data", sep: "."}
	if len(typedData) > MaxBytes {
		return refused(&domain.Error{Code: domain.CodeTooLarge, Field: p.path, Message: "has more than 16 KiB"})
	}
	raw, err := p.only(typedData)
	if err != nil {
		return refused(err)
	}
	doc, err := p.object(raw, []string{"types", "domain", "primaryType", "message"}, nil)
	if err != nil {
		return refused(err)
	}
	sh, err := s.find(p, doc)
	if err != nil {
		return refused(err)
	}
	values, err := sh.message(p.field("message"), doc["message"])
	if err != nil {
		return refused(err)
	}
	digest, err := sh.digest(values)
	if err != nil {
		return refused(err)
	}
	order, err := sh.reduce(p.field("message"), values)
	if err != nil {
		return refused(err)
	}
	order.Digest = hex.EncodeToString(digest[:])
	return order, digest, nil
}

// refused returns nothing but the error, never half an order.
func refused(err error) (domain.TypedOrder, [32]byte, error) {
	return domain.TypedOrder{}, [32]byte{}, err
}

// find returns the shape of the typed data. The contract and the struct select
// it; everything else must match it exactly.
func (s *Shapes) find(p place, doc map[string]jsontext.Value) (*shape, error) {
	candidates, err := s.byDomain(p.field("domain"), doc["domain"])
	if err != nil {
		return nil, err
	}
	at := p.field("primaryType")
	primary, err := at.text(doc["primaryType"])
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(candidates, func(sh *shape) bool { return sh.primary == primary })
	if i < 0 {
		return nil, s.unknown(at, "is not an order that this contract is known to take")
	}
	sh := candidates[i]
	if err := s.sameDomain(p.field("domain"), doc["domain"], sh); err != nil {
		return nil, err
	}
	return sh, s.sameTypes(p.field("types"), doc["types"], sh)
}

var domainMembers = []string{"name", "version", "chainId", "verifyingContract"}

// byDomain returns the shapes on the chain and the contract of the domain.
func (s *Shapes) byDomain(p place, raw jsontext.Value) ([]*shape, error) {
	d, err := p.object(raw, domainMembers, nil)
	if err != nil {
		return nil, err
	}
	chain, err := p.field("chainId").integer(256, d["chainId"])
	if err != nil {
		return nil, err
	}
	contract, err := p.field("verifyingContract").address(d["verifyingContract"])
	if err != nil {
		return nil, err
	}
	var found []*shape
	onChain := false
	for _, sh := range s.all {
		same := chain.IsUint64() && chain.Uint64() == sh.chain
		onChain = onChain || same
		if same && sh.domain.contract == contract {
			found = append(found, sh)
		}
	}
	switch {
	case !onChain:
		return nil, s.unknown(p.field("chainId"), "is not a chain with a known exchange")
	case len(found) == 0:
		return nil, s.unknown(p.field("verifyingContract"), "is not a known exchange")
	}
	return found, nil
}

func (s *Shapes) sameDomain(p place, raw jsontext.Value, sh *shape) error {
	d, err := p.object(raw, domainMembers, nil)
	if err != nil {
		return err
	}
	for _, want := range []struct{ name, text string }{{"name", sh.domain.name}, {"version", sh.domain.version}} {
		text, err := p.field(want.name).text(d[want.name])
		if err != nil {
			return err
		}
		if text != want.text {
			return s.unknown(p.field(want.name), "is not the one of %s", sh.name)
		}
	}
	return nil
}

// sameTypes requires the struct field by field; the struct of the domain may be
// left out.
func (s *Shapes) sameTypes(p place, raw jsontext.Value, sh *shape) error {
	types, err := p.object(raw, []string{sh.primary}, []string{domainType})
	if err != nil {
		return err
	}
	for _, name := range []string{sh.primary, domainType} {
		if raw, ok := types[name]; ok {
			if err := s.sameStruct(p.field(name), raw, sh, sh.types[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Shapes) sameStruct(p place, raw jsontext.Value, sh *shape, want []apitypes.Type) error {
	members, err := p.list(raw)
	if err != nil {
		return err
	}
	if len(members) != len(want) {
		return s.unknown(p, "must have the %d fields of %s", len(want), sh.name)
	}
	for i, raw := range members {
		at := p.item(i)
		m, err := at.object(raw, []string{"name", "type"}, nil)
		if err != nil {
			return err
		}
		name, err := at.field("name").text(m["name"])
		if err != nil {
			return err
		}
		solidity, err := at.field("type").text(m["type"])
		if err != nil {
			return err
		}
		if name != want[i].Name || solidity != want[i].Type {
			return s.unknown(at, "must be %s %s, as in %s", want[i].Type, want[i].Name, sh.name)
		}
	}
	return nil
}

// message decodes every field of the struct, and no other.
func (sh *shape) message(p place, raw jsontext.Value) (map[string]value, error) {
	names := make([]string, 0, len(sh.fields))
	for _, f := range sh.fields {
		names = append(names, f.name)
	}
	members, err := p.object(raw, names, nil)
	if err != nil {
		return nil, err
	}
	values := make(map[string]value, len(names))
	for _, f := range sh.fields {
		if values[f.name], err = p.field(f.name).value(f.solidity, members[f.name]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// digest returns what a signature of the message signs.
func (sh *shape) digest(values map[string]value) ([32]byte, error) {
	message := make(apitypes.TypedDataMessage, len(values))
	for name, v := range values {
		message[name] = v.hash
	}
	return hash(apitypes.TypedData{
		Types:       sh.types,
		PrimaryType: sh.primary,
		Domain: apitypes.TypedDataDomain{
			Name:              sh.domain.name,
			Version:           sh.domain.version,
			ChainId:           math.NewHexOrDecimal256(int64(sh.chain)), //nolint:gosec // below 2^53
			VerifyingContract: sh.domain.contract.Hex(),
		},
		Message: message,
	})
}

// hash returns the EIP-712 digest. The error of the library holds values, so its
// text is dropped.
func hash(data apitypes.TypedData) ([32]byte, error) {
	digest, _, err := apitypes.TypedDataAndHash(data)
	if err != nil {
		return [32]byte{}, domain.Errorf(domain.CodeInternal, "the typed data could be read but not hashed")
	}
	return [32]byte(digest), nil
}
