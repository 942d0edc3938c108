// Package vault keeps the private keys of hot wallets: on disk only encrypted,
// in memory only while one is used, in print never.
//
// It owns the [Keyring] (the Fernet keys of ENCRYPTION_KEY and
// ENCRYPTION_KEYS_RETIRED), the [Keystore] (one file per key), re-encryption in
// steps that can be killed anywhere, [PrivateKey] (which signs, and dies with the
// function it was handed to), [Mnemonic], and the hardening of the process.
//
// It refuses to show, print, log, encode or return a private key; to overwrite a
// wallet; to use a file that others can read; to read what is damaged; to use the
// blob of one wallet for another; and to decide whether anything may be signed:
// that was decided, and recorded, before it is asked. It never uses Fernet's
// time to live: a key does not expire, and any limit would destroy old ones.
//
// # What can be read without a key
//
// A file is called <wallet>.<address>.key and holds pets1:<kid>:<token>. So the
// names of wallets, their addresses, which key each is sealed under, and when it
// was written are there for everybody who can list the folder. The private key
// and the derivation path are inside the token, which also binds wallet and
// address: a file that is renamed, swapped or copied over another is found out.
//
// # What stays in memory
//
// Every copy this package makes is wiped. Copies made by the libraries (AES key
// schedules, big integers, the stack) are not in its hands: only a build with
// CGO_ENABLED=0 GOEXPERIMENT=runtimesecret erases those too, the heap's at the
// next garbage collection, and [ErasesMemory] tells which build this is. The keys
// of the keyring stay in memory until [Keyring.Wipe], and the environment they
// came from as long as the process.
package vault
