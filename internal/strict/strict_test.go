package strict

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

type inner struct {
	Name  string         `json:"name"`
	Price domain.Decimal `json:"price"`
	Note  string         `json:"note,omitempty"`
}

type outer struct {
	domain.Instrument
	Amount  domain.Decimal   `json:"amount"`
	Fee     *domain.Decimal  `json:"fee,omitempty"`
	TTL     domain.Duration  `json:"ttl,omitempty"`
	At      *time.Time       `json:"at,omitempty"`
	Yes     bool             `json:"yes,omitempty"`
	N       int              `json:"n,omitempty"`
	Inner   []inner          `json:"inner,omitempty"`
	One     *inner           `json:"one,omitempty"`
	Hidden  string           `json:"-"`
	Numbers []domain.Decimal `json:"numbers,omitempty"`
}

func TestGoodBody(t *testing.T) {
	var o outer
	err := Decode([]byte(` {"market":"m","outcome":null,"amount":"1.50","fee":null,"ttl":"30s","at":"2026-01-15T09:00:00Z","yes":true,"n":3,
		"inner":[{"name":"a","price":"0.1"}],"one":{"name":"b","price":"2"},"numbers":["1","2"]} `), &o)
	require.NoError(t, err)
	require.Equal(t, domain.MustDecimal("1.5"), o.Amount)
	require.Nil(t, o.Fee)
	require.Equal(t, "0.1", o.Inner[0].Price.String())
	require.Equal(t, "b", o.One.Name)
	require.Len(t, o.Numbers, 2)
}

// Bad input: what was wrong and where, without echoing what was sent.
func TestRefused(t *testing.T) {
	const secret = "s3cr3t"
	for name, tt := range map[string]struct{ body, want string }{
		"empty":                  {``, "body is empty, incomplete, or not JSON"},
		"incomplete":             {`{"market":"m"`, "body is not valid JSON"},
		"not an object":          {`["s3cr3t"]`, "body must be a JSON object"},
		"null":                   {`null`, "body must be a JSON object"},
		"goes on":                {`{"market":"m","amount":"1"} {"a":"s3cr3t"}`, "body has data after the JSON object"},
		"unknown":                {`{"market":"m","amount":"1","s3cr3t":"1"}`, "body has an unknown field near byte 26"},
		"case-folded":            {`{"market":"m","Amount":"1"}`, "Amount is not a field of this request; did you mean amount?"},
		"camel case":             {`{"market":"m","amount":"1","tT_l":"30s"}`, "tT_l is not a field of this request; did you mean ttl?"},
		"misspelled":             {`{"marekt":"m","amount":"1"}`, "marekt is not a field of this request; did you mean market?"},
		"another's name":         {`{"ticker":"m","amount":"1"}`, "ticker is not a field of this request; did you mean market?"},
		"another's, nested":      {`{"market":"m","amount":"1","one":{"name":"b","limit_price":"2"}}`, "one.limit_price is not a field of this request; did you mean price?"},
		"in an array":            {`{"market":"m","amount":"1","inner":[{"name":"a","price":"1"},{"nam":"b"}]}`, "inner[1].nam is not a field of this request; did you mean name?"},
		"like none":              {`{"market":"m","amount":"1","leverage":"5"}`, "leverage is not a field of this request; it has amount, market, at, fee, inner, n, numbers, one, outcome, ttl, yes"},
		"too long for a name":    {`{"market":"m","` + strings.Repeat("a", 33) + `":"1"}`, "body has an unknown field near byte 13; it has amount"},
		"hidden":                 {`{"market":"m","amount":"1","Hidden":"s3cr3t"}`, "Hidden is not a field of this request"},
		"twice":                  {`{"market":"m","amount":"1","amount":"s3cr3t"}`, "body has a field twice"},
		"twice, escaped":         {`{"market":"m","amount":"1","\u0061mount":"2"}`, "body has a field twice"},
		"twice, nested":          {`{"market":"m","amount":"1","one":{"name":"a","name":"b","price":"1"}}`, "body has a field twice"},
		"missing":                {`{"market":"m"}`, "amount is missing"},
		"required null":          {`{"market":"m","amount":null}`, "amount is missing"},
		"missing in an array":    {`{"market":"m","amount":"1","inner":[{"name":"a","price":"1"},{"name":"a"}]}`, "inner[1].price is missing"},
		"null in an array":       {`{"market":"m","amount":"1","inner":[null]}`, "inner[0] must be a JSON object"},
		"unknown in an array":    {`{"market":"m","amount":"1","inner":[{"name":"a","price":"1","s3cr3t":1}]}`, "inner[0] has an unknown field"},
		"number for a decimal":   {`{"market":"m","amount":1.5}`, "amount must be a decimal in a JSON string"},
		"exponent":               {`{"market":"m","amount":"1e3"}`, "amount must be a decimal"},
		"wrong decimal":          {`{"market":"m","amount":"s3cr3t"}`, "amount must be a decimal"},
		"wrong decimal, nested":  {`{"market":"m","amount":"1","numbers":["1","s3cr3t"]}`, "numbers.1 must be a decimal"},
		"wrong duration":         {`{"market":"m","amount":"1","ttl":"s3cr3t"}`, "ttl must be a duration"},
		"wrong time":             {`{"market":"m","amount":"1","at":"s3cr3t"}`, "at must be an RFC 3339 time"},
		"wrong bool":             {`{"market":"m","amount":"1","yes":"s3cr3t"}`, "yes must be true or false"},
		"wrong int":              {`{"market":"m","amount":"1","n":1.5}`, "n must be a whole number"},
		"int beyond its range":   {`{"market":"m","amount":"1","n":99999999999999999999}`, "n must be a whole number"},
		"wrong string":           {`{"market":["s3cr3t"],"amount":"1"}`, "market must be a string"},
		"object for an array":    {`{"market":"m","amount":"1","inner":{"name":"s3cr3t"}}`, "inner must be an array"},
		"string for an object":   {`{"market":"m","amount":"1","one":"s3cr3t"}`, "one must be a JSON object"},
		"invalid UTF-8":          {"{\"market\":\"\xff\xfes3cr3t\",\"amount\":\"1\"}", "body is not valid JSON"},
		"UTF-16":                 {"\xff\xfe{\x00}\x00", "body is not valid JSON"},
		"a lone surrogate":       {`{"market":"\ud800","amount":"1"}`, "body is not valid JSON"},
		"comments":               {`{"market":"m", /* s3cr3t */ "amount":"1"}`, "body is not valid JSON"},
		"deep":                   {strings.Repeat(`{"one":`, 20_000) + "1", "one.one is not a field of this request"},
		"deep in a value":        {`{"market":` + strings.Repeat(`[`, 20_000), "body is not valid JSON"},
		"deep where it may nest": {`{"market":"m","amount":` + strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100) + `}`, "amount must be a decimal"},
	} {
		t.Run(name, func(t *testing.T) {
			var o outer
			err := Decode([]byte(tt.body), &o)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			require.NotContains(t, err.Error(), secret)
			require.Less(t, len(err.Error()), 400)
		})
	}
}

// Whatever comes, an error is an answer, and it never holds what was sent.
func FuzzDecode(f *testing.F) {
	const canary = "canary-8f2b"
	f.Add([]byte(`{"market":"m","amount":"1","inner":[{"name":"a","price":"1"}]}`))
	f.Add([]byte(`{"market":"canary-8f2b","canary-8f2b":1}`))
	f.Add([]byte(`{"market":"m","amount":"canary-8f2b"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var o outer
		if err := Decode(body, &o); err != nil {
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			require.NotContains(t, err.Error(), canary)
		}
	})
}

// Legs stand instead of an order; nothing else does, and an order is whole.
func TestInstead(t *testing.T) {
	type order struct {
		Bot   string   `json:"bot"`
		Price string   `json:"price"`
		Legs  []string `json:"legs,omitempty" strict:"instead=price"`
	}
	var o order
	require.NoError(t, Decode([]byte(`{"bot":"a","legs":["x"]}`), &o))
	require.NoError(t, Decode([]byte(`{"bot":"a","price":"1"}`), &o))
	require.EqualError(t, Decode([]byte(`{"bot":"a"}`), &o), "price is missing; instead of it the request may have legs")
	require.ErrorContains(t, Decode([]byte(`{"legs":["x"]}`), &o), "bot is missing")
}
