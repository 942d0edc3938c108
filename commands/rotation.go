package commands

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/keys"
	"pets/domain/system"
	"pets/eventstore"
)

// maxRotationRounds bounds how often a rotation looks what is left: once to start,
// once to re-encrypt, once to complete, and again for whatever turned up meanwhile.
const maxRotationRounds = 16

// Sealer is the keystore as a rotation needs it: blobs, one for each wallet, each
// sealed under an encryption key that is named by its id. It may be used from
// several goroutines and processes at once.
type Sealer interface {
	// Current is the id of the key that seals now. It stays the same while the
	// process lives.
	Current() string
	// SealedUnder lists the wallets there are by the id of the key that each is
	// sealed under, as the files are now.
	SealedUnder() (map[string][]string, error)
	// Reencrypt seals one wallet under the current key. When it returns, the new
	// blob is durable, was opened again and holds the key of the address; after an
	// error or a crash there is the old blob or the new one, whole. Done again it
	// checks and flushes, and From is To.
	Reencrypt(wallet string) (Resealed, error)
}

// Resealed is one blob that is sealed under the current key.
type Resealed struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"` // EIP-55
	From    string `json:"from"`    // key id; To where it was sealed under that before
	To      string `json:"to"`
}

// RotationReport says what a call of [Engine.RotateKeys] came to.
type RotationReport struct {
	// Rotation names it, empty where none was started.
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
// starts, re-encrypts and records wallet by wallet, and records that none is left.
//
// Killed at any instant, it is finished by calling it again, here or on another
// server: what is left is in the stream and in the files, not in memory. A wallet
// is re-encrypted only after a record announced it, and every one that was
// announced gets exactly one record. Where the crash fell between a file and its
// record, the file is opened and checked once more, and the record says in From
// what the history knows: the key of the wallet's last key.reencrypted, or
// "unknown" where it has none, because the blob that named it is gone.
//
// A wallet that cannot be re-encrypted stops it with an error that names the
// wallet; the rotation stays open, and the old key is still needed. progress,
// which may be nil, hears of every wallet that is recorded.
func (e *Engine) RotateKeys(
	ctx context.Context, caller domain.Caller, sealer Sealer, reason string, progress func(done, total int, wallet string),
) (RotationReport, error) {
	r := &rotating{
		engine: e, caller: caller, sealer: sealer, reason: reason, progress: progress,
		to: sealer.Current(), before: map[string]string{},
	}
	r.report = RotationReport{To: r.to, Resealed: []Resealed{}}
	if err := Allowed(caller, StartKeyRotation{}); err != nil { // before any file is touched
		return r.report, err
	}
	for range maxRotationRounds {
		if over, err := r.round(ctx); over || err != nil {
			return r.report, err
		}
	}
	return r.report, domain.Errorf(domain.CodeConflict,
		"wallets were sealed under other keys again and again while they were re-encrypted; stop whoever still has another ENCRYPTION_KEY")
}

// rotating is one call of RotateKeys.
type rotating struct {
	engine   *Engine
	caller   domain.Caller
	sealer   Sealer
	reason   string
	progress func(done, total int, wallet string)
	to       string
	// before has the other key that a wallet was first seen under.
	before map[string]string
	report RotationReport
}

// sight is what a rotation finds: first the stream, then the files, so that the
// files are never older than the rotations that are known.
type sight struct {
	keys   *keys.State
	open   keys.Rotation
	isOpen bool
	// pending are the wallets sealed under another key, sorted; sealed counts all.
	pending []string
	sealed  int
}

func (r *rotating) look(ctx context.Context) (sight, error) {
	state, err := r.engine.systemState(ctx)
	if err != nil {
		return sight{}, err
	}
	under, err := r.sealer.SealedUnder()
	if err != nil {
		return sight{}, errKeystore(err)
	}
	seen := sight{keys: state.Encryption()}
	seen.open, seen.isOpen = seen.keys.Open()
	for id, wallets := range under {
		seen.sealed += len(wallets)
		if id == r.to {
			continue
		}
		seen.pending = append(seen.pending, wallets...)
		for _, w := range wallets {
			if r.before[w] == "" {
				r.before[w] = id
			}
		}
	}
	slices.Sort(seen.pending)
	return seen, nil
}

// round does what comes next: nothing, start, re-encrypt or complete.
func (r *rotating) round(ctx context.Context) (over bool, err error) {
	seen, err := r.look(ctx)
	if err != nil {
		return false, err
	}
	listed := seen.isOpen && seen.open.To == r.to && containsAll(seen.open.Wallets, seen.pending)
	if !listed {
		if over, err := r.upToDate(ctx, &seen); over || err != nil {
			return over, err
		}
		return false, r.start(ctx, &seen)
	}
	r.report.Rotation = seen.open.Name
	// A wallet that is recorded and pending all the same was put back from a backup.
	todo := slices.Concat(seen.open.Left, seen.pending)
	slices.Sort(todo)
	todo = slices.Compact(todo)
	if len(todo) == 0 {
		return r.complete(ctx)
	}
	for i, wallet := range todo {
		if on, err := r.reseal(ctx, &seen, wallet); !on || err != nil {
			return false, err
		}
		if r.progress != nil {
			r.progress(len(seen.open.Wallets)-len(todo)+i+1, len(seen.open.Wallets), wallet)
		}
	}
	return false, nil
}

// upToDate reports that nothing is to be done: the last rotation was to this key,
// and all is sealed under it. Where wallets are sealed under a key that no rotation
// led to, there is nothing to rotate to: recording one would make the key look new.
func (r *rotating) upToDate(ctx context.Context, seen *sight) (over bool, err error) {
	if seen.isOpen || len(seen.pending) > 0 {
		return false, nil
	}
	last, any := seen.keys.LastCompleted()
	switch {
	case any && last.To == r.to:
		r.report.Rotation, r.report.Completed = last.Name, true
		return true, nil
	case !any && seen.sealed > 0:
		// Unless another server did it all between our look at the stream and that
		// at the files: then the start is refused, and we look again.
		now, err := r.engine.systemState(ctx)
		if err != nil || now.Encryption().Latest() != seen.keys.Latest() {
			return false, err
		}
		return false, domain.Errorf(domain.CodeConflict,
			"every wallet is sealed under key %s already; put it into ENCRYPTION_KEYS_RETIRED and a new one into ENCRYPTION_KEY", r.to)
	}
	return false, nil
}

// start announces the wallets. Whoever comes second at it looks again.
func (r *rotating) start(ctx context.Context, seen *sight) error {
	after := system.NoRotation
	if name := seen.keys.Latest(); name != "" {
		after = name
	}
	key := rotationKey(slices.Concat([]string{"start", after, r.to, r.reason}, seen.pending)...)
	_, err := r.send(ctx, key, StartKeyRotation{To: r.to, Wallets: seen.pending, Reason: r.reason, After: after})
	elsewhere := seen.isOpen && seen.open.To != r.to
	if domain.CodeOf(err) == domain.CodeConflict && !elsewhere {
		return nil
	}
	return err
}

// reseal re-encrypts one wallet and records it. on is false where another server
// has moved on to another rotation: look again.
func (r *rotating) reseal(ctx context.Context, seen *sight, wallet string) (on bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	// Durable when it returns. A crash from here to the record leaves a wallet of
	// the list under the new key without one: the next call comes by here again.
	done, err := r.sealer.Reencrypt(wallet)
	if err == nil && (done.Wallet != wallet || done.To != r.to) {
		err = domain.Errorf(domain.CodeInternal, "the keystore answered for wallet %s and key %s", done.Wallet, done.To)
	}
	if err != nil {
		return false, errOf(wallet, "was not re-encrypted", seen.open.Name, err)
	}
	done.From = r.from(seen.keys, &done)
	command := RecordReencrypted{Rotation: seen.open.Name, Wallet: wallet, Address: done.Address, From: done.From, To: done.To}
	answer, err := r.send(ctx, rotationKey("reencrypted", seen.open.Name, wallet), command)
	switch {
	case domain.CodeOf(err) == domain.CodeConflict:
		return false, nil
	case err != nil:
		return false, errOf(wallet, "is re-encrypted, but that is not recorded", seen.open.Name, err)
	}
	if !answer.Replayed && answer.Events[0].Type == domain.KeyReencryptedType {
		r.report.Resealed = append(r.report.Resealed, done)
	}
	return true, nil
}

// from says which key a wallet was sealed under before: what the keystore just
// replaced, else what this call saw there, else what the history says.
func (r *rotating) from(history *keys.State, done *Resealed) string {
	recorded, _ := history.SealedUnder(done.Wallet)
	for _, id := range []string{done.From, r.before[done.Wallet], recorded} {
		if id != "" && id != r.to {
			return id
		}
	}
	return keys.Unknown
}

// complete ends the rotation, unless another server has moved on to another one.
func (r *rotating) complete(ctx context.Context) (over bool, err error) {
	name := r.report.Rotation
	_, err = r.send(ctx, rotationKey("complete", name), CompleteKeyRotation{Rotation: name})
	if domain.CodeOf(err) == domain.CodeConflict {
		return false, nil
	}
	r.report.Completed = err == nil
	return true, err
}

func (r *rotating) send(ctx context.Context, key string, c Command) (Answer, error) {
	return r.engine.System(ctx, Request{Caller: r.caller, Key: key, Command: c})
}

// rotationKey is the Idempotency-Key of one step of a rotation: the same step has
// the same key, in whichever process it is tried again.
func rotationKey(parts ...string) string {
	return uuid.NewSHA1(namespace, []byte("key rotation\x00"+strings.Join(parts, "\x00"))).String()
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

// systemState folds the system stream as it is stored now: for what is asked so
// seldom that nobody keeps it.
func (e *Engine) systemState(ctx context.Context) (*system.State, error) {
	s := system.New()
	err := eventstore.Walk(ctx, e.store, SystemStream, 0, func(rec eventstore.Record) error {
		event, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, event)
		}
		return err
	})
	if err != nil {
		return nil, &domain.Error{Code: domain.CodeUnavailable, Message: "the system stream cannot be read", Cause: err}
	}
	return s, nil
}
