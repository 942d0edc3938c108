package typeddata

import (
	_ "embed" // the default registry
	"os"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"pets/domain"
)

// Limits of a registry file.
const (
	maxFileBytes = 1 << 20
	maxShapes    = 256
	maxFields    = 64
)

//go:embed shapes.json
var defaultShapes []byte

// Shapes is the registry of known orders, by contract and struct. It is immutable
// and safe for concurrent use.
type Shapes struct{ all []*shape }

// shape is one kind of order: what must match exactly, and which field means
// what.
type shape struct {
	name    string
	chain   uint64 // EIP-155
	domain  domainOf
	primary string
	fields  []field
	types   apitypes.Types // the same, in the form that hashing takes

	buy, sell     string // values of the side, canonical
	signatureType string // the account that signs for itself, canonical
	anyTaker      bool

	collateral         string // CAIP-19
	collateralDecimals int
	tokenDecimals      int
	// maxFee is the highest fee that the venue can take of an order without a
	// fee.
	maxFee *domain.Decimal
}

// domainOf is an EIP-712 domain. All four fields are required: a signature
// without chain or contract could be used elsewhere.
type domainOf struct {
	name, version string
	contract      common.Address
}

// field is one field of the struct, in its order.
type field struct {
	name, solidity string
	role           role
}

// Default returns the built-in registry.
func Default() (*Shapes, error) { return ParseShapes("the built-in shapes", defaultShapes) }

// ReadShapes reads a registry file of at most 1 MiB.
func ReadShapes(file string) (*Shapes, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, domain.Invalid(file, "cannot be read")
	}
	if info.Size() > maxFileBytes {
		return nil, domain.Invalid(file, "has more than %d bytes", maxFileBytes)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, domain.Invalid(file, "cannot be read")
	}
	return ParseShapes(file, text)
}

// ParseShapes parses a registry. It refuses unknown, repeated and missing fields
// and impossible values, naming the file and the field.
func ParseShapes(file string, text []byte) (*Shapes, error) {
	if len(text) > maxFileBytes {
		return nil, domain.Invalid(file, "has more than %d bytes", maxFileBytes)
	}
	root := place{path: file, sep: ": ", ours: true}
	raw, err := root.only(text)
	if err != nil {
		return nil, err
	}
	top, err := root.object(raw, []string{"shapes"}, nil)
	if err != nil {
		return nil, err
	}
	at := root.field("shapes")
	rows, err := at.list(top["shapes"])
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || len(rows) > maxShapes {
		return nil, at.refuse("must be 1 to %d", maxShapes)
	}
	s := &Shapes{}
	for i, row := range rows {
		sh, err := parseShape(at.item(i), row)
		if err != nil {
			return nil, err
		}
		if err := s.add(at.item(i), sh); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// add requires distinct names, and distinct contracts and structs.
func (s *Shapes) add(p place, sh *shape) error {
	for _, other := range s.all {
		if other.name == sh.name {
			return p.field("name").refuse("stands twice")
		}
		if other.chain == sh.chain && other.domain.contract == sh.domain.contract && other.primary == sh.primary {
			return p.refuse("has the chain, contract and struct of %s: an order could not be told apart", other.name)
		}
	}
	s.all = append(s.all, sh)
	return nil
}

// Names are the names of the shapes, sorted.
func (s *Shapes) Names() []string {
	names := make([]string, 0, len(s.all))
	for _, sh := range s.all {
		names = append(names, sh.name)
	}
	slices.Sort(names)
	return names
}

// Collaterals are the CAIP-19 ids of what the known orders of a chain (CAIP-2) are paid in,
// sorted.
func (s *Shapes) Collaterals(chain string) []string {
	var ids []string
	for _, sh := range s.all {
		if strings.HasPrefix(sh.collateral, chain+"/") {
			ids = append(ids, sh.collateral)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// unknown refuses an unknown shape and lists the known ones.
func (s *Shapes) unknown(p place, format string, args ...any) error {
	return p.refuse(format+"; the known shapes are "+strings.Join(s.Names(), ", "), args...)
}
