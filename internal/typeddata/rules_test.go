package typeddata

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// good is a permitted buy of 100 shares at 0.52 as a bot sends it: version 1,
// and version 2 with what that one has instead.
const good = `{
 "types": {
  "EIP712Domain": [{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],
  "Order": [{"name":"salt","type":"uint256"},{"name":"maker","type":"address"},{"name":"signer","type":"address"},{"name":"taker","type":"address"},
   {"name":"tokenId","type":"uint256"},{"name":"makerAmount","type":"uint256"},{"name":"takerAmount","type":"uint256"},{"name":"expiration","type":"uint256"},
   {"name":"nonce","type":"uint256"},{"name":"feeRateBps","type":"uint256"},{"name":"side","type":"uint8"},{"name":"signatureType","type":"uint8"}]
 },
 "primaryType": "Order",
 "domain": {"name":"Polymarket CTF Exchange","version":"1","chainId":137,"verifyingContract":"0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E"},
 "message": {"salt":"479249096354","maker":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","signer":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
  "taker":"0x0000000000000000000000000000000000000000","tokenId":"71321045679252212594626385532706912750332728571942532289631379312455583992563",
  "makerAmount":"52000000","takerAmount":"100000000","expiration":"1772366700","nonce":"0","feeRateBps":"100","side":0,"signatureType":0}
}`

const goodTwo = `{
 "types": {
  "Order": [{"name":"salt","type":"uint256"},{"name":"maker","type":"address"},{"name":"signer","type":"address"},{"name":"tokenId","type":"uint256"},
   {"name":"makerAmount","type":"uint256"},{"name":"takerAmount","type":"uint256"},{"name":"side","type":"uint8"},{"name":"signatureType","type":"uint8"},
   {"name":"timestamp","type":"uint256"},{"name":"metadata","type":"bytes32"},{"name":"builder","type":"bytes32"}]
 },
 "primaryType": "Order",
 "domain": {"name":"Polymarket CTF Exchange","version":"2","chainId":"0x89","verifyingContract":"0xe2222d279d744050d28e00520010520000310f59"},
 "message": {"salt":20,"maker":"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266","signer":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
  "tokenId":"1234","makerAmount":"100000000","takerAmount":"52000000","side":1,"signatureType":"0","timestamp":1772366700000,
  "metadata":"0x0000000000000000000000000000000000000000000000000000000000000000","builder":"0x0000000000000000000000000000000000000000000000000000000000000000"}
}`

const outcome = "71321045679252212594626385532706912750332728571942532289631379312455583992563"

func builtIn(t testing.TB) *Shapes {
	t.Helper()
	s, err := Default()
	require.NoError(t, err)
	return s
}

// "A BUY gives maker amount = collateral, taker amount = shares."
func TestBuy(t *testing.T) {
	order, digest, err := builtIn(t).Read([]byte(good))
	require.NoError(t, err)
	at := time.Date(2026, 3, 1, 12, 5, 0, 0, time.UTC)
	require.Equal(t, domain.TypedOrder{
		Shape: "polymarket-ctf-1", Digest: fmt.Sprintf("%x", digest), Chain: "eip155:137",
		Contract: "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E", Signer: known, Maker: known, Token: outcome,
		Collateral: "eip155:137/erc20:0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174", Side: domain.Buy,
		Quantity: domain.MustDecimal("100"), Notional: domain.MustDecimal("52"), FeeBPS: domain.MustDecimal("100"), ExpiresAt: &at,
	}, order)
}

// "SELL the reverse." Version 2 says nothing of fee and expiry: what the venue
// can take stands in the shape, and the order rests until it is cancelled.
func TestSellOfVersion2(t *testing.T) {
	order, digest, err := builtIn(t).Read([]byte(goodTwo))
	require.NoError(t, err)
	require.Equal(t, domain.TypedOrder{
		Shape: "polymarket-neg-risk-2", Digest: fmt.Sprintf("%x", digest), Chain: "eip155:137",
		Contract: "0xe2222d279d744050d28e00520010520000310F59", Signer: known, Maker: known, Token: "1234",
		Collateral: "eip155:137/erc20:0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB", Side: domain.Sell,
		Quantity: domain.MustDecimal("100"), Notional: domain.MustDecimal("52"), FeeBPS: domain.MustDecimal("500"),
	}, order)
}

// with returns text with one part in the place of another, which is there once.
func with(t testing.TB, text, from, to string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(text, from), from)
	return strings.Replace(text, from, to, 1)
}

const salt = `"salt":"479249096354"`

const knownShapes = "; the known shapes are polymarket-ctf-1, polymarket-ctf-2, polymarket-neg-risk-1, polymarket-neg-risk-2"

// refusals are one change each of a good order, and the sentence it is refused with.
var refusals = map[string]struct{ from, to, want string }{
	// "No duplicate keys, no unknown fields, no missing fields."
	"unknown at the top":       {`"primaryType": "Order"`, `"primaryType": "Order","canary-4711":1`, "typed_data has an unknown field"},
	"twice at the top":         {`"primaryType": "Order"`, `"primaryType": "Order","primaryType": "Order"`, "typed_data.primaryType stands twice"},
	"missing at the top":       {`"primaryType": "Order",`, ``, "typed_data.primaryType is missing"},
	"null at the top":          {`"primaryType": "Order"`, `"primaryType": null`, "typed_data.primaryType must not be null"},
	"another case":             {`"primaryType"`, `"primarytype"`, "typed_data has an unknown field"},
	"goes on":                  {`"signatureType":0}`, `"signatureType":0}}{"canary-4711":1`, "typed_data has data after the JSON value, at byte"},
	"not JSON":                 {`"types"`, `types`, "typed_data is empty, incomplete, or not valid JSON"},
	"unknown in the message":   {salt, salt + `,"canary-4711":"1"`, "typed_data.message has an unknown field"},
	"missing in the message":   {salt + ",", ``, "typed_data.message.salt is missing"},
	"twice in the message":     {salt, salt + "," + salt, "typed_data.message.salt stands twice"},
	"twice, escaped":           {salt, salt + `,"s\u0061lt":"1"`, "typed_data.message.salt stands twice"},
	"the message is a list":    {`"message": {`, `"message": [{}], "x": {`, "typed_data has an unknown field"},
	"the domain is text":       {`"domain": {"name":"Polymarket CTF Exchange","version":"1","chainId":137,"verifyingContract":"0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E"}`, `"domain": "canary-4711"`, "typed_data.domain must be a JSON object"},
	"the message is a number":  {`"signatureType":0}`, `"signatureType":0},"message":1`, "typed_data.message stands twice"},
	"the primary type, number": {`"primaryType": "Order"`, `"primaryType": 7`, "typed_data.primaryType must be a JSON string"},

	// "Domain must match exactly; an unknown shape is refused with a message
	// that says which known shapes there are."
	"another contract":       {`0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E`, known, "typed_data.domain.verifyingContract is not a known exchange" + knownShapes},
	"another chain":          {`"chainId":137`, `"chainId":1`, "typed_data.domain.chainId is not a chain with a known exchange" + knownShapes},
	"a chain of 65 bits":     {`"chainId":137`, `"chainId":"0x10000000000000089"`, "typed_data.domain.chainId is not a chain with a known exchange" + knownShapes},
	"another version":        {`"version":"1"`, `"version":"2"`, "typed_data.domain.version is not the one of polymarket-ctf-1" + knownShapes},
	"version is a number":    {`"version":"1"`, `"version":1`, "typed_data.domain.version must be a JSON string"},
	"another name":           {`Polymarket CTF Exchange`, `Polymarket`, "typed_data.domain.name is not the one of polymarket-ctf-1" + knownShapes},
	"another struct":         {`"primaryType": "Order"`, `"primaryType": "Permit"`, "typed_data.primaryType is not an order that this contract is known to take" + knownShapes},
	"a salt in the domain":   {`"chainId":137`, `"chainId":137,"salt":"0x00"`, "typed_data.domain has an unknown field"},
	"no version":             {`"version":"1",`, ``, "typed_data.domain.version is missing"},
	"the contract is wrong":  {`0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E`, `0x4bFb41d5`, "typed_data.domain.verifyingContract must be 0x and 40 hexadecimal digits"},
	"the chain is a name":    {`"chainId":137`, `"chainId":"polygon"`, "typed_data.domain.chainId must be a whole number from 0"},
	"a checksum is wrong":    {`0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E`, `0x4BFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E`, "typed_data.domain.verifyingContract has upper and lower case that are not its EIP-55 checksum"},
	"the domain has no name": {`"name":"Polymarket CTF Exchange",`, ``, "typed_data.domain.name is missing"},

	// "types must be exactly those of the shape (same fields, same order)."
	"another order": {
		`{"name":"maker","type":"address"},{"name":"signer","type":"address"}`, `{"name":"signer","type":"address"},{"name":"maker","type":"address"}`,
		"typed_data.types.Order[1] must be address maker, as in polymarket-ctf-1" + knownShapes,
	},
	"another type":            {`{"name":"side","type":"uint8"}`, `{"name":"side","type":"uint256"}`, "typed_data.types.Order[10] must be uint8 side, as in polymarket-ctf-1" + knownShapes},
	"a field less":            {`{"name":"side","type":"uint8"},`, ``, "typed_data.types.Order must have the 12 fields of polymarket-ctf-1" + knownShapes},
	"a field more":            {`{"name":"side","type":"uint8"}`, `{"name":"side","type":"uint8"},{"name":"x","type":"uint8"}`, "typed_data.types.Order must have the 12 fields"},
	"another struct beside":   {`"EIP712Domain": [`, `"Mail":[],"EIP712Domain": [`, "typed_data.types has an unknown field"},
	"the domain's is another": {`{"name":"chainId","type":"uint256"}`, `{"name":"chainId","type":"uint64"}`, "typed_data.types.EIP712Domain[2] must be uint256 chainId, as in polymarket-ctf-1"},
	"a member has more":       {`{"name":"side","type":"uint8"}`, `{"name":"side","type":"uint8","canary-4711":1}`, "typed_data.types.Order[10] has an unknown field"},
	"a member's name, number": {`{"name":"side","type":"uint8"}`, `{"name":1,"type":"uint8"}`, "typed_data.types.Order[10].name must be a JSON string"},
	"a member's type, number": {`{"name":"side","type":"uint8"}`, `{"name":"side","type":8}`, "typed_data.types.Order[10].type must be a JSON string"},
	"types is null":           {`"types": {`, `"types": null, "x": {`, "typed_data.types must not be null"},
	"a struct is an object":   {`"EIP712Domain": [`, `"EIP712Domain": {}, "x": [`, "typed_data.types has an unknown field"},

	// "Within the range of their Solidity type"; "EIP-55 or all-lower-case".
	"2^256":                {salt, `"salt":"115792089237316195423570985008687907853269984665640564039457584007913129639936"`, "typed_data.message.salt must be below 2^256"},
	"65 hex digits":        {salt, `"salt":"0x` + strings.Repeat("1", 65) + `"`, "typed_data.message.salt must be a whole number from 0"},
	"2^53 as a number":     {salt, `"salt":9007199254740992`, "typed_data.message.salt must be a string: a JSON number from 2^53 on may be rounded"},
	"a huge number":        {salt, `"salt":1e400000000`, "typed_data.message.salt must be a whole number from 0"},
	"a huge number, text":  {salt, `"salt":"1e400000000"`, "typed_data.message.salt must be a whole number from 0"},
	"a thousand digits":    {salt, `"salt":"` + strings.Repeat("9", 1000) + `"`, "typed_data.message.salt must be a whole number from 0"},
	"side of 256":          {`"side":0`, `"side":256`, "typed_data.message.side must be below 2^8"},
	"maker in upper case":  {`"maker":"` + known, `"maker":"0x` + strings.ToUpper(known[2:]), "typed_data.message.maker has upper and lower case that are not its EIP-55 checksum"},
	"maker without 0x":     {`"maker":"` + known, `"maker":"` + known[2:], "typed_data.message.maker must be 0x and 40 hexadecimal digits"},
	"maker with 0X":        {`"maker":"0x`, `"maker":"0X`, "typed_data.message.maker must be 0x and 40 hexadecimal digits"},
	"maker is a number":    {`"maker":"` + known + `"`, `"maker":1`, "typed_data.message.maker must be a JSON string"},
	"not UTF-8":            {`"maker":"` + known + `"`, "\"maker\":\"\xff\"", "typed_data is empty, incomplete, or not valid JSON"},
	"seconds of year 9999": {`"expiration":"1772366700"`, `"expiration":"253402300800"`, "typed_data.message.expiration must be seconds since 1970, up to the year 9999"},
	"milliseconds":         {`"expiration":"1772366700"`, `"expiration":"1772366700000"`, "typed_data.message.expiration must be seconds since 1970"},
	"fee above all":        {`"feeRateBps":"100"`, `"feeRateBps":"10001"`, "typed_data.message.feeRateBps must be at most 10000"},

	// "Amounts of 0 refused"; requires the zero taker; EOA only.
	"nothing given":  {`"makerAmount":"52000000"`, `"makerAmount":"0"`, "typed_data.message.makerAmount must be above 0"},
	"nothing wanted": {`"takerAmount":"100000000"`, `"takerAmount":0`, "typed_data.message.takerAmount must be above 0"},
	"10^15 shares":   {`"takerAmount":"100000000"`, `"takerAmount":"1000000000000000000000"`, "typed_data.message.takerAmount is beyond what the ledger holds (10^15)"},
	"2^256-1 paid":   {`"makerAmount":"52000000"`, `"makerAmount":"0x` + strings.Repeat("f", 64) + `"`, "typed_data.message.makerAmount is beyond what the ledger holds (10^15)"},
	"a taker":        {`"taker":"0x0000000000000000000000000000000000000000"`, `"taker":"` + known + `"`, "typed_data.message.taker must be the zero address"},
	"a proxy":        {`"signatureType":0`, `"signatureType":1`, "typed_data.message.signatureType must be 0, an account that signs for itself: proxies and safes are not supported"},
	"a safe":         {`"signatureType":0`, `"signatureType":2`, "proxies and safes are not supported"},
	"a third side":   {`"side":0`, `"side":2`, "typed_data.message.side must be 0 (buy) or 1 (sell)"},
}

// What is refused of the text, of the domain, of the types and of a message,
// each with the sentence that names the field.
func TestRefused(t *testing.T) {
	for name, tt := range refusals {
		t.Run(name, func(t *testing.T) {
			order, digest, err := builtIn(t).Read([]byte(with(t, good, tt.from, tt.to)))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			require.NotContains(t, err.Error(), "canary")
			var e *domain.Error
			require.ErrorAs(t, err, &e)
			require.True(t, strings.HasPrefix(e.Field, "typed_data"), e.Field)
			require.Zero(t, order)
			require.Zero(t, digest)
		})
	}
}

// What stands for the same in two ways gives the same digest.
func TestSameOrder(t *testing.T) {
	_, want, err := builtIn(t).Read([]byte(good))
	require.NoError(t, err)
	for name, tt := range map[string]struct{ from, to string }{
		"salt as a number":     {salt, `"salt":479249096354`},
		"salt in hex":          {salt, fmt.Sprintf(`"salt":"0x%064x"`, 479249096354)},
		"side as text":         {`"side":0`, `"side":"0"`},
		"maker in lower case":  {`"maker":"` + known, `"maker":"` + strings.ToLower(known)},
		"contract in lower":    {`0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E`, `0x4bfb41d5b3570defd03c39a9a4d8de6bd8b8982e`},
		"chain as text":        {`"chainId":137`, `"chainId":"137"`},
		"a name, escaped":      {`"salt":`, `"s\u0061lt":`},
		"no type for domains":  {good[strings.Index(good, `"EIP712Domain"`):strings.Index(good, `"Order": [`)], ``},
		"spaces and new lines": {`"side":0`, "\n\t \"side\" : 0"},
	} {
		t.Run(name, func(t *testing.T) {
			_, got, err := builtIn(t).Read([]byte(with(t, good, tt.from, tt.to)))
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

// The edges of what is accepted.
func TestEdges(t *testing.T) {
	for _, tt := range []struct{ from, to string }{
		{salt, `"salt":9007199254740991`},
		{salt, `"salt":"0x` + strings.Repeat("f", 64) + `"`},
		{`"feeRateBps":"100"`, `"feeRateBps":"10000"`},
		{`"expiration":"1772366700"`, `"expiration":"253402300799"`},
		{`"takerAmount":"100000000"`, `"takerAmount":"999999999999999999999"`},
		{`"makerAmount":"52000000"`, `"makerAmount":"1"`},
	} {
		_, _, err := builtIn(t).Read([]byte(with(t, good, tt.from, tt.to)))
		require.NoError(t, err, tt.to)
	}
	order, _, err := builtIn(t).Read([]byte(with(t, good, `"expiration":"1772366700"`, `"expiration":0`)))
	require.NoError(t, err)
	require.Nil(t, order.ExpiresAt, "0 → nil")
}

// "Size limit (16 KiB)": at it, and one byte above.
func TestSize(t *testing.T) {
	text := good + strings.Repeat(" ", MaxBytes-len(good))
	_, _, err := builtIn(t).Read([]byte(text))
	require.NoError(t, err)
	_, _, err = builtIn(t).Read([]byte(text + " "))
	require.EqualError(t, err, "typed_data has more than 16 KiB")
	require.Equal(t, domain.CodeTooLarge, domain.CodeOf(err))
}

// What version 2 signs beside the order, and nobody here reads, must be zero: a
// builder's code lets somebody take a fee.
func TestZeroFields(t *testing.T) {
	for _, name := range []string{"metadata", "builder"} {
		text := with(t, goodTwo, `"`+name+`":"0x00`, `"`+name+`":"0xff`)
		_, _, err := builtIn(t).Read([]byte(text))
		require.ErrorContains(t, err, "typed_data.message."+name+" must be zero")
		for _, bad := range []string{`0`, `"0x00"`, `"` + strings.Repeat("0", 64) + `"`} {
			text := with(t, goodTwo, `"`+name+`":"0x`+strings.Repeat("0", 64)+`"`, `"`+name+`":`+bad)
			_, _, err := builtIn(t).Read([]byte(text))
			require.Error(t, err)
		}
	}
}

// mutations are what may happen to any field of a message.
var mutations = []string{
	`null`, `true`, `false`, `[]`, `{}`, `""`, `" "`, `-1`, `"-1"`, `1.0`, `1.5`, `"1.0"`, `1e3`, `"1e3"`, `1e400000000`, `-0`, `"+1"`, `"01"`, `" 1"`, `"1 "`,
	`"0x"`, `"0xg"`, `"0X1"`, `"canary-4711"`, `["canary-4711"]`, `{"canary-4711":1}`, `9007199254740993`, `"٣"`,
	`"` + strings.Repeat("9", 78) + `"`, `"0x1` + strings.Repeat("0", 64) + `"`, `"0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266"`,
	`"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb9226"`, `"0x` + strings.Repeat("0", 63) + `5"`, `7`, `"7"`, `"0x7"`, `"0x9858effd232b4033e47d90003d41ec34ecaeda94"`,
}

// Every field, changed in any way, is refused or changes what is signed; and no
// error holds a value.
func TestMutations(t *testing.T) {
	for _, text := range []string{good, goodTwo} {
		s := builtIn(t)
		_, want, err := s.Read([]byte(text))
		require.NoError(t, err)
		var doc map[string]map[string]json.RawMessage
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(text), &all))
		delete(all, "primaryType")
		plain, err := json.Marshal(all)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(plain, &doc))
		changed := 0
		for name, before := range doc["message"] {
			for _, to := range mutations {
				sent := with(t, text, fmt.Sprintf("%q:%s", name, before), fmt.Sprintf("%q:%s", name, to))
				order, got, err := s.Read([]byte(sent))
				if err != nil {
					require.NotContains(t, err.Error(), "canary")
					require.ErrorContains(t, err, "typed_data.message."+name+" ")
					require.Zero(t, order)
					continue
				}
				changed++
				require.NotEqual(t, want, got, "%s: %s", name, to)
			}
		}
		require.Greater(t, changed, 20)
	}
}

// Errors are the domain's, whatever was wrong.
func TestCodes(t *testing.T) {
	for _, text := range []string{``, `null`, `[]`, `1`, `{`, `{}`, strings.Repeat("[", 9000)} {
		_, _, err := builtIn(t).Read([]byte(text))
		var e *domain.Error
		require.True(t, errors.As(err, &e), text)
		require.Equal(t, domain.CodeInvalid, e.Code)
	}
}
