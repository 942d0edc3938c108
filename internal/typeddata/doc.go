// Package typeddata reads the EIP-712 orders that bots ask a signature for.
//
// It owns the registry of known shapes (which contract, which struct, which
// field says what), the strict reading of the JSON a bot sends, the digest that
// gets signed, and the reduction to [domain.TypedOrder], which is all that a
// decision ever sees. The shapes are data: a venue's address or a field's name
// stands in no Go file.
//
// It refuses what it does not know to the last field: another contract, chain,
// domain or struct, a field without a known role, a number that can be read in
// two ways, an address with a wrong checksum, an order for a proxy or a safe. A
// signature is worth what the signed bytes say, so nothing is signed that
// nobody understood. Errors name the field and never hold the value: what was
// pasted into the wrong field may be a secret.
//
// It holds no key, signs nothing, and does not know permits: whether the order
// is the permitted one is decided by the domain.
package typeddata
