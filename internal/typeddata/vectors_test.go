package typeddata

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"github.com/stretchr/testify/require"
)

// The example of EIP-712 itself, with its struct in a struct
// (https://eips.ethereum.org/assets/eip-712/Example.js).
func TestEtherMail(t *testing.T) {
	digest, err := hash(apitypes.TypedData{
		Types: apitypes.Types{
			"EIP712Domain": {
				{Name: "name", Type: "string"},
				{Name: "version", Type: "string"},
				{Name: "chainId", Type: "uint256"},
				{Name: "verifyingContract", Type: "address"},
			},
			"Person": {{Name: "name", Type: "string"}, {Name: "wallet", Type: "address"}},
			"Mail":   {{Name: "from", Type: "Person"}, {Name: "to", Type: "Person"}, {Name: "contents", Type: "string"}},
		},
		PrimaryType: "Mail",
		Domain: apitypes.TypedDataDomain{
			Name: "Ether Mail", Version: "1", ChainId: math.NewHexOrDecimal256(1),
			VerifyingContract: "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
		},
		Message: apitypes.TypedDataMessage{
			"from":     map[string]any{"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
			"to":       map[string]any{"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
			"contents": "Hello, Bob!",
		},
	})
	require.NoError(t, err)
	require.Equal(t, "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2", hex.EncodeToString(digest[:]))
}

// What cannot be hashed is a defect, told without the words of the library.
func TestHashOfNonsense(t *testing.T) {
	_, err := hash(apitypes.TypedData{PrimaryType: "canary-4711"})
	require.EqualError(t, err, "the typed data could be read but not hashed")
}

// knownKey is the first key of every local development chain. It holds nothing.
const knownKey = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

// elsewhere returns the built-in registry with contracts and chain of a test net.
func elsewhere(t *testing.T, chain string, contracts map[string]string) *Shapes {
	t.Helper()
	text := strings.NewReplacer(`"chain_id": 137`, `"chain_id": `+chain, "eip155:137/", "eip155:"+chain+"/").Replace(string(defaultShapes))
	for from, to := range contracts {
		require.Contains(t, text, from)
		text = strings.ReplaceAll(text, from, to)
	}
	s, err := ParseShapes("test", []byte(text))
	require.NoError(t, err)
	return s
}

// vector is a published order hash, with the signature by knownKey where that
// was published too.
type vector struct {
	name, source, chain, contract, version string
	message                                map[string]any
	digest, signature                      string
}

func versionOne() map[string]any {
	return map[string]any{
		"salt": "479249096354", "maker": known, "signer": known, "taker": "0x0000000000000000000000000000000000000000",
		"tokenId": "1234", "makerAmount": "100000000", "takerAmount": "50000000", "expiration": "0", "nonce": "0",
		"feeRateBps": "100", "side": 0, "signatureType": 0,
	}
}

// known is the address of knownKey.
const known = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

var vectors = []vector{
	{
		name:   "version 1, Mumbai",
		source: "github.com/Polymarket/go-order-utils, pkg/builder/exchange_order_builder_impl_test.go, TestBuildOrderHash and TestBuildOrderSignature",
		chain:  "80001", contract: "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E", version: "1", message: versionOne(),
		digest:    "bf58957703791db2ab057528d03d1cff5375d9a475b14a9073bb7d892398dc96",
		signature: "3874d2cfe79c0e82577f4f76ec58d950522ee5923a6f08441927d382c8178a5a2190fd4d5c49705e94d75999a58ec843f94a432e87ebc15cdb2186d315b3cc201b",
	},
	{
		name:   "version 1, Mumbai, neg risk",
		source: "the same, NegRisk",
		chain:  "80001", contract: "0xC5d563A36AE78145C45a50134d48A1215220f80a", version: "1", message: versionOne(),
		digest:    "dcf7c472379a0d50cff6cb72ac72bb4d42b20b9fa4ed56dd01b9f0398d17e773",
		signature: "92bb74d70a3c82cff3a9ccf10c9c547bb4ec71cff8cbb6cb308ca975162df7ba65837d5b57f50568fbd6bba9f2b919089268ace609cc33935b0bb5483e1092c31c",
	},
	{
		name:   "version 1, Amoy",
		source: "github.com/Polymarket/clob-order-utils, tests/src/exchange.order.builder.test.ts, buildOrderHash and buildOrderSignature",
		chain:  "80002", contract: "0xdFE02Eb6733538f8Ea35D585af8DE5958AD99E40", version: "1", message: versionOne(),
		digest:    "02ca1d1aa31103804173ad1acd70066cb6c1258a4be6dada055111f9a7ea4e55",
		signature: "302cd9abd0b5fcaa202a344437ec0b6660da984e24ae9ad915a592a90facf5a51bb8a873cd8d270f070217fea1986531d5eec66f1162a81f66e026db653bf7ce1c",
	},
}

// The digest and the signature are those that the venue's own libraries publish.
func TestPublishedOrders(t *testing.T) {
	key, err := crypto.HexToECDSA(knownKey)
	require.NoError(t, err)
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			s := elsewhere(t, v.chain, swapped(v.contract))
			text, err := json.Marshal(map[string]any{
				"types": typesAsSent(s.all[0]), "primaryType": "Order", "message": v.message,
				"domain": map[string]any{"name": "Polymarket CTF Exchange", "version": v.version, "chainId": json.Number(v.chain), "verifyingContract": v.contract},
			})
			require.NoError(t, err)
			order, digest, err := s.Read(text)
			require.NoError(t, err, v.source)
			require.Equal(t, v.digest, hex.EncodeToString(digest[:]), v.source)
			require.Equal(t, v.digest, order.Digest)
			signature, err := crypto.Sign(digest[:], key)
			require.NoError(t, err)
			signature[64] += 27
			require.Equal(t, v.signature, hex.EncodeToString(signature), v.source)
		})
	}
}

// swapped puts the contract in the place of the one that it is a test net's of.
func swapped(contract string) map[string]string {
	const one, negRisk = "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E", "0xC5d563A36AE78145C45a50134d48A1215220f80a"
	if contract == negRisk {
		return map[string]string{}
	}
	return map[string]string{one: contract}
}

// typesAsSent is what a bot sends as types, with the domain's.
func typesAsSent(sh *shape) map[string]any {
	out := map[string]any{}
	for name, members := range sh.types {
		var list []map[string]string
		for _, m := range members {
			list = append(list, map[string]string{"name": m.Name, "type": m.Type})
		}
		out[name] = list
	}
	return out
}

// Version 2: the published order is one of a deposit wallet, which Read refuses,
// so it is hashed below the reduction. Source: github.com/Polymarket/py-clob-client-v2,
// tests/order_utils/test_exchange_order_builder_v2.py (Amoy, order_hash).
func TestPublishedOrderOfVersion2(t *testing.T) {
	s := elsewhere(t, "80002", nil)
	sh := s.all[2]
	require.Equal(t, "polymarket-ctf-2", sh.name)
	zeros := "0x" + strings.Repeat("0", 64)
	text, err := json.Marshal(map[string]any{
		"salt": "479249096354", "maker": "0x1111111111111111111111111111111111111111", "signer": "0x1111111111111111111111111111111111111111",
		"tokenId": "1234", "makerAmount": "100000000", "takerAmount": "50000000", "side": 0, "signatureType": 3,
		"timestamp": "1710000000000", "metadata": zeros, "builder": zeros,
	})
	require.NoError(t, err)
	p := place{path: "typed_data.message", sep: "."}
	values, err := sh.message(p, text)
	require.NoError(t, err)
	digest, err := sh.digest(values)
	require.NoError(t, err)
	require.Equal(t, "2afca94626db91b2d556c351584a4cd93e13da32e377dc48c7983e43afa5ab47", hex.EncodeToString(digest[:]))
	_, err = sh.reduce(p, values)
	require.ErrorContains(t, err, "typed_data.message.signatureType must be 0, an account that signs for itself: proxies and safes are not supported")
}

// The type hash of version 2 stands in the contract's source
// (ctf-exchange-v2, src/exchange/libraries/Structs.sol, ORDER_TYPEHASH).
func TestTypeHashOfVersion2(t *testing.T) {
	s, err := Default()
	require.NoError(t, err)
	data := apitypes.TypedData{Types: s.all[2].types}
	require.Equal(t, "bb86318a2138f5fa8ae32fbe8e659f8fcf13cc6ae4014a707893055433818589", hex.EncodeToString(data.TypeHash("Order")))
	require.Equal(t, s.all[2].types, s.all[3].types)
	require.Equal(t, s.all[0].types, s.all[1].types)
}

// encode is EIP-712 once more, written from its text for flat structs, to hold
// the library against.
func encode(sh *shape, values map[string]value) []byte {
	word := func(n *big.Int) []byte { return n.FillBytes(make([]byte, 32)) }
	text := func(s string) []byte { return crypto.Keccak256([]byte(s)) }
	separator := crypto.Keccak256(
		text("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
		text(sh.domain.name), text(sh.domain.version), word(new(big.Int).SetUint64(sh.chain)), word(sh.domain.contract.Big()),
	)
	var members []string
	var data []byte
	for _, f := range sh.fields {
		members = append(members, f.solidity+" "+f.name)
		v := values[f.name]
		switch f.solidity {
		case typeAddress, typeBytes32:
			n, _ := new(big.Int).SetString(v.text[2:], 16)
			data = append(data, word(n)...)
		case typeString:
			data = append(data, text(v.text)...)
		case typeBool:
			n := map[string]int64{"true": 1, "false": 0}[v.text]
			data = append(data, word(big.NewInt(n))...)
		default:
			data = append(data, word(v.n)...)
		}
	}
	typeHash := text(sh.primary + "(" + strings.Join(members, ",") + ")")
	return crypto.Keccak256([]byte{0x19, 0x01}, separator, crypto.Keccak256(typeHash, data))
}

// The file beside the code is the built-in registry.
func TestDefaultIsTheFile(t *testing.T) {
	fromFile, err := ReadShapes("shapes.json")
	require.NoError(t, err)
	builtIn, err := Default()
	require.NoError(t, err)
	require.Equal(t, builtIn.Names(), fromFile.Names())
	require.Equal(t, []string{"polymarket-ctf-1", "polymarket-ctf-2", "polymarket-neg-risk-1", "polymarket-neg-risk-2"}, builtIn.Names())
}
