package domain

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// “rejects exponents, NaN, more than 18 decimals, |x| ≥ 10^15”.
func TestParseDecimalRefuses(t *testing.T) {
	const (
		empty    = "is empty; write a plain number such as 12.5"
		syntax   = "is not a plain decimal number such as -12.5 (no exponent, no spaces, no thousands separators)"
		decimals = "has more than 18 decimals"
		scale    = "is not below 10^15 in absolute value"
	)
	for text, want := range map[string]string{
		"":                                       empty,
		"1e5":                                    syntax,
		"1E-5":                                   syntax,
		"NaN":                                    syntax,
		"nan":                                    syntax,
		"Inf":                                    syntax,
		"-Infinity":                              syntax,
		"0x10":                                   syntax,
		"1_000":                                  syntax,
		"1,000":                                  syntax,
		"1,5":                                    syntax,
		" 1":                                     syntax,
		"1 ":                                     syntax,
		"1\n":                                    syntax,
		".5":                                     syntax,
		"5.":                                     syntax,
		"-.5":                                    syntax,
		".":                                      syntax,
		"-":                                      syntax,
		"+":                                      syntax,
		"--1":                                    syntax,
		"+-1":                                    syntax,
		"1.2.3":                                  syntax,
		"1-":                                     syntax,
		"١":                                      syntax,
		"1\x00":                                  syntax,
		"0.1234567890123456789":                  decimals,
		"0.0000000000000000000":                  decimals, // zeros say a precision too
		"1000000000000000":                       scale,
		"-1000000000000000":                      scale,
		"1000000000000000.000000000000000001":    scale,
		"99999999999999999999999999999999999999": scale,
		"340282366920938463463.374607431768211456":        scale,
		strings.Repeat("9", 40):                           scale,
		strings.Repeat("9", 41):                           scale,
		strings.Repeat("9", 5000):                         scale,
		strings.Repeat("9", 40) + ".999999999999999999":   scale,
		strings.Repeat("0", 41):                           scale, // longer than any number that is meant
		"1." + strings.Repeat("0", 5000):                  decimals,
		"-115792089237316195423570985008687907853.269984": scale,
	} {
		_, err := ParseDecimal(text)
		require.EqualError(t, err, want, "%.50q", text)
		if len(text) > 3 {
			require.NotContains(t, err.Error(), text, "errors do not repeat the text")
		}
	}
}

// |x| ≥ 10^15 is refused, 18 decimals are kept: limit − 1, limit,
// limit + 1 of both.
func TestParseDecimalAccepts(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "+0": "0", "0.000": "0", "-0.000000000000000000": "0", "00": "0",
		"1": "1", "+1": "1", "-1": "-1", "007": "7", "1.50": "1.5", "-1.500000000000000000": "-1.5",
		"0.000000000000000001":                 "0.000000000000000001",
		"-0.000000000000000001":                "-0.000000000000000001",
		"0.123456789012345678":                 "0.123456789012345678",
		"999999999999999.999999999999999999":   "999999999999999.999999999999999999",
		"-999999999999999.999999999999999999":  "-999999999999999.999999999999999999",
		"999999999999999":                      "999999999999999",
		"0000000000000000000000999999999999.5": "999999999999.5",
	} {
		d, err := ParseDecimal(text)
		require.NoError(t, err, text)
		require.Equal(t, want, d.String())
		require.True(t, d.InRange())
	}
}

// “canonical form on parse (so == is sound)”.
func TestDecimalCanonical(t *testing.T) {
	one := MustDecimal("1")
	for _, text := range []string{"+1", "1.0", "01", "1.000000000000000000"} {
		require.True(t, one == MustDecimal(text), text)
	}
	require.True(t, One == one)
	require.True(t, one == FromInt(1))
	require.True(t, Decimal{} == MustDecimal("-0.000"))
	require.True(t, one.Sub(one) == Zero)
	require.True(t, Zero.Neg() == Zero)
	require.True(t, one.Neg().Abs() == one)
	require.True(t, MustDecimal("0.000000000000000001").Mul(MustDecimal("-0.1")) == Zero, "no negative zero")
	require.True(t, MustDecimal("-0.4").Round(0) == Zero)
	require.True(t, MustDecimal("-0.9").Trunc(0) == Zero)
	require.Len(t, map[Decimal]bool{one: true, MustDecimal("1.0"): true, FromInt(2).Div(FromInt(2)): true}, 1)
}

// A value that was out of range and came back is the same value again.
func TestDecimalCanonicalAfterOverflow(t *testing.T) {
	huge := MustDecimal("999999999999999").Mul(MustDecimal("999999999999999"))
	require.False(t, huge.InRange())
	require.True(t, One == huge.Add(One).Sub(huge))
	require.True(t, Zero == huge.Sub(huge))
	require.True(t, One == huge.Div(huge))
	require.True(t, MustDecimal("0.5") == MulDiv(huge, One, huge.Add(huge)))
	require.Equal(t, "999999999999998000000000000001", huge.String())
	require.Equal(t, -1, huge.Neg().Sign())
}

func TestDecimalZeroValue(t *testing.T) {
	var d Decimal
	require.True(t, d.IsZero())
	require.Equal(t, 0, d.Sign())
	require.Equal(t, "0", d.String())
	require.True(t, d.InRange())
	require.True(t, d.Add(One) == One)
	require.True(t, One.Sub(One) == d)
	b, err := json.Marshal(d)
	require.NoError(t, err)
	require.Equal(t, `"0"`, string(b))
}

func TestFromInt(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0", 1: "1", -1: "-1", 1<<63 - 1: "9223372036854775807", -1 << 63: "-9223372036854775808",
	} {
		require.Equal(t, want, FromInt(n).String())
	}
}

// “a product or quotient is rounded half-even at 18 decimals”: exact
// ties of both signs, and one unit beside them.
func TestHalfEvenTies(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"0.000000000000000001", "0.5", "0"},
		{"0.000000000000000003", "0.5", "0.000000000000000002"},
		{"0.000000000000000005", "0.5", "0.000000000000000002"},
		{"0.000000000000000007", "0.5", "0.000000000000000004"},
		{"0.000000000000000001", "0.500000000000000001", "0.000000000000000001"},
		{"0.000000000000000003", "0.499999999999999999", "0.000000000000000001"},
		{"0.000000000000000003", "0.500000000000000001", "0.000000000000000002"},
	} {
		a, b, want := MustDecimal(c.a), MustDecimal(c.b), MustDecimal(c.want)
		require.True(t, want == a.Mul(b), "%s × %s", a, b)
		require.True(t, want.Neg() == a.Neg().Mul(b), "−%s × %s", a, b)
		require.True(t, want.Neg() == a.Mul(b.Neg()), "%s × −%s", a, b)
		require.True(t, want == a.Neg().Mul(b.Neg()), "−%s × −%s", a, b)
	}
	for _, c := range []struct{ a, b, want string }{
		{"0.000000000000000001", "2", "0"},
		{"0.000000000000000003", "2", "0.000000000000000002"},
		{"0.000000000000000005", "2", "0.000000000000000002"},
		{"1", "3", "0.333333333333333333"},
		{"2", "3", "0.666666666666666667"},
	} {
		a, b, want := MustDecimal(c.a), MustDecimal(c.b), MustDecimal(c.want)
		require.True(t, want == a.Div(b), "%s ÷ %s", a, b)
		require.True(t, want.Neg() == a.Neg().Div(b), "−%s ÷ %s", a, b)
	}
}

// “a × b ÷ c once”: here two roundings would give 0, resp. 1.
func TestMulDivRoundsOnce(t *testing.T) {
	tiny := MustDecimal("0.000000000000000001")
	require.True(t, Zero == tiny.Mul(MustDecimal("0.4")))
	require.True(t, tiny == MulDiv(tiny, MustDecimal("0.4"), MustDecimal("0.4")))
	require.Equal(t, "2", MulDiv(FromInt(1), FromInt(2), FromInt(1)).String())
	require.Equal(t, "1", MulDiv(FromInt(1), FromInt(3), FromInt(3)).String())
	require.Equal(t, "0.999999999999999999", FromInt(1).Div(FromInt(3)).Mul(FromInt(3)).String(), "twice")
	// The product alone would be far out of range.
	big := MustDecimal("999999999999999.999999999999999999")
	require.True(t, big == MulDiv(big, big, big))
}

// Dividing by 0 ends: a fold must not fail on a stream somebody else wrote.
func TestDivideByZero(t *testing.T) {
	require.True(t, Zero == One.Div(Zero))
	require.True(t, Zero == MulDiv(One, One, Zero))
	require.True(t, Zero == MulDiv(Zero, Zero, Zero))
}

func TestRoundAndTrunc(t *testing.T) {
	for _, c := range []struct {
		in           string
		decimals     int
		round, trunc string
	}{
		{"1.25", 1, "1.2", "1.2"},
		{"1.35", 1, "1.4", "1.3"},
		{"1.250000000000000001", 1, "1.3", "1.2"},
		{"0.5", 0, "0", "0"},
		{"1.5", 0, "2", "1"},
		{"2.5", 0, "2", "2"},
		{"0.999999999999999999", 0, "1", "0"},
		{"1.0000005", 6, "1", "1"},
		{"1.0000015", 6, "1.000002", "1.000001"},
		{"0.123456789012345678", 18, "0.123456789012345678", "0.123456789012345678"},
		{"0.123456789012345678", 17, "0.12345678901234568", "0.12345678901234567"},
		{"0.1234567890125", 12, "0.123456789012", "0.123456789012"},
	} {
		d := MustDecimal(c.in)
		require.Equal(t, c.round, d.Round(c.decimals).String(), "round %s at %d", c.in, c.decimals)
		require.Equal(t, c.trunc, d.Trunc(c.decimals).String(), "trunc %s at %d", c.in, c.decimals)
		require.True(t, d.Round(c.decimals).Neg() == d.Neg().Round(c.decimals))
		require.True(t, d.Trunc(c.decimals).Neg() == d.Neg().Trunc(c.decimals))
	}
	// “ratios half-even at 12 decimals”
	require.Equal(t, "0.333333333333", One.Div(FromInt(3)).Ratio().String())
	require.Equal(t, "0.030000000002", MustDecimal("0.0300000000015").Ratio().String())
}

// “amounts are JSON strings”.
func TestDecimalJSON(t *testing.T) {
	for _, text := range []string{"1", "1.5", "-1", "0", "null", "true", "{}", "[]", `["1"]`, `""`, `"1e5"`, `" 1"`, `"1`, `"\u0031"`, `"0.1234567890123456789"`} {
		d := FromInt(7)
		require.Error(t, json.Unmarshal([]byte(text), &d), text)
		require.True(t, d == FromInt(7), "%s changed the value", text)
	}
	require.EqualError(t, new(Decimal).UnmarshalJSON([]byte("1.5")), `must be a JSON string such as "12.5"`)
	var d Decimal
	require.NoError(t, json.Unmarshal([]byte(`"-0012.500"`), &d))
	b, err := json.Marshal(struct{ A, B Decimal }{d, Zero})
	require.NoError(t, err)
	require.Equal(t, `{"A":"-12.5","B":"0"}`, string(b))
	var key map[Decimal]int
	require.NoError(t, json.Unmarshal([]byte(`{"1.50":1}`), &key))
	require.Equal(t, 1, key[MustDecimal("1.5")])
}

// --- against math/big

var bigLimit = new(big.Int).Exp(big.NewInt(10), big.NewInt(15+Scale), nil)

// inRange draws any accepted number, short ones and those near the limits more
// often than chance would.
func inRange(t *rapid.T, name string) Decimal {
	switch rapid.IntRange(0, 3).Draw(t, name+" kind") {
	case 0:
		n := rapid.Int64Range(-1000, 1000).Draw(t, name)
		return FromInt(n).Div(FromInt(int64(rapid.SampledFrom([]int{1, 2, 10, 100, 1_000_000}).Draw(t, name+" scale"))))
	case 1:
		return MulDiv(FromInt(rapid.Int64Range(-99, 99).Draw(t, name)), MustDecimal("0.000000000000000001"), One)
	case 2:
		n := rapid.Int64Range(0, 99).Draw(t, name)
		return limit.Sub(MustDecimal("0.000000000000000001")).Sub(MulDiv(FromInt(n), MustDecimal("0.000000000000000001"), One))
	}
	whole := rapid.Int64Range(-999_999_999_999_999, 999_999_999_999_999).Draw(t, name)
	fraction := rapid.Int64Range(0, 999_999_999_999_999_999).Draw(t, name+" fraction")
	return FromInt(whole).Add(MulDiv(FromInt(fraction), MustDecimal("0.000000000000000001"), One)).Min(limit.Sub(One)).Max(limit.Neg().Add(One))
}

func rat(d Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(d.String())
	if !ok {
		panic(d.String())
	}
	return r
}

// round returns r at a number of decimals: half to even, or cut off.
func round(r *big.Rat, decimals int, cut bool) *big.Rat {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	num := new(big.Int).Mul(r.Num(), p)
	q, rest := new(big.Int).QuoRem(num, r.Denom(), new(big.Int))
	twice := new(big.Int).Lsh(new(big.Int).Abs(rest), 1)
	if c := twice.Cmp(r.Denom()); !cut && (c > 0 || (c == 0 && q.Bit(0) == 1)) {
		q.Add(q, big.NewInt(int64(r.Sign())))
	}
	return new(big.Rat).SetFrac(q, p)
}

func TestArithmeticAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := inRange(t, "a"), inRange(t, "b"), inRange(t, "c")
		ra, rb, rc := rat(a), rat(b), rat(c)
		same := func(want *big.Rat, got Decimal, what string) {
			require.Equal(t, want.RatString(), rat(got).RatString(), "%s of %s, %s, %s", what, a, b, c)
			if new(big.Rat).Abs(want).Cmp(new(big.Rat).SetInt(new(big.Int).Quo(bigLimit, big.NewInt(1_000_000_000_000_000_000)))) < 0 {
				require.True(t, got == MustDecimal(got.String()), "%s of %s, %s, %s is not canonical", what, a, b, c)
			}
		}
		same(new(big.Rat).Add(ra, rb), a.Add(b), "sum")
		same(new(big.Rat).Sub(ra, rb), a.Sub(b), "difference")
		product := new(big.Rat).Mul(ra, rb)
		same(round(product, Scale, false), a.Mul(b), "product")
		same(new(big.Rat).Neg(ra), a.Neg(), "negation")
		same(new(big.Rat).Abs(ra), a.Abs(), "magnitude")
		if rb.Sign() != 0 {
			same(round(new(big.Rat).Quo(ra, rb), Scale, false), a.Div(b), "quotient")
		}
		if rc.Sign() != 0 {
			same(round(new(big.Rat).Quo(product, rc), Scale, false), MulDiv(a, b, c), "a × b ÷ c")
		}
		n := rapid.IntRange(0, Scale).Draw(t, "decimals")
		same(round(ra, n, false), a.Round(n), "round")
		same(round(ra, n, true), a.Trunc(n), "trunc")
		require.Equal(t, ra.Cmp(rb), a.Cmp(b))
		require.Equal(t, ra.Cmp(rb) < 0, a.Less(b))
		require.Equal(t, ra.Cmp(rb) >= 0, a.AtLeast(b))
		require.Equal(t, ra.Sign(), a.Sign())
		require.Equal(t, ra.Cmp(rb) == 0, a == b, "== is sound")
		require.True(t, a.Max(b) == b.Max(a) && a.Max(b).AtLeast(a) && a.Max(b).AtLeast(b))
		require.True(t, a.Min(b) == b.Min(a) && a.AtLeast(a.Min(b)) && b.AtLeast(a.Min(b)))
		back, err := ParseDecimal(a.String())
		require.NoError(t, err)
		require.True(t, a == back, "text and back")
	})
}

// Folding goes through values far outside the range without failing, and
// computes with them like any others.
func TestHugeArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := inRange(t, "a"), inRange(t, "b"), inRange(t, "c")
		huge := a.Mul(b)
		want := round(new(big.Rat).Mul(rat(a), rat(b)), Scale, false)
		require.Equal(t, want.RatString(), rat(huge).RatString())
		require.Equal(t, new(big.Rat).Add(want, rat(c)).RatString(), rat(huge.Add(c)).RatString())
		require.True(t, c == huge.Add(c).Sub(huge), "%s + %s and back", huge, c)
		if !c.IsZero() {
			quotient := new(big.Rat).Quo(new(big.Rat).Mul(want, rat(a)), rat(c))
			require.Equal(t, round(quotient, Scale, false).RatString(), rat(MulDiv(huge, a, c)).RatString())
		}
		for range 20 { // growth without end still ends
			huge = huge.Mul(huge).Add(One)
		}
		_ = huge.String()
		_ = huge.Round(3)
		_ = huge.Trunc(3)
	})
}

// Nothing that is not a number gets in, and what gets in comes out the same.
func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"", "0", "-0", "1.5", "1e5", "NaN", ".5", "5.", "0.000000000000000001", "999999999999999.999999999999999999", "1000000000000000", strings.Repeat("9", 60)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDecimal(s)
		if err != nil {
			return
		}
		require.True(t, d.InRange())
		r, ok := new(big.Rat).SetString(s)
		require.True(t, ok, "%q is no number", s)
		require.Equal(t, 0, r.Cmp(rat(d)), "%q became %s", s, d)
		again, err := ParseDecimal(d.String())
		require.NoError(t, err)
		require.True(t, again == d)
		require.LessOrEqual(t, len(d.String()), len(s)+1)
		require.NotContains(t, d.String(), "e")
	})
}

// Around the coefficients at which a number becomes large, and at which udecimal leaves 128 bits,
// all numbers are exact, and those that are not large have one representation.
func TestDecimalsWhereLargeBegins(t *testing.T) {
	var all []*big.Int
	for _, bit := range []uint{0, 64, 125, 126, 127, 128, 129} {
		for near := int64(-2); near <= 2; near++ {
			z := new(big.Int).Lsh(big.NewInt(1), bit)
			z.Add(z, big.NewInt(near))
			all = append(all, z, new(big.Int).Neg(z))
		}
	}
	of := func(z *big.Int) Decimal { return fromBig(z.Sign() < 0, new(big.Int).Abs(z)) }
	same := func(want *big.Int, got Decimal, what string, a, b *big.Int) {
		require.Equal(t, want.String(), got.big().String(), "%s of %s and %s", what, a, b)
		require.Equal(t, of(want).String(), got.String())
		small := want.BitLen() <= 126 || want.Sign() < 0 && want.TrailingZeroBits() == 126 && want.BitLen() == 127
		require.Equal(t, small, got.large == nil, "%s of %s and %s is %s", what, a, b, want)
		if small {
			require.True(t, of(want) == got)
		}
	}
	for _, a := range all {
		x := of(a)
		same(new(big.Int).Neg(a), x.Neg(), "negation", a, a)
		same(new(big.Int).Abs(a), x.Abs(), "magnitude", a, a)
		same(a, x.Mul(One), "product with 1", a, a)
		require.Equal(t, a.Sign(), x.Sign())
		require.Equal(t, a.Sign() == 0, x.IsZero())
		for _, b := range all {
			y := of(b)
			same(new(big.Int).Add(a, b), x.Add(y), "sum", a, b)
			same(new(big.Int).Sub(a, b), x.Sub(y), "difference", a, b)
			require.Equal(t, a.Cmp(b), x.Cmp(y), "%s and %s", a, b)
		}
	}
}

// The text of a decimal is that of udecimal, whichever writes it.
func TestDecimalTextIsThatOfUdecimal(t *testing.T) {
	check := func(d Decimal) {
		t.Helper()
		want := d.udecimal().String()
		require.Equal(t, want, d.String())
		appended, err := d.AppendText([]byte("x"))
		require.NoError(t, err)
		require.Equal(t, "x"+want, string(appended))
		text, err := d.MarshalText()
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		d := FromInt(rng.Int64N(1<<rng.IntN(50)+1) - 1<<rng.IntN(40)).Div(FromInt(rng.Int64N(1<<rng.IntN(50)+1) + 1))
		check(d)
		check(d.Mul(d).Mul(d).Mul(d)) // out of the range, too
		check(d.Sub(d))
		check(d.Neg())
	}
	check(Decimal{})
}
