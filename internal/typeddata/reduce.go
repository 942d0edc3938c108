package typeddata

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"pets/domain"
)

// wholeBPS is the whole notional, in basis points.
const wholeBPS = 10_000

// lastSecond is 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
var lastSecond = big.NewInt(253_402_300_799)

// reading converts one message to an order; it keeps its first error.
type reading struct {
	sh     *shape
	at     place
	values map[string]value
	err    error
}

// reduce returns what the message means. It does not check whether that is
// permitted, with four exceptions that no permit could allow: an amount of 0, a
// named taker, a signature type other than an account that signs for itself, and
// a value in a field that is not interpreted.
func (sh *shape) reduce(p place, values map[string]value) (domain.TypedOrder, error) {
	r := &reading{sh: sh, at: p, values: values}
	r.nothingElse()
	order := domain.TypedOrder{
		Shape:      sh.name,
		Chain:      fmt.Sprintf("eip155:%d", sh.chain),
		Contract:   sh.domain.contract.Hex(),
		Signer:     r.text(roleSigner),
		Maker:      r.text(roleMaker),
		Token:      r.text(roleToken),
		Collateral: sh.collateral,
		Side:       r.side(),
		FeeBPS:     r.fee(),
		ExpiresAt:  r.expiry(),
	}
	// The maker gives: collateral when it buys, shares when it sells.
	paid, shares := roleMakerAmount, roleTakerAmount
	if order.Side == domain.Sell {
		paid, shares = shares, paid
	}
	order.Notional = r.amount(paid, sh.collateralDecimals)
	order.Quantity = r.amount(shares, sh.tokenDecimals)
	return order, r.err
}

// get returns the value with the role, and its place.
func (r *reading) get(which role) (value, place, bool) {
	f, ok := r.sh.with(which)
	return r.values[f.name], r.at.field(f.name), ok
}

func (r *reading) refuse(p place, format string, args ...any) {
	if r.err == nil {
		r.err = p.refuse(format, args...)
	}
}

func (r *reading) text(which role) string {
	v, _, _ := r.get(which)
	return v.text
}

// nothingElse refuses values that would be signed but are in no field of the
// order.
func (r *reading) nothingElse() {
	for _, f := range r.sh.fields {
		if f.role == roleZero && !r.values[f.name].zero {
			r.refuse(r.at.field(f.name), "must be zero: the meaning of another value is not known here")
		}
	}
	if v, p, ok := r.get(roleTaker); ok && !v.zero && !r.sh.anyTaker {
		r.refuse(p, "must be the zero address: an order for a single taker is not supported")
	}
	if v, p, ok := r.get(roleSignatureType); ok && v.text != r.sh.signatureType {
		r.refuse(p, "must be %s, an account that signs for itself: proxies and safes are not supported", r.sh.signatureType)
	}
}

func (r *reading) side() domain.Side {
	v, p, _ := r.get(roleSide)
	switch v.text {
	case r.sh.buy:
		return domain.Buy
	case r.sh.sell:
		return domain.Sell
	}
	r.refuse(p, "must be %s (buy) or %s (sell)", r.sh.buy, r.sh.sell)
	return ""
}

func (r *reading) fee() domain.Decimal {
	v, p, signed := r.get(roleFee)
	if !signed {
		return *r.sh.maxFee
	}
	if v.n.Cmp(big.NewInt(wholeBPS)) > 0 {
		r.refuse(p, "must be at most %d: that is the whole notional", wholeBPS)
		return domain.Zero
	}
	return domain.FromInt(v.n.Int64())
}

// expiry returns nil for an order that rests until it is cancelled, and for a
// struct without an expiry.
func (r *reading) expiry() *time.Time {
	v, p, ok := r.get(roleExpiration)
	if !ok || v.zero {
		return nil
	}
	if v.n.Cmp(lastSecond) > 0 {
		r.refuse(p, "must be seconds since 1970, up to the year 9999")
		return nil
	}
	at := time.Unix(v.n.Int64(), 0).UTC()
	return &at
}

// amount converts units to a decimal, exactly.
func (r *reading) amount(which role, decimals int) domain.Decimal {
	v, p, _ := r.get(which)
	if v.zero {
		r.refuse(p, "must be above 0")
		return domain.Zero
	}
	d, err := domain.ParseDecimal(pointed(v.text, decimals))
	if err != nil {
		r.refuse(p, "is beyond what the ledger holds (10^15)")
	}
	return d
}

// pointed inserts the decimal point into a whole number.
func pointed(digits string, decimals int) string {
	if decimals == 0 {
		return digits
	}
	if short := decimals + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	return digits[:len(digits)-decimals] + "." + digits[len(digits)-decimals:]
}
