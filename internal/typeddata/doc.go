// Package typeddata parses the EIP-712 orders that bots want signed.
//
// It owns the registry of known shapes (which contract, which struct, which field
// means what), the strict parsing of the JSON that a bot sends, the digest that
// gets signed, and the reduction to [domain.TypedOrder], which is all that a
// decision sees. The shapes are data: no venue's address or field's name is
// hard-coded.
//
// It refuses everything unknown: another contract, chain, domain or struct, a
// field without a known role, an ambiguous number, an address with a wrong
// checksum, an order for a proxy or a safe. A signature covers every signed byte,
// so nothing is signed that is not fully understood. Errors name the field and
// never hold the value: what was pasted into the wrong field may be a secret.
//
// It holds no key, signs nothing, and does not know permits: the domain decides
// whether the order is the permitted one.
package typeddata
