package domain

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/holiman/uint256"
	"github.com/quagmt/udecimal"
)

// Scale is the number of decimals that every amount, price, quantity and ratio is
// kept at.
const Scale = 18

// Decimal is an exact signed decimal number with up to [Scale] decimals.
//
// The zero value is 0. Two Decimals are equal exactly when they compare equal
// with ==, because every value inside the accepted range is held at the same
// scale: this makes Decimal safe as a struct field compared as a whole and as
// part of a map key.
//
// Sums are exact; products and quotients are rounded half to even at 18
// decimals, and a × b ÷ c ([MulDiv]) only once.
type Decimal struct {
	// hi and lo are the number × 10^18, in two's complement of 128 bits: sums and comparisons
	// are what a fold does most. One that does not [fits] has 0 there, and is large: far outside
	// the accepted range, and computed by udecimal.
	hi    int64
	lo    uint64
	large *udecimal.Decimal
}

// Zero is 0, One is 1.
var (
	Zero = Decimal{}
	One  = FromInt(1)
)

// limit is 10^15: every amount stays below it. 15 digits before and 18 after the
// point stay well inside the 126 bits of a number that is not large.
var (
	limit = FromInt(1_000_000_000_000_000)
	pow10 = powersOfTen()
)

// Reasons for refusing the text of a number. They never repeat the text.
var (
	errDecimalEmpty    = errors.New("is empty; write a plain number such as 12.5")
	errDecimalSyntax   = errors.New("is not a plain decimal number such as -12.5 (no exponent, no spaces, no thousands separators)")
	errDecimalDecimals = fmt.Errorf("has more than %d decimals", Scale)
	errDecimalRange    = errors.New("is not below 10^15 in absolute value")
	errDecimalJSON     = errors.New("must be a JSON string such as \"12.5\"")
)

func powersOfTen() [Scale + 1]uint256.Int {
	var p [Scale + 1]uint256.Int
	p[0].SetUint64(1)
	for i := 1; i < len(p); i++ {
		p[i].Mul(&p[i-1], uint256.NewInt(10))
	}
	return p
}

// FromInt returns n as a Decimal.
func FromInt(n int64) Decimal {
	neg, mag := n < 0, uint64(n) //nolint:gosec // two's complement, negated below
	if neg {
		mag = -mag
	}
	var z uint256.Int
	z.Mul(uint256.NewInt(mag), uint256.NewInt(unit))
	return fromUint256(neg, &z)
}

// ParseDecimal reads a plain decimal number: an optional sign, digits, and at
// most 18 decimals. It refuses exponents, NaN, spaces, more decimals than 18
// and |x| ≥ 10^15. Errors describe the problem without repeating the text.
func ParseDecimal(s string) (Decimal, error) {
	if s == "" {
		return Zero, errDecimalEmpty
	}
	if err := checkSyntax(s); err != nil {
		return Zero, err
	}
	u, err := udecimal.Parse(s)
	if err != nil {
		return Zero, errDecimalSyntax
	}
	d, ok := rescale(u)
	if !ok || !d.InRange() {
		return Zero, errDecimalRange
	}
	return d, nil
}

// unit is 10^18, the coefficient of 1.
const unit = 1_000_000_000_000_000_000

// maxWhole is how many digits before the point are surely in the range.
const maxWhole = 15

// parsePlain reads a number as [Decimal.AppendText] writes it. It returns false for any
// other text, of which [ParseDecimal] knows what it means.
func parsePlain(s []byte) (Decimal, bool) {
	rest, neg := s, len(s) > 0 && s[0] == '-'
	if neg {
		rest = s[1:]
	}
	whole, n := leadingDigits(rest)
	if n == 0 || n > maxWhole {
		return Zero, false
	}
	decimals := uint64(0)
	if rest = rest[n:]; len(rest) > 0 {
		decimals, n = leadingDigits(rest[1:])
		if rest[0] != '.' || n == 0 || n > Scale || n < len(rest)-1 {
			return Zero, false
		}
		decimals *= pow10[Scale-n][0]
	}
	hi, lo := bits.Mul64(whole, unit)
	lo, carry := bits.Add64(lo, decimals, 0)
	return fromMagnitude(neg, hi+carry, lo), true
}

// leadingDigits returns the number that a text begins with, and how many digits it has.
// More than 19 digits overflow.
func leadingDigits(s []byte) (v uint64, n int) {
	for n < len(s) && s[n]-'0' < 10 {
		v = v*10 + uint64(s[n]-'0')
		n++
	}
	return v, n
}

// appendPlain appends the canonical text of d, in the range without the help of udecimal.
func (d Decimal) appendPlain(b []byte) []byte {
	neg, hi, lo, ok := d.magnitude()
	if !ok || hi >= unit {
		b, _ = d.udecimal().AppendText(b) // it cannot fail
		return b
	}
	whole, decimals := bits.Div64(hi, lo, unit)
	if neg {
		b = append(b, '-')
	}
	b = strconv.AppendUint(b, whole, 10)
	if decimals == 0 {
		return b
	}
	n := Scale
	for ; decimals%1_000_000 == 0; n -= 6 {
		decimals /= 1_000_000
	}
	for ; decimals%10 == 0; n-- {
		decimals /= 10
	}
	var text [Scale + 1]byte
	for i := n; i > 0; i-- {
		text[i] = '0' + byte(decimals%10)
		decimals /= 10
	}
	text[0] = '.'
	return append(b, text[:n+1]...)
}

// checkSyntax accepts [+-]digits[.digits] with bounded lengths; trailing zeros
// beyond 18 decimals are refused like any other digit, so that text and value
// cannot disagree about the precision that was meant.
func checkSyntax(s string) error {
	i := 0
	if s[0] == '-' || s[0] == '+' {
		i++
	}
	whole, decimals, point := 0, 0, false
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.' && !point && whole > 0:
			point = true
		case c < '0' || c > '9':
			return errDecimalSyntax
		case point:
			decimals++
		default:
			whole++
		}
	}
	switch {
	case whole == 0 || (point && decimals == 0):
		return errDecimalSyntax
	case decimals > Scale:
		return errDecimalDecimals
	case whole > 40: // far beyond the range, and short of udecimal's own limits
		return errDecimalRange
	}
	return nil
}

// MustDecimal is [ParseDecimal] for literals in code and tests; it panics on
// anything ParseDecimal refuses.
func MustDecimal(s string) Decimal {
	d, err := ParseDecimal(s)
	if err != nil {
		panic(fmt.Sprintf("domain: decimal literal %q %v", s, err))
	}
	return d
}

// rescale returns a number of udecimal's, if its coefficient at [Scale] has at most 128 bits.
func rescale(u udecimal.Decimal) (Decimal, bool) {
	neg, hi, lo, prec, ok := u.ToHiLo()
	if !ok || prec > Scale {
		return Zero, false
	}
	z := uint256.Int{lo, hi}
	z.Mul(&z, &pow10[Scale-prec])
	if z[2]|z[3] != 0 {
		return Zero, false
	}
	return fromUint256(neg, &z), true
}

// fits reports that a number with this upper half is not large. A sum of two that fit has no
// more than 128 bits, so what it is can be seen from the sum itself.
func fits(hi uint64) bool { return int64(hi^hi<<1) >= 0 } //nolint:gosec // its highest bit: whether the two highest of hi differ

// fromMagnitude returns ±(hi, lo) × 10^-18.
func fromMagnitude(neg bool, hi, lo uint64) Decimal {
	h, l := hi, lo
	if neg {
		h, l = negated(hi, lo)
	}
	if hi < 1<<63 && fits(h) {
		return Decimal{hi: int64(h), lo: l} //nolint:gosec // two's complement
	}
	u, err := udecimal.NewFromHiLo(neg, hi, lo, Scale)
	if err != nil { // only for a precision above udecimal's own limit; Scale is below it
		return Zero
	}
	return Decimal{large: &u}
}

func negated(hi, lo uint64) (uint64, uint64) {
	lo, borrow := bits.Sub64(0, lo, 0)
	hi, _ = bits.Sub64(0, hi, borrow)
	return hi, lo
}

// magnitude returns |d| × 10^18, and whether it has at most 128 bits.
func (d Decimal) magnitude() (neg bool, hi, lo uint64, ok bool) {
	if d.large != nil {
		neg, hi, lo, prec, ok := d.large.ToHiLo()
		return neg, hi, lo, ok && prec == Scale
	}
	hi, lo = uint64(d.hi), d.lo //nolint:gosec // two's complement, negated below
	if neg = d.hi < 0; neg {
		hi, lo = negated(hi, lo)
	}
	return neg, hi, lo, true
}

// udecimal returns d for what is computed by udecimal.
func (d Decimal) udecimal() udecimal.Decimal {
	if d.large != nil {
		return *d.large
	}
	neg, hi, lo, _ := d.magnitude()
	u, err := udecimal.NewFromHiLo(neg, hi, lo, Scale)
	if err != nil {
		return udecimal.Zero
	}
	return u
}

// fromUint256 returns z × 10^-18 as a Decimal. A coefficient above 128 bits, far
// outside the accepted range, is converted through text, because folding must not
// fail on it.
func fromUint256(neg bool, z *uint256.Int) Decimal {
	if z[2]|z[3] != 0 {
		return fromBig(neg, z.ToBig())
	}
	return fromMagnitude(neg, z[1], z[0])
}

// maxBigDigits keeps a coefficient inside what udecimal can parse. Values that
// large can only come from a stream that was not written by this program.
const maxBigDigits = 180

func fromBig(neg bool, z *big.Int) Decimal {
	s := z.String()
	if len(s) > maxBigDigits {
		s = s[len(s)-maxBigDigits:]
	}
	for len(s) <= Scale {
		s = "0" + s
	}
	s = s[:len(s)-Scale] + "." + s[len(s)-Scale:]
	if neg {
		s = "-" + s
	}
	u, err := udecimal.Parse(s)
	if err != nil {
		return Zero
	}
	if d, ok := rescale(u); ok {
		return d
	}
	return Decimal{large: &u}
}

// uint256 returns the magnitude of d × 10^18, and whether it fits 128 bits.
func (d Decimal) uint256() (neg bool, z uint256.Int, ok bool) {
	neg, hi, lo, ok := d.magnitude()
	return neg, uint256.Int{lo, hi}, ok
}

func (d Decimal) big() *big.Int {
	if neg, z, ok := d.uint256(); ok {
		b := z.ToBig()
		if neg {
			b.Neg(b)
		}
		return b
	}
	return coefficient(*d.large)
}

// coefficient returns u × 10^18.
func coefficient(u udecimal.Decimal) *big.Int {
	b, _ := new(big.Int).SetString(digits(u.StringFixed(Scale)), 10)
	return b
}

func digits(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		if s[i] != '.' {
			out = append(out, s[i])
		}
	}
	return string(out)
}

// Add returns d + e, exactly.
func (d Decimal) Add(e Decimal) Decimal {
	lo, carry := bits.Add64(d.lo, e.lo, 0)
	hi, _ := bits.Add64(uint64(d.hi), uint64(e.hi), carry) //nolint:gosec // two's complement
	if d.large != nil || e.large != nil || !fits(hi) {
		return canonical(d.udecimal().Add(e.udecimal()))
	}
	return Decimal{hi: int64(hi), lo: lo} //nolint:gosec // two's complement
}

// Sub returns d − e, exactly.
func (d Decimal) Sub(e Decimal) Decimal {
	lo, borrow := bits.Sub64(d.lo, e.lo, 0)
	hi, _ := bits.Sub64(uint64(d.hi), uint64(e.hi), borrow) //nolint:gosec // two's complement
	if d.large != nil || e.large != nil || !fits(hi) {
		return canonical(d.udecimal().Sub(e.udecimal()))
	}
	return Decimal{hi: int64(hi), lo: lo} //nolint:gosec // two's complement
}

// canonical keeps == correct after a fold left the range and came back: udecimal
// keeps the result of adding huge numbers in its large form, however small the
// result is.
func canonical(u udecimal.Decimal) Decimal {
	if d, ok := rescale(u); ok {
		return d
	}
	z := coefficient(u)
	return fromBig(z.Sign() < 0, z.Abs(z))
}

// Neg returns −d.
func (d Decimal) Neg() Decimal { return Zero.Sub(d) }

// Abs returns |d|.
func (d Decimal) Abs() Decimal {
	if d.Sign() < 0 {
		return d.Neg()
	}
	return d
}

// Sign returns −1, 0 or +1.
func (d Decimal) Sign() int {
	switch {
	case d.large != nil:
		return d.large.Sign()
	case d.hi < 0:
		return -1
	case d.hi == 0 && d.lo == 0:
		return 0
	}
	return 1
}

// IsZero reports whether d is 0.
func (d Decimal) IsZero() bool { return d == Decimal{} }

// Cmp returns −1, 0 or +1 if d is below, equal to or above e.
func (d Decimal) Cmp(e Decimal) int {
	if d.large != nil || e.large != nil {
		return d.udecimal().Cmp(e.udecimal())
	}
	if d.hi != e.hi {
		return cmp.Compare(d.hi, e.hi)
	}
	return cmp.Compare(d.lo, e.lo)
}

// Less reports d < e.
func (d Decimal) Less(e Decimal) bool { return d.Cmp(e) < 0 }

// AtLeast reports d ≥ e, the comparison every breaker trips on.
func (d Decimal) AtLeast(e Decimal) bool { return d.Cmp(e) >= 0 }

// Max returns the larger of d and e.
func (d Decimal) Max(e Decimal) Decimal {
	if d.Less(e) {
		return e
	}
	return d
}

// Min returns the smaller of d and e.
func (d Decimal) Min(e Decimal) Decimal {
	if e.Less(d) {
		return e
	}
	return d
}

// InRange reports |d| < 10^15, the bound on every amount.
func (d Decimal) InRange() bool { return d.Abs().Less(limit) }

// Mul returns d × e, rounded half to even at 18 decimals.
func (d Decimal) Mul(e Decimal) Decimal { return MulDiv(d, e, One) }

// Div returns d ÷ e, rounded half to even at 18 decimals. See [MulDiv] for e = 0.
func (d Decimal) Div(e Decimal) Decimal { return MulDiv(d, One, e) }

// Ratio returns d rounded half to even at 12 decimals, as responses show ratios.
func (d Decimal) Ratio() Decimal { return d.Round(12) }

// String returns the canonical text: no exponent, no trailing zeros, no sign on 0.
func (d Decimal) String() string {
	var text [64]byte
	return string(d.appendPlain(text[:0]))
}

// Int returns the whole part of d, or 0 if it does not fit an int.
func (d Decimal) Int() int {
	n, err := d.udecimal().Int64()
	if err != nil {
		return 0
	}
	return int(n)
}

// Float returns the nearest float64, for charts and metrics only: internal/archtest
// keeps it out of the packages that money and ratios go through.
func (d Decimal) Float() float64 { return d.udecimal().InexactFloat64() }

// AppendText implements encoding.TextAppender with the canonical text.
func (d Decimal) AppendText(b []byte) ([]byte, error) { return d.appendPlain(b), nil }

// MarshalText implements encoding.TextMarshaler with the canonical text, so
// that JSON holds decimals as strings.
func (d Decimal) MarshalText() ([]byte, error) { return d.appendPlain(make([]byte, 0, 24)), nil }

// UnmarshalText implements encoding.TextUnmarshaler with [ParseDecimal].
func (d *Decimal) UnmarshalText(text []byte) error {
	v, err := ParseDecimal(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// ADecimal is what the value of a decimal in a request must be.
const ADecimal = "a decimal in a JSON string, such as \"12.5\": at most 18 decimals, below 10^15, no exponent"

// UnmarshalJSON accepts only a JSON string: a JSON number may already have lost
// digits in a float.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return errDecimalJSON
	}
	return d.UnmarshalText(b[1 : len(b)-1])
}
