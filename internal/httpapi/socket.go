package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/internal/owner"
)

// SocketName is the stop socket's file in the server's folder.
const SocketName = "stop.sock"

// boundsOfSocket are the limits of the stop socket. Only users who may stop
// everything can connect to it; the limits protect against a faulty program of
// theirs.
var boundsOfSocket = bounds{all: 64, source: 64, newcomers: 64, key: 64}

// ofSocket are its deadlines, which are short: a stop takes little time.
var ofSocket = deadlines{header: 4 * time.Second, request: 4 * time.Second, response: 40 * time.Second, idle: 5 * time.Second}

// Socket is an entrance that strangers cannot fill: a Unix socket in the server's
// folder that answers the routes that stop something, and /livez and /readyz. Its
// file has mode 0600. The kernel identifies the peer: the owner of the server or
// of its folder, and root, need no API key.
type Socket struct {
	path     string
	listener *net.UnixListener
	file     fs.FileInfo       // the file at path, so that another server's is not removed
	users    map[uint32]string // users who need no key, by user id
}

// ListenSocket creates the socket in a folder. Its caller holds the folder's
// lock, so an existing socket belongs to a dead server and is replaced. Any other
// file of that name stays.
func ListenSocket(dir string) (*Socket, error) {
	path := filepath.Join(dir, SocketName)
	switch old, err := os.Lstat(path); {
	case err == nil && old.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is no socket, and the server needs that name for the socket that stops everything: move it elsewhere, or name another folder in PETS_DIR", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	folder, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	// It gets its mode and owner in a private folder, and its final name after
	// that, so that it is never more accessible than it should be. Everything is
	// done by handles, because the folder may belong to a user who puts a link
	// there.
	root, err := owner.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	name := "stop-" + uuid.NewString() + ".new"
	private, err := makePrivate(root, name)
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = private.Remove(SocketName) // it has its name, or is useless
		_ = private.Close()
		_ = root.Remove(name) // it is empty
	}()
	s := &Socket{path: path, users: admitted(folder)}
	if s.listener, err = bind(private); err != nil {
		return nil, err
	}
	if err := s.place(private, root, name, folder); err != nil {
		return nil, errors.Join(err, s.listener.Close())
	}
	return s, nil
}

// makePrivate creates a folder that only this user can enter, and refuses one
// that was replaced meanwhile.
func makePrivate(root *os.Root, name string) (*os.Root, error) {
	if err := root.Mkdir(name, 0o700); err != nil {
		return nil, err
	}
	private, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	info, err := private.Stat(".")
	if err == nil && (info.Mode().Perm()&0o077 != 0 || !ours(info)) {
		err = fmt.Errorf("%s is not the folder that was just made", private.Name())
	}
	if err != nil {
		return nil, errors.Join(err, private.Close())
	}
	return private, nil
}

// place gives the socket its mode, its owner and its name.
func (s *Socket) place(private, root *os.Root, name string, folder fs.FileInfo) error {
	if err := private.Chmod(SocketName, 0o600); err != nil {
		return err
	}
	// By its name: package owner works on open files, and a socket cannot be opened.
	if of, ok := folder.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 && of.Uid != 0 {
		if err := private.Lchown(SocketName, int(of.Uid), int(of.Gid)); err != nil {
			return err
		}
	}
	if err := root.Rename(filepath.Join(name, SocketName), SocketName); err != nil {
		return err
	}
	var err error
	s.file, err = root.Lstat(SocketName)
	return err
}

// bind creates the socket in a folder. Its address is limited to about a hundred
// bytes; a folder with a longer path is reached by its handle.
func bind(dir *os.Root) (*net.UnixListener, error) {
	d, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }() // opened for reading only
	address := byHandle(d)
	if _, err := os.Stat(filepath.Dir(address)); err != nil { // not Linux
		address = short(dir.Name(), d)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it has another name by then
	return l, nil
}

// maxAddress is the longest address of a Unix socket: 108 bytes on Linux, 104
// elsewhere, including a final zero.
const maxAddress = 103

// short is the address of the socket in an open folder.
func short(dir string, d *os.File) string {
	path := filepath.Join(dir, SocketName)
	if len(path) <= maxAddress {
		return path
	}
	return byHandle(d)
}

func byHandle(d *os.File) string { return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), SocketName) }

// DialSocket connects to the stop socket of a folder. If others can write to the
// folder, the socket may belong to anyone. It has to be served by a user who
// controls the folder, because a caller that is told that all is stopped does not
// check further.
func DialSocket(ctx context.Context, dir string) (net.Conn, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }() // opened for reading only
	folder, err := d.Stat()
	if err != nil {
		return nil, err
	}
	// A link may lead to the socket of another server, which would be stopped
	// instead.
	if info, err := os.Lstat(filepath.Join(dir, SocketName)); err != nil || info.Mode().Type() != fs.ModeSocket {
		return nil, errors.Join(err, fmt.Errorf("%s is no socket", filepath.Join(dir, SocketName)))
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", short(dir, d))
	if err != nil {
		return nil, err
	}
	if err := trusted(c, owners(folder)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// trusted refuses a socket that is served by none of these users. If the kernel
// does not identify the server, none can be refused.
func trusted(c net.Conn, by []uint32) error {
	at, ok := c.(*net.UnixConn)
	if !ok {
		return nil
	}
	uid, err := peerOf(at)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return err
	}
	if !slices.Contains(by, uid) {
		return domain.Errorf(domain.CodeDenied, "the stop socket is served by user %d, who neither owns the folder nor is you or root; nothing was sent there", uid)
	}
	return nil
}

// owners lists the users who control a folder, as far as this process can tell.
func owners(folder fs.FileInfo) []uint32 {
	ids := []uint32{0, uint32(os.Geteuid())} //nolint:gosec // a user id
	if of, ok := folder.Sys().(*syscall.Stat_t); ok {
		ids = append(ids, of.Uid)
	}
	return ids
}

func ours(info fs.FileInfo) bool {
	of, ok := info.Sys().(*syscall.Stat_t)
	return !ok || of.Uid == uint32(os.Geteuid()) //nolint:gosec // a user id
}

// admitted returns the users who need no key: the user of the server and the
// owner of its folder can stop it by other means, and root can do anything. Their
// names are looked up now, to save time when a stop comes.
func admitted(folder fs.FileInfo) map[uint32]string {
	users := map[uint32]string{}
	for _, id := range owners(folder) {
		name := strconv.FormatUint(uint64(id), 10)
		if u, err := user.LookupId(name); err == nil && u.Username != "" {
			name = u.Username
		}
		users[id] = "os:" + name
	}
	return users
}

// Stands reports whether its name still belongs to this socket.
func (s *Socket) Stands() bool {
	now, err := os.Lstat(s.path)
	return err == nil && os.SameFile(now, s.file)
}

// Serve answers on the socket until the context ends. It has a server and limits
// of its own, so that load on other listeners does not affect it.
func (s *Socket) Serve(ctx context.Context, a *API, log *slog.Logger) error {
	server := newServer(a.local, log, nil, ofSocket)
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return s.withCaller(withConn(ctx, c), c)
	}
	err := a.config.Files.serve(ctx, server, newConns(s.listener, boundsOfSocket), func() {})
	s.remove()
	return err
}

// Close removes a socket that is not served.
func (s *Socket) Close() error {
	s.remove()
	return s.listener.Close()
}

// remove removes the socket's name, unless it belongs to another file by now.
func (s *Socket) remove() {
	if s.Stands() {
		_ = os.Remove(s.path) // the next start replaces it
	}
}

// localKey is the context key of the caller of a request from the stop socket.
type localKey struct{}

// withCaller identifies the peer. A peer that is not admitted, and got here all
// the same, needs a key as everywhere else.
func (s *Socket) withCaller(ctx context.Context, c net.Conn) context.Context {
	n := connOf(c)
	if n == nil {
		return ctx
	}
	at, ok := n.Conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	uid, err := peerOf(at)
	if err != nil {
		return ctx
	}
	name, ok := s.users[uid]
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, localKey{}, domain.Caller{User: name, Role: domain.RoleOperator})
}
