package typeddata

import "slices"

// role is the meaning of a field. Every field of a struct has one, so that
// nothing is signed that is not understood.
type role string

// The roles.
const (
	roleSigner        role = "signer"
	roleMaker         role = "maker"          // the paying account
	roleTaker         role = "taker"          // the only account that may fill it; zero for any
	roleToken         role = "token"          // the id of the outcome's token
	roleMakerAmount   role = "maker_amount"   // what is given: collateral for a buy, shares for a sell
	roleTakerAmount   role = "taker_amount"   // what is requested in return
	roleSide          role = "side"           // buy or sell
	roleExpiration    role = "expiration"     // seconds since 1970, 0 for none
	roleFee           role = "fee_bps"        // the highest accepted fee
	roleSignatureType role = "signature_type" // an account that signs for itself, or a contract
	roleNonce         role = "nonce"          // distinguishes orders, or cancels them
	roleSalt          role = "salt"           // distinguishes orders
	roleZero          role = "zero"           // must be zero, because it is not interpreted
)

// rule is what a role requires of a shape.
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
