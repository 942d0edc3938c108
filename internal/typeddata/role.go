package typeddata

import "slices"

// role is what a field says. Every field of a struct has one: nothing is signed
// that nobody understood.
type role string

// The roles.
const (
	roleSigner        role = "signer"
	roleMaker         role = "maker"          // who pays
	roleTaker         role = "taker"          // who alone may fill it; zero for everybody
	roleToken         role = "token"          // the id of the outcome's token
	roleMakerAmount   role = "maker_amount"   // what is given: collateral by a buy, shares by a sell
	roleTakerAmount   role = "taker_amount"   // what is asked for
	roleSide          role = "side"           // buy or sell
	roleExpiration    role = "expiration"     // seconds since 1970, 0 for none
	roleFee           role = "fee_bps"        // the highest fee it agrees to
	roleSignatureType role = "signature_type" // an account of its own, or a contract behind it
	roleNonce         role = "nonce"          // tells orders apart, or cancels them
	roleSalt          role = "salt"           // tells orders apart
	roleZero          role = "zero"           // must be zero: it is not read, so it may not say anything
)

// rule is what a role asks of a shape.
type rule struct {
	role   role
	needed bool
	fits   func(solidity string) bool
}

func isAddress(solidity string) bool  { return solidity == typeAddress }
func isUint(solidity string) bool     { return bitsOf(solidity) > 0 }
func isCode(solidity string) bool     { return solidity != typeAddress && solidity != typeBytes32 }
func isAnything(solidity string) bool { return true }

var rules = []rule{
	{roleSigner, true, isAddress},
	{roleMaker, true, isAddress},
	{roleTaker, false, isAddress},
	{roleToken, true, isUint},
	{roleMakerAmount, true, isUint},
	{roleTakerAmount, true, isUint},
	{roleSide, true, isCode},
	{roleExpiration, false, isUint},
	{roleFee, false, isUint},
	{roleSignatureType, false, isCode},
	{roleNonce, false, isAnything},
	{roleSalt, false, isAnything},
	{roleZero, false, isAnything},
}

func ruleOf(r role) (rule, bool) {
	i := slices.IndexFunc(rules, func(each rule) bool { return each.role == r })
	if i < 0 {
		return rule{}, false
	}
	return rules[i], true
}

// with returns the field that has the role.
func (sh *shape) with(r role) (field, bool) {
	i := slices.IndexFunc(sh.fields, func(f field) bool { return f.role == r })
	if i < 0 {
		return field{}, false
	}
	return sh.fields[i], true
}
