package vault

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const crashWallets = 3

// after are the ways a machine can be after the program stopped.
var after = map[string]func(*faultFS) *faultFS{
	"killed":                       func(f *faultFS) *faultFS { return f.reboot(false, false) },
	"power cut":                    func(f *faultFS) *faultFS { return f.reboot(true, false) },
	"power cut, names got further": func(f *faultFS) *faultFS { return f.reboot(true, true) },
}

func openFault(t *testing.T, f *faultFS, ring *Keyring) *Keystore {
	t.Helper()
	k, err := OpenFS("/keys", ring, f, 0)
	require.NoError(t, err)
	return k
}

// atEveryOperation runs a program with the n-th operation failing, for every n,
// until one run meets no fault. It says how many operations there were.
func atEveryOperation(t *testing.T, run func(failAt int) (ops int)) int {
	t.Helper()
	for n := 1; ; n++ {
		require.Less(t, n, 1000, "a program without end")
		if ops := run(n); ops < n {
			return ops
		}
	}
}

// rotate is the saga as its caller drives it: whatever is pending, then complete.
func rotate(k *Keystore) error {
	pending, err := k.Pending()
	if err != nil {
		return err
	}
	for _, wallet := range pending {
		done, err := k.Reencrypt(wallet)
		if err != nil {
			return err
		}
		if done.Wallet != wallet || done.From == done.To {
			return errors.New("did nothing")
		}
	}
	return k.Complete()
}

// "The process killed at every step, resumed: all keys still decrypt and
// addresses agree." Also where the power was cut. And what Complete said is so
// afterwards, without the old key.
func TestRotationKilledAtEveryOperation(t *testing.T) {
	t.Parallel()
	for how, reboot := range after {
		for _, half := range []bool{false, true} {
			ops := atEveryOperation(t, func(failAt int) int {
				f := newFaultFS()
				fill(t, openFault(t, f, ringOf(t, keyA, "")), crashWallets)
				f.ops, f.failAt, f.half, f.killed = 0, failAt, half, true

				k, err := OpenFS("/keys", ringOf(t, keyB, keyA), f, 0)
				if err == nil {
					err = rotate(k)
				}
				ops, where := f.ops, fmt.Sprintf("%s at operation %d %v", how, failAt, f.trace[max(0, len(f.trace)-3):])
				require.Equal(t, ops < failAt, err == nil, where)

				f = reboot(f)
				if err == nil { // complete: the old key may be thrown away
					check(t, openFault(t, f, ringOf(t, keyB, "")), crashWallets)
				}
				k = openFault(t, f, ringOf(t, keyB, keyA))
				check(t, k, crashWallets)
				require.Len(t, fileNames(t, k), crashWallets, where)
				require.NoError(t, rotate(k), where)
				check(t, openFault(t, reboot(f), ringOf(t, keyB, "")), crashWallets)
				return ops
			})
			t.Logf("%s, half done %v: %d operations", how, half, ops)
		}
	}
}

// "A crash leaves either nothing or all" of a new wallet, and what Create
// acknowledged is there for good.
func TestCreateKilledAtEveryOperation(t *testing.T) {
	for how, reboot := range after {
		for _, half := range []bool{false, true} {
			atEveryOperation(t, func(failAt int) int {
				f := newFaultFS()
				fill(t, openFault(t, f, ringOf(t, keyA, "")), 1)
				f.ops, f.failAt, f.half, f.killed = 0, failAt, half, true
				k, err := OpenFS("/keys", ringOf(t, keyA, ""), f, 0)
				if err == nil {
					_, err = k.Create("w1", Path(1), testKey(t, 1))
				}
				ops := f.ops
				f = reboot(f)
				k = openFault(t, f, ringOf(t, keyA, ""))
				again := second(k.Address("w1"))
				if err == nil || again == nil {
					check(t, k, 2)
					require.ErrorIs(t, second(k.Create("w1", Path(1), testKey(t, 1))), ErrExists)
					return ops
				}
				require.ErrorIs(t, again, ErrNotFound, "%s at operation %d", how, failAt)
				check(t, k, 1)
				require.Len(t, fileNames(t, k), 1)
				require.NoError(t, second(k.Create("w1", Path(1), testKey(t, 1))))
				check(t, openFault(t, reboot(f), ringOf(t, keyA, "")), 2)
				return ops
			})
		}
	}
}

// An operation that fails once fails the step, with ErrStorage, and loses
// nothing; the same step again goes through.
func TestRotationWithOneFailureAtEveryOperation(t *testing.T) {
	for _, half := range []bool{false, true} {
		atEveryOperation(t, func(failAt int) int {
			f := newFaultFS()
			fill(t, openFault(t, f, ringOf(t, keyA, "")), crashWallets)
			k := openFault(t, f, ringOf(t, keyB, keyA))
			f.ops, f.failAt, f.half = 0, failAt, half
			err := rotate(k)
			ops := f.ops
			if failAt <= ops && f.trace[len(f.trace)-ops+failAt-1] != "remove" {
				require.ErrorIs(t, err, ErrStorage)
				require.ErrorIs(t, err, errInjected)
			}
			f.failAt = 0
			check(t, k, crashWallets)
			require.NoError(t, rotate(k))
			check(t, openFault(t, f.reboot(true, false), ringOf(t, keyB, "")), crashWallets)
			return ops
		})
	}
}

// A step that is repeated after its flush failed flushes again before it says
// that it is done: the caller is about to record it.
func TestARepeatedStepFlushes(t *testing.T) {
	f := newFaultFS()
	fill(t, openFault(t, f, ringOf(t, keyA, "")), 1)
	k := openFault(t, f, ringOf(t, keyB, keyA))
	f.ops, f.trace = 0, nil
	require.NoError(t, second(k.Reencrypt("w0")))
	require.Equal(t, []string{"lock", "readdir", "read", "create", "write", "sync", "close", "read", "rename", "sync dir"}, f.trace, "temp → fsync → read back → rename → fsync dir")

	f.ops, f.failAt, f.trace = 0, 2, nil
	require.ErrorIs(t, k.Complete(), ErrStorage)
	fill(t, openFault(t, f, ringOf(t, keyA, keyB)), 0)
	back := openFault(t, f, ringOf(t, keyA, keyB))
	f.ops, f.failAt = 0, 10
	require.ErrorIs(t, second(back.Reencrypt("w0")), ErrStorage, "renamed, not flushed")
	require.NoError(t, second(back.Reencrypt("w0")))
	check(t, openFault(t, f.reboot(true, false), ringOf(t, keyA, "")), 1)
}

// Opening flushes what a killed process may have left unflushed, before anything
// is built on it.
func TestOpenFlushes(t *testing.T) {
	f := newFaultFS()
	fill(t, openFault(t, f, ringOf(t, keyA, "")), 1)
	k := openFault(t, f, ringOf(t, keyB, keyA))
	f.ops, f.failAt, f.killed = 0, 10, true
	require.Error(t, second(k.Reencrypt("w0")))
	f.dead, f.failAt = false, 0 // the process died, the machine lives on
	openFault(t, f, ringOf(t, keyB, keyA))
	check(t, openFault(t, f.reboot(true, false), ringOf(t, keyB, "")), 1)
}

// Open fails at every operation of its own.
func TestOpenFailsAtEveryOperation(t *testing.T) {
	atEveryOperation(t, func(failAt int) int {
		f := newFaultFS()
		f.live["/keys/w0."+testKey(t, 0).Address().Hex()+".key.0123456789abcdef.tmp"] = &inode{}
		f.failAt = failAt
		_, err := OpenFS("/keys", ringOf(t, keyA, ""), f, 0)
		if failAt <= f.ops {
			require.ErrorIs(t, err, ErrStorage, f.trace)
		} else {
			require.NoError(t, err)
		}
		return f.ops
	})
}

// A new folder's own name is flushed, before there is a key in it.
func TestANewFolderIsFlushed(t *testing.T) {
	f := newFaultFS()
	openFault(t, f, ringOf(t, keyA, ""))
	require.Equal(t, []string{"mkdir", "sync dir", "stat", "lock", "readdir", "sync dir"}, f.trace)
	f.trace = nil
	openFault(t, f, ringOf(t, keyA, ""))
	require.Equal(t, []string{"mkdir", "stat", "lock", "readdir", "sync dir"}, f.trace, "but not that of an old one")
}
