// Package vault keeps the private keys of hot wallets: on disk only encrypted, in
// memory only while in use, and never printed.
//
// It owns the [Keyring] (the Fernet keys of ENCRYPTION_KEY and
// ENCRYPTION_KEYS_RETIRED), the [Keystore] (one file per key), re-encryption in
// steps that can be killed at any point, [PrivateKey] (which signs, and is wiped
// when the function that received it returns), [Mnemonic], and the hardening of
// the process.
//
// It refuses to show, print, log, encode or return a private key; to overwrite a
// wallet; to use a file that others can read; to read a damaged file; to use the
// blob of one wallet for another; and to decide whether anything may be signed:
// the decision is made and recorded before the vault is called. It never uses
// Fernet's time to live: a key does not expire, and any limit would destroy old
// ones.
//
// # What can be read without a key
//
// A file is called <wallet>.<address>.key and holds pets1:<kid>:<token>. So
// anyone who can list the folder sees the names of wallets, their addresses,
// which key each is sealed under, and when it was written. The private key and
// the derivation path are inside the token, which also binds wallet and address:
// a file that is renamed, swapped or copied over another is detected.
//
// # What stays in memory
//
// Every copy this package makes is wiped. It cannot wipe copies made by libraries
// (AES key schedules, big integers, the stack): only a build with CGO_ENABLED=0
// GOEXPERIMENT=runtimesecret erases those too, the heap's at the next garbage
// collection, and [ErasesMemory] reports whether this is such a build. The keys
// of the keyring stay in memory until [Keyring.Wipe], and the environment they
// came from as long as the process.
package vault
