package typeddata

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// other is a venue that has nothing in common with the built-in ones but the
// roles: the reduction follows the data.
const other = `{"shapes": [{
 "name": "other-1", "chain_id": 10,
 "domain": {"name": "Other", "version": "7", "verifyingContract": "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"},
 "primaryType": "LimitOrder",
 "fields": [
  {"name": "isSell", "type": "bool", "role": "side"},
  {"name": "trader", "type": "address", "role": "signer"},
  {"name": "funder", "type": "address", "role": "maker"},
  {"name": "give", "type": "uint128", "role": "maker_amount"},
  {"name": "want", "type": "uint128", "role": "taker_amount"},
  {"name": "asset", "type": "uint64", "role": "token"},
  {"name": "only", "type": "address", "role": "taker"},
  {"name": "kind", "type": "string", "role": "signature_type"},
  {"name": "id", "type": "bytes32", "role": "salt"},
  {"name": "memo", "type": "string", "role": "zero"}
 ],
 "side": {"buy": "false", "sell": "true"},
 "signature_type": "eoa",
 "any_taker": true,
 "max_fee_bps": 25,
 "collateral": {"id": "eip155:10/erc20:0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85", "decimals": 6},
 "token_decimals": 0
}]}`

const otherOrder = `{
 "types": {"LimitOrder": [
  {"name":"isSell","type":"bool"},{"name":"trader","type":"address"},{"name":"funder","type":"address"},{"name":"give","type":"uint128"},{"name":"want","type":"uint128"},
  {"name":"asset","type":"uint64"},{"name":"only","type":"address"},{"name":"kind","type":"string"},{"name":"id","type":"bytes32"},{"name":"memo","type":"string"}]},
 "primaryType": "LimitOrder",
 "domain": {"name":"Other","version":"7","chainId":10,"verifyingContract":"0x9858EfFD232B4033E47d90003D41EC34EcaEda94"},
 "message": {"isSell":true,"trader":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","funder":"0x9858EfFD232B4033E47d90003D41EC34EcaEda94","give":3,"want":"1500001",
  "asset":42,"only":"0x9858EfFD232B4033E47d90003D41EC34EcaEda94","kind":"eoa","id":"0x00000000000000000000000000000000000000000000000000000000000000FF","memo":""}
}`

func parsed(t testing.TB, text string) *Shapes {
	t.Helper()
	s, err := ParseShapes("f", []byte(text))
	require.NoError(t, err)
	return s
}

// "Driven by the data and not hard-wired": another struct, another chain, a side
// that is a bool, shares that are whole, any taker.
func TestAnotherVenue(t *testing.T) {
	order, digest, err := parsed(t, other).Read([]byte(otherOrder))
	require.NoError(t, err)
	order.Digest = ""
	require.Equal(t, domain.TypedOrder{
		Shape: "other-1", Chain: "eip155:10", Contract: "0x9858EfFD232B4033E47d90003D41EC34EcaEda94", Signer: known,
		Maker: "0x9858EfFD232B4033E47d90003D41EC34EcaEda94", Token: "42", Collateral: "eip155:10/erc20:0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85",
		Side: domain.Sell, Quantity: domain.MustDecimal("3"), Notional: domain.MustDecimal("1.500001"), FeeBPS: domain.MustDecimal("25"),
	}, order)
	sh := parsed(t, other).all[0]
	values, err := sh.message(place{}, []byte(otherOrder[strings.Index(otherOrder, `{"isSell"`):len(otherOrder)-1]))
	require.NoError(t, err)
	require.Equal(t, encode(sh, values), digest[:])
	for _, tt := range []struct{ from, to, want string }{
		{`"isSell":true`, `"isSell":"true"`, "typed_data.message.isSell must be true or false"},
		{`"isSell":true`, `"isSell":1`, "typed_data.message.isSell must be true or false"},
		{`"memo":""`, `"memo":"canary-4711"`, "typed_data.message.memo must be zero"},
		{`"memo":""`, `"memo":0`, "typed_data.message.memo must be a JSON string"},
		{`"kind":"eoa"`, `"kind":"canary-4711"`, "typed_data.message.kind must be eoa"},
		{`"asset":42`, `"asset":"18446744073709551616"`, "typed_data.message.asset must be below 2^64"},
		{`"id":"0x00`, `"id":"0x0`, "typed_data.message.id must be 0x and 64 hexadecimal digits"},
	} {
		_, _, err := parsed(t, other).Read([]byte(with(t, otherOrder, tt.from, tt.to)))
		require.ErrorContains(t, err, tt.want)
		require.NotContains(t, err.Error(), "canary")
	}
}

const row = `"name": "other-1", "chain_id": 10,`

// badShapes are one change each of a good file.
var badShapes = map[string]struct{ from, to, want string }{
	"not JSON":             {`{"shapes"`, `{shapes`, "f is empty, incomplete, or not valid JSON, at byte 1"},
	"goes on":              {`"token_decimals": 0` + "\n}]}", `"token_decimals": 0}]} 1`, "f has data after the JSON value"},
	"unknown at the top":   {`{"shapes"`, `{"x": 1, "shapes"`, "f: x is not a known field"},
	"unknown":              {row, row + `"nane": 1,`, "f: shapes[0].nane is not a known field"},
	"repeated":             {row, row + row, "f: shapes[0].name stands twice"},
	"missing":              {row, `"name": "other-1",`, "f: shapes[0].chain_id is missing"},
	"null":                 {`"chain_id": 10`, `"chain_id": null`, "f: shapes[0].chain_id must not be null"},
	"no list":              {`{"shapes": [{`, `{"shapes": {"a":{`, "f is empty, incomplete, or not valid JSON"},
	"a name with spaces":   {`"name": "other-1"`, `"name": "Other 1"`, "f: shapes[0].name must be lower-case letters, digits and hyphens"},
	"a name, number":       {`"name": "other-1"`, `"name": 1`, "f: shapes[0].name must be a JSON string"},
	"chain 0":              {`"chain_id": 10`, `"chain_id": 0`, "f: shapes[0].chain_id must be a JSON integer, 1 to 9007199254740991"},
	"chain as text":        {`"chain_id": 10`, `"chain_id": "10"`, "f: shapes[0].chain_id must be a JSON integer"},
	"chain with exponent":  {`"chain_id": 10`, `"chain_id": 1e1`, "f: shapes[0].chain_id must be a JSON integer"},
	"domain is text":       {`"domain": {"name": "Other", "version": "7", "verifyingContract": "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"}`, `"domain": ""`, "f: shapes[0].domain must be a JSON object"},
	"domain without name":  {`"name": "Other", `, ``, "f: shapes[0].domain.name is missing"},
	"domain name is empty": {`"name": "Other"`, `"name": ""`, "f: shapes[0].domain.name must be 1 to 64 printable characters"},
	"version is a number":  {`"version": "7"`, `"version": 7`, "f: shapes[0].domain.version must be a JSON string"},
	"contract, checksum":   {`"verifyingContract": "0x9858E`, `"verifyingContract": "0x9858e`, "f: shapes[0].domain.verifyingContract must be the address of a contract, in EIP-55"},
	"contract of nobody":   {`0x9858EfFD232B4033E47d90003D41EC34EcaEda94`, `0x0000000000000000000000000000000000000000`, "f: shapes[0].domain.verifyingContract must be the address of a contract"},
	"contract is a number": {`"0x9858EfFD232B4033E47d90003D41EC34EcaEda94"`, `1`, "f: shapes[0].domain.verifyingContract must be a JSON string"},
	"primary type":         {`"LimitOrder"`, `"limit order"`, "f: shapes[0].primaryType must be the name of a struct"},
	"the domain's type":    {`"LimitOrder"`, `"EIP712Domain"`, "f: shapes[0].primaryType must be the struct of the order"},

	"fields is an object":    {`"fields": [`, `"fields": {}, "x": [`, "f: shapes[0].x is not a known field"},
	"a field is text":        {`{"name": "memo", "type": "string", "role": "zero"}`, `"memo"`, "f: shapes[0].fields[9] must be a JSON object"},
	"a field without a role": {`, "role": "zero"`, ``, "f: shapes[0].fields[9].role is missing"},
	"a field's name":         {`"memo"`, `"me mo"`, "f: shapes[0].fields[9].name must be the name of a field"},
	"a field twice":          {`"memo"`, `"kind"`, "f: shapes[0].fields[9].name stands twice"},
	"a type, number":         {`"type": "uint64"`, `"type": 64`, "f: shapes[0].fields[5].type must be a JSON string"},
	"a signed integer":       {`"type": "uint64"`, `"type": "int64"`, "f: shapes[0].fields[5].type must be address, bool, bytes32, string, or uint8 to uint256"},
	"seven bits":             {`"type": "uint64"`, `"type": "uint7"`, "f: shapes[0].fields[5].type must be"},
	"512 bits":               {`"type": "uint64"`, `"type": "uint512"`, "f: shapes[0].fields[5].type must be"},
	"08 bits":                {`"type": "uint64"`, `"type": "uint064"`, "f: shapes[0].fields[5].type must be"},
	"no width":               {`"type": "uint64"`, `"type": "uint"`, "f: shapes[0].fields[5].type must be"},
	"an array":               {`"type": "uint64"`, `"type": "uint64[]"`, "f: shapes[0].fields[5].type must be"},
	"a struct":               {`"type": "uint64"`, `"type": "LimitOrder"`, "f: shapes[0].fields[5].type must be"},
	"not a role":             {`"role": "zero"`, `"role": "memo"`, "f: shapes[0].fields[9].role is not a role"},
	"a role, number":         {`"role": "zero"`, `"role": 1`, "f: shapes[0].fields[9].role must be a JSON string"},
	"a role twice":           {`"role": "salt"`, `"role": "side"`, "f: shapes[0].fields[8].role stands twice"},
	"a role does not fit":    {`"role": "salt"`, `"role": "expiration"`, "f: shapes[0].fields[8].role does not fit the type bytes32"},
	"no token":               {`"role": "token"`, `"role": "nonce"`, "f: shapes[0].fields must have one with the role token"},

	"side is a list":         {`"side": {"buy": "false", "sell": "true"}`, `"side": []`, "f: shapes[0].side must be a JSON object"},
	"side without sell":      {`, "sell": "true"`, ``, "f: shapes[0].side.sell is missing"},
	"side, the same":         {`"sell": "true"`, `"sell": "false"`, "f: shapes[0].side must distinguish buy from sell"},
	"side is not of it":      {`"sell": "true"`, `"sell": "1"`, "f: shapes[0].side.sell must be true or false"},
	"side is not of it, buy": {`"buy": "false"`, `"buy": false`, "f: shapes[0].side.buy must be a JSON string"},
	"side goes on":           {`"sell": "true"`, `"sell": "true "`, "f: shapes[0].side.sell must be in decimal"},
	"no signature type":      {` "signature_type": "eoa",`, ``, "f: shapes[0].signature_type is missing: it says which value of kind"},
	"signature type of none": {`"role": "signature_type"`, `"role": "zero"`, "f: shapes[0].signature_type needs a field with that role"},
	"any taker is text":      {`"any_taker": true`, `"any_taker": "true"`, "f: shapes[0].any_taker must be true or false"},
	"any taker of none":      {`"role": "taker"`, `"role": "zero"`, "f: shapes[0].any_taker needs a field with the role taker"},
	"no fee":                 {` "max_fee_bps": 25,`, ``, "f: shapes[0].max_fee_bps is missing: no field has the role fee_bps"},
	"a fee above all":        {`"max_fee_bps": 25`, `"max_fee_bps": 10001`, "f: shapes[0].max_fee_bps must be a JSON integer, 0 to 10000"},
	"collateral is text":     {`"collateral": {`, `"collateral": "", "x": {`, "f: shapes[0].x is not a known field"},
	"collateral elsewhere":   {`eip155:10/erc20`, `eip155:1/erc20`, "f: shapes[0].collateral.id must be a CAIP-19 id of the chain, such as eip155:10/erc20:0x"},
	"collateral, checksum":   {`0x0b2C639c`, `0x0B2C639c`, "f: shapes[0].collateral.id must be a CAIP-19 id"},
	"collateral, number":     {`"id": "eip155:10/erc20:0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85"`, `"id": 1`, "f: shapes[0].collateral.id must be a JSON string"},
	"collateral of nobody":   {`0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85`, `0x0000000000000000000000000000000000000000`, "f: shapes[0].collateral.id must be a CAIP-19 id"},
	"no decimals":            {`, "decimals": 6`, ``, "f: shapes[0].collateral.decimals is missing"},
	"19 decimals":            {`"decimals": 6`, `"decimals": 19`, "f: shapes[0].collateral.decimals must be a JSON integer, 0 to 18"},
	"token decimals":         {`"token_decimals": 0`, `"token_decimals": -1`, "f: shapes[0].token_decimals must be a JSON integer, 0 to 18"},
}

// "Strict parsing: unknown, repeated and missing fields refused with file and field."
func TestShapesRefused(t *testing.T) {
	for name, tt := range badShapes {
		t.Run(name, func(t *testing.T) {
			s, err := ParseShapes("f", []byte(with(t, other, tt.from, tt.to)))
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			require.Nil(t, s)
		})
	}
}

// Two shapes of one name, or that one order would be of, are a mistake; so are
// none, and a fee that stands in two places.
func TestShapesTogether(t *testing.T) {
	one := other[len(`{"shapes": [`) : len(other)-len(`]}`)]
	two := func(second string) string { return `{"shapes": [` + one + "," + second + `]}` }
	_, err := ParseShapes("f", []byte(two(one)))
	require.EqualError(t, err, "f: shapes[1].name stands twice")
	_, err = ParseShapes("f", []byte(two(with(t, one, "other-1", "other-2"))))
	require.EqualError(t, err, "f: shapes[1] has the chain, contract and struct of other-1: an order could not be told apart")
	s := parsed(t, two(strings.NewReplacer("other-1", "more-1", "LimitOrder", "MarketOrder").Replace(one)))
	require.Equal(t, []string{"more-1", "other-1"}, s.Names())
	_, err = ParseShapes("f", []byte(`{"shapes": []}`))
	require.EqualError(t, err, "f: shapes must be 1 to 256")
	_, err = ParseShapes("f", []byte(`{"shapes": {}}`))
	require.EqualError(t, err, "f: shapes must be a JSON array")
	_, err = ParseShapes("f", []byte(`[]`))
	require.EqualError(t, err, "f must be a JSON object")
	text := strings.Replace(string(defaultShapes), `"signature_type": "0",`, `"signature_type": "0", "max_fee_bps": 500,`, 1)
	_, err = ParseShapes("f", []byte(text))
	require.EqualError(t, err, "f: shapes[0].max_fee_bps must be left out: feeRateBps gives it")
	text = strings.Replace(string(defaultShapes), `"buy": "0"`, `"buy": "0x0"`, 1)
	_, err = ParseShapes("f", []byte(text))
	require.EqualError(t, err, "f: shapes[0].side.buy must be in decimal")
	many := strings.Repeat(`{},`, maxFields)
	_, err = ParseShapes("f", []byte(with(t, other, `"fields": [`, `"fields": [`+many)))
	require.EqualError(t, err, "f: shapes[0].fields must be at most 64")
	_, err = ParseShapes("f", []byte(with(t, other, `"fields": [`, `"fields": 1, "x": [`)))
	require.EqualError(t, err, "f: shapes[0].x is not a known field")
}

// A file is read up to a limit, and named when it cannot be read.
func TestReadShapes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "shapes.json")
	_, err := ReadShapes(file)
	require.EqualError(t, err, file+" cannot be read")
	_, err = ReadShapes(dir)
	require.EqualError(t, err, dir+" cannot be read")
	require.NoError(t, os.WriteFile(file, []byte(other), 0o600))
	s, err := ReadShapes(file)
	require.NoError(t, err)
	require.Equal(t, []string{"other-1"}, s.Names())
	_, _, err = s.Read([]byte(good))
	require.EqualError(t, err, "typed_data.domain.chainId is not a chain with a known exchange; the known shapes are other-1")
	long := append([]byte(other), make([]byte, maxFileBytes)...)
	require.NoError(t, os.WriteFile(file, long, 0o600))
	_, err = ReadShapes(file)
	require.EqualError(t, err, file+" has more than 1048576 bytes")
	_, err = ParseShapes("f", long)
	require.EqualError(t, err, "f has more than 1048576 bytes")
}

// The facts of the built-in shapes, once more and by hand.
func TestFacts(t *testing.T) {
	var file struct {
		Shapes []struct {
			Name   string
			Chain  int `json:"chain_id"`
			Domain struct{ Name, Version, VerifyingContract string }
			Side   struct{ Buy, Sell string }
			EOA    string `json:"signature_type"`
			Fee    *int   `json:"max_fee_bps"`
			Asset  struct {
				ID       string
				Decimals int
			} `json:"collateral"`
			Token int `json:"token_decimals"`
		}
	}
	require.NoError(t, json.Unmarshal(defaultShapes, &file))
	require.Len(t, file.Shapes, 4)
	for _, sh := range file.Shapes {
		require.Equal(t, "Polymarket CTF Exchange", sh.Domain.Name)
		require.Equal(t, 137, sh.Chain)
		require.Equal(t, "0", sh.Side.Buy)
		require.Equal(t, "1", sh.Side.Sell)
		require.Equal(t, "0", sh.EOA)
		require.Equal(t, 6, sh.Asset.Decimals)
		require.Equal(t, 6, sh.Token)
		require.Equal(t, sh.Domain.Version, sh.Name[len(sh.Name)-1:])
		require.Equal(t, sh.Domain.Version == "2", sh.Fee != nil)
	}
	for name, want := range map[string]string{
		"polymarket-ctf-1":      "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E",
		"polymarket-neg-risk-1": "0xC5d563A36AE78145C45a50134d48A1215220f80a",
		"polymarket-ctf-2":      "0xE111180000d2663C0091e4f400237545B87B996B",
		"polymarket-neg-risk-2": "0xe2222d279d744050d28e00520010520000310F59",
	} {
		for _, sh := range file.Shapes {
			if sh.Name == name {
				require.Equal(t, want, sh.Domain.VerifyingContract)
			}
		}
	}
}
