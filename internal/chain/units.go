package chain

import (
	"errors"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/holiman/uint256"

	"pets/domain"
)

// Address is an account or a contract. Its text is EIP-55, and no other form is
// accepted, so that the checksum is always verified.
type Address common.Address

var (
	errAddress = errors.New("must be 0x and 40 hexadecimal digits, upper and lower case as EIP-55 has them")
	errUnits   = errors.New("must be a whole number without sign or leading zeros, below 2^256")
)

// ParseAddress reads an EIP-55 address.
func ParseAddress(text string) (Address, error) {
	if len(text) != 2+2*common.AddressLength || !common.IsHexAddress(text) {
		return Address{}, errAddress
	}
	a := common.HexToAddress(text)
	if a.Hex() != text {
		return Address{}, errAddress
	}
	return Address(a), nil
}

// String returns the EIP-55 text.
func (a Address) String() string { return common.Address(a).Hex() }

// IsZero reports whether a is the zero address, which nobody owns.
func (a Address) IsZero() bool { return a == Address{} }

// MarshalText returns the EIP-55 text.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads an EIP-55 address.
func (a *Address) UnmarshalText(text []byte) error {
	parsed, err := ParseAddress(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// Units is an amount in the smallest units of an asset, or of wei, as the chain
// counts. Two Units are equal exactly when == says so. Its JSON is a string,
// because many programs read JSON numbers as floats.
type Units struct{ n uint256.Int }

// NewUnits returns n units.
func NewUnits(n uint64) Units { return Units{*uint256.NewInt(n)} }

func unitsOf(n *big.Int) (Units, error) {
	if n == nil || n.Sign() < 0 {
		return Units{}, errUnits
	}
	u, overflow := uint256.FromBig(n)
	if overflow {
		return Units{}, errUnits
	}
	return Units{*u}, nil
}

// Big returns a copy as a big.Int.
func (u Units) Big() *big.Int { return u.n.ToBig() }

// Cmp returns −1, 0 or +1 as u is below, equal to or above v.
func (u Units) Cmp(v Units) int { return u.n.Cmp(&v.n) }

// IsZero reports whether u is 0.
func (u Units) IsZero() bool { return u.n.IsZero() }

// add returns u + v, and whether it fits.
func (u Units) add(v Units) (Units, bool) {
	sum, overflow := new(uint256.Int).AddOverflow(&u.n, &v.n)
	return Units{*sum}, !overflow
}

// times returns u × m, and whether it fits.
func (u Units) times(m uint64) (Units, bool) {
	product, overflow := new(uint256.Int).MulOverflow(&u.n, uint256.NewInt(m))
	return Units{*product}, !overflow
}

// over returns u ÷ m, rounded down.
func (u Units) over(m uint64) Units {
	return Units{*new(uint256.Int).Div(&u.n, uint256.NewInt(m))}
}

// less returns u − v, or 0 if that would be negative.
func (u Units) less(v Units) Units {
	if u.Cmp(v) < 0 {
		return Units{}
	}
	return Units{*new(uint256.Int).Sub(&u.n, &v.n)}
}

func lower(u, v Units) Units {
	if u.Cmp(v) < 0 {
		return u
	}
	return v
}

func higher(u, v Units) Units {
	if u.Cmp(v) < 0 {
		return v
	}
	return u
}

func (u Units) String() string { return u.n.Dec() }

// MarshalText returns the decimal text.
func (u Units) MarshalText() ([]byte, error) { return []byte(u.n.Dec()), nil }

// UnmarshalText reads a decimal text in its one canonical form.
func (u *Units) UnmarshalText(text []byte) error {
	n, err := uint256.FromDecimal(string(text))
	if err != nil || n.Dec() != string(text) {
		return errUnits
	}
	u.n = *n
	return nil
}

// scaled converts an exact decimal to units of 10^-decimals. It never rounds.
func scaled(field string, amount domain.Decimal, decimals int) (Units, error) {
	if amount.Sign() < 0 {
		return Units{}, domain.Invalid(field, "must not be negative")
	}
	whole, fraction, _ := strings.Cut(amount.String(), ".")
	if len(fraction) > decimals {
		return Units{}, domain.Invalid(field, "has more than the %d decimals of the asset", decimals)
	}
	digits := whole + fraction + strings.Repeat("0", decimals-len(fraction))
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return Units{}, domain.Invalid(field, "is not a number")
	}
	return unitsOf(n)
}

// unscaled is the inverse of scaled. It refuses an amount that the ledger cannot
// hold.
func unscaled(u Units, decimals int) (domain.Decimal, error) {
	digits := u.String()
	for len(digits) <= decimals {
		digits = "0" + digits
	}
	if decimals > 0 {
		digits = digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
	}
	d, err := domain.ParseDecimal(digits)
	if err != nil {
		return domain.Zero, domain.Invalid("amount", "on the chain is beyond what the ledger holds (10^15)")
	}
	return d, nil
}
