package custody

import (
	"context"
	"slices"

	"pets/commands"
	"pets/domain"
	"pets/domain/keys"
	"pets/domain/system"
)

// maxRotationRounds limits how often a rotation checks what is left: once to start, once
// to re-encrypt, once to complete, and more often if other wallets appear meanwhile.
const maxRotationRounds = 16

// Sealer is the part of the keystore that a rotation needs: a blob for each wallet,
// sealed under an encryption key that has an id. Several goroutines and processes may use
// it at once.
type Sealer interface {
	// Current is the id of the key that seals now. It stays the same while the
	// process lives.
	Current() string
	// SealedUnder lists the wallets by the id of the key that they are sealed under. It
	// reads the files anew.
	SealedUnder() (map[string][]string, error)
	// Reencrypt seals one wallet under the current key. When it returns, the new
	// blob is durable, and it was opened again and compared with the address. An error or
	// a crash leaves the old blob or the new one, whole. If the wallet is sealed under the
	// current key already, it checks and flushes the blob, and From is To.
	Reencrypt(wallet string) (Resealed, error)
}

// Resealed is one blob that is sealed under the current key.
type Resealed struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"` // EIP-55
	From    string `json:"from"`    // key id; the same as To if it was sealed under that already
	To      string `json:"to"`
}

// RotationReport is the result of a call of [Custodian.RotateKeys].
type RotationReport struct {
	// Rotation is the rotation's name, or empty if none was started.
	Rotation string `json:"rotation,omitempty"`
	To       string `json:"to"`
	// Resealed are the wallets recorded by this call, with the key that each was
	// sealed under before, or "unknown".
	Resealed []Resealed `json:"resealed"`
	// Completed reports that every wallet is sealed under To and that this is
	// recorded, by this call or before it.
	Completed bool `json:"completed"`
}

// RotateKeys seals every wallet under the sealer's current key: it records that it
// starts, re-encrypts and records wallet by wallet, and records that none is left under
// another key.
//
// If it is killed at any instant, call it again, here or on another server, to finish
// it: what is left is in the stream and in the files, not in memory. A wallet is
// re-encrypted only after a record announced it, and every announced wallet gets exactly
// one record. After a crash between a file and its record, the file is opened and checked
// once more, and From in the record is what the history knows: the key of the wallet's
// last key.reencrypted or, without one, "unknown", because the blob that named the key is
// gone.
//
// A wallet that cannot be re-encrypted ends the call with an error that names the wallet.
// The rotation stays open, and the old key is still needed.
func (c *Custodian) RotateKeys(ctx context.Context, caller domain.Caller, reason string) (RotationReport, error) {
	if c.o.Sealer == nil {
		return RotationReport{}, errNoSigner
	}
	r := &rotation{c: c, caller: caller, reason: reason, to: c.o.Sealer.Current(), before: map[string]string{}}
	r.report = RotationReport{To: r.to, Resealed: []Resealed{}}
	if err := commands.Allowed(caller, commands.StartKeyRotation{}); err != nil { // before any file is touched
		return r.report, err
	}
	for range maxRotationRounds {
		if over, err := r.round(ctx); over || err != nil {
			return r.report, err
		}
	}
	return r.report, domain.Errorf(domain.CodeConflict,
		"wallets were sealed under other keys again and again while they were re-encrypted; stop the process that still has another ENCRYPTION_KEY")
}

// rotation is one call of RotateKeys.
type rotation struct {
	c      *Custodian
	caller domain.Caller
	reason string
	to     string
	// before maps a wallet to the other key that it was first seen under.
	before map[string]string
	report RotationReport
}

// findings are read first from the stream and then from the files, so that the files are
// never older than the known rotations.
type findings struct {
	keys   *keys.State
	open   keys.Rotation
	isOpen bool
	// pending are the wallets sealed under another key, sorted; sealed counts all.
	pending []string
	sealed  int
}

func (r *rotation) find(ctx context.Context) (findings, error) {
	state, err := r.c.engine.SystemState(ctx)
	if err != nil {
		return findings{}, err
	}
	under, err := r.c.o.Sealer.SealedUnder()
	if err != nil {
		return findings{}, errKeystore(err)
	}
	found := findings{keys: state.Encryption()}
	found.open, found.isOpen = found.keys.Open()
	for id, wallets := range under {
		found.sealed += len(wallets)
		if id == r.to {
			continue
		}
		found.pending = append(found.pending, wallets...)
		for _, w := range wallets {
			if r.before[w] == "" {
				r.before[w] = id
			}
		}
	}
	slices.Sort(found.pending)
	return found, nil
}

// round takes the next step: nothing, start, re-encrypt or complete.
func (r *rotation) round(ctx context.Context) (over bool, err error) {
	found, err := r.find(ctx)
	if err != nil {
		return false, err
	}
	listed := found.isOpen && found.open.To == r.to && containsAll(found.open.Wallets, found.pending)
	if !listed {
		if over, err := r.upToDate(ctx, &found); over || err != nil {
			return over, err
		}
		return false, r.start(ctx, &found)
	}
	r.report.Rotation = found.open.Name
	// A wallet that is recorded but pending again was restored from a backup.
	todo := slices.Concat(found.open.Left, found.pending)
	slices.Sort(todo)
	todo = slices.Compact(todo)
	if len(todo) == 0 {
		return r.complete(ctx)
	}
	for i, wallet := range todo {
		if on, err := r.reseal(ctx, &found, wallet); !on || err != nil {
			return false, err
		}
		if r.c.o.Resealing != nil {
			r.c.o.Resealing(len(found.open.Wallets)-len(todo)+i+1, len(found.open.Wallets), wallet)
		}
	}
	return false, nil
}

// upToDate reports whether there is nothing to do: the last rotation was to this key, and
// all wallets are sealed under it. It refuses if they are sealed under a key that no
// rotation led to: recording a rotation would make the key look new.
func (r *rotation) upToDate(ctx context.Context, found *findings) (over bool, err error) {
	if found.isOpen || len(found.pending) > 0 {
		return false, nil
	}
	last, any := found.keys.LastCompleted()
	switch {
	case any && last.To == r.to:
		r.report.Rotation, r.report.Completed = last.Name, true
		return true, nil
	case !any && found.sealed > 0:
		// Another server may have done everything after the stream and before the files were
		// read here. The start is then refused, and the next round finds it done.
		now, err := r.c.engine.SystemState(ctx)
		if err != nil || now.Encryption().Latest() != found.keys.Latest() {
			return false, err
		}
		return false, domain.Errorf(domain.CodeConflict,
			"every wallet is sealed under key %s already; put it into ENCRYPTION_KEYS_RETIRED and a new one into ENCRYPTION_KEY", r.to)
	}
	return false, nil
}

// start announces the wallets. If another server was first, the next round continues its
// rotation.
func (r *rotation) start(ctx context.Context, found *findings) error {
	after := system.NoRotation
	if name := found.keys.Latest(); name != "" {
		after = name
	}
	key := rotationKey(slices.Concat([]string{"start", after, r.to, r.reason}, found.pending)...)
	_, err := r.send(ctx, key, commands.StartKeyRotation{To: r.to, Wallets: found.pending, Reason: r.reason, After: after})
	elsewhere := found.isOpen && found.open.To != r.to
	if domain.CodeOf(err) == domain.CodeConflict && !elsewhere {
		return nil
	}
	return err
}

// reseal re-encrypts one wallet and records it. on is false if another server has
// moved on to another rotation, which the next round finds.
func (r *rotation) reseal(ctx context.Context, found *findings, wallet string) (on bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	// The new blob is durable when Reencrypt returns. A crash between that and the record
	// leaves the wallet under the new key, without a record: the next call gets here again.
	done, err := r.c.o.Sealer.Reencrypt(wallet)
	if err == nil && (done.Wallet != wallet || done.To != r.to) {
		err = domain.Errorf(domain.CodeInternal, "the keystore answered for wallet %s and key %s", done.Wallet, done.To)
	}
	if err != nil {
		return false, errOf(wallet, "was not re-encrypted", found.open.Name, err)
	}
	done.From = r.from(found.keys, &done)
	command := commands.RecordReencrypted{Rotation: found.open.Name, Wallet: wallet, Address: done.Address, From: done.From, To: done.To}
	answer, err := r.send(ctx, rotationKey("reencrypted", found.open.Name, wallet), command)
	switch {
	case domain.CodeOf(err) == domain.CodeConflict:
		return false, nil
	case err != nil:
		return false, errOf(wallet, "is re-encrypted, but that is not recorded", found.open.Name, err)
	}
	if !answer.Replayed && answer.Events[0].Type == domain.KeyReencryptedType {
		r.report.Resealed = append(r.report.Resealed, done)
	}
	return true, nil
}

// from returns the key that a wallet was sealed under before: the key that the keystore
// just replaced, else the key that this call first saw, else the key in the history.
func (r *rotation) from(history *keys.State, done *Resealed) string {
	recorded, _ := history.SealedUnder(done.Wallet)
	for _, id := range []string{done.From, r.before[done.Wallet], recorded} {
		if id != "" && id != r.to {
			return id
		}
	}
	return keys.Unknown
}

// complete ends the rotation, unless another server has moved on to another one.
func (r *rotation) complete(ctx context.Context) (over bool, err error) {
	name := r.report.Rotation
	_, err = r.send(ctx, rotationKey("complete", name), commands.CompleteKeyRotation{Rotation: name})
	if domain.CodeOf(err) == domain.CodeConflict {
		return false, nil
	}
	r.report.Completed = err == nil
	return true, err
}

func (r *rotation) send(ctx context.Context, key string, c commands.Command) (commands.Answer, error) {
	return r.c.engine.System(ctx, commands.Request{Caller: r.caller, Key: key, Command: c})
}

// rotationKey is the Idempotency-Key of one step of a rotation. The same step has the same
// key in every process.
func rotationKey(parts ...string) string {
	return commands.DerivedKey(append([]string{"key rotation"}, parts...)...)
}

func containsAll(all, some []string) bool {
	known := make(map[string]bool, len(all))
	for _, s := range all {
		known[s] = true
	}
	return !slices.ContainsFunc(some, func(s string) bool { return !known[s] })
}

func errKeystore(err error) error {
	return &domain.Error{Code: domain.CodeOf(err), Message: "the keystore cannot be listed", Cause: err}
}

func errOf(wallet, what, rotation string, err error) error {
	return &domain.Error{
		Code: domain.CodeOf(err), Message: "wallet " + wallet + " " + what + "; rotation " + rotation + " stays open", Cause: err,
	}
}
