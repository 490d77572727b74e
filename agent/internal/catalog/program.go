package catalog

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// maxProgram bounds the size of a program: a copy of it is held in memory while it runs.
const maxProgram = 512 << 20

// Checksum is the SHA-256 of the program at path, in lower-case hexadecimal, provided
// that the agent would run it. Otherwise the error says why not, and what to do.
func Checksum(path string) (string, error) {
	f, err := openProgram(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return copyProgram(io.Discard, f)
}

// sealProgram copies the program at path into memory where nobody can change it any
// more, and returns that copy with the checksum of what is in it. So what is executed
// is what was hashed, whatever becomes of the file in between.
func sealProgram(path string) (_ *os.File, sum string, err error) {
	f, err := openProgram(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	sealed, err := memoryFile(filepath.Base(path))
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			_ = sealed.Close()
		}
	}()
	if sum, err = copyProgram(sealed, f); err != nil {
		return nil, "", err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(sealed.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, "", fmt.Errorf("seal the copy of %s: %w", path, err)
	}
	return sealed, sum, nil
}

// memoryFile makes an empty file that lies in no folder (memfd_create(2)). Kernels
// since 6.3 want to be told that it will be executed, older ones refuse to hear it.
func memoryFile(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("make a copy of the program in memory (memfd_create): %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func copyProgram(to io.Writer, from *os.File) (sum string, err error) {
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(hash, to), bufio.NewReaderSize(io.LimitReader(from, maxProgram+1), 1<<20))
	if err != nil {
		return "", fmt.Errorf("read program %s: %w", from.Name(), err)
	}
	if n > maxProgram {
		return "", sdk.Denied(fmt.Errorf("%s is larger than %d MiB, which no plugin is", from.Name(), maxProgram>>20))
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// openProgram opens the program at an absolute path, unless somebody but root and the
// agent's own user could put another one in its place: on the way there must be no
// symbolic link, and no file or folder that others own or may write to. Each step
// starts at the folder opened before, so none can be exchanged meanwhile.
func openProgram(path string) (_ *os.File, err error) {
	if !filepath.IsAbs(path) {
		return nil, sdk.Denied(fmt.Errorf("%s is not an absolute path", path))
	}
	path = filepath.Clean(path)
	at, err := openStep(unix.AT_FDCWD, "/", "/", unix.O_DIRECTORY|unix.O_PATH)
	if err != nil {
		return nil, err
	}
	steps := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, name := range steps {
		so := "/" + strings.Join(steps[:i+1], "/")
		flags := unix.O_DIRECTORY | unix.O_PATH
		if i == len(steps)-1 {
			flags = unix.O_RDONLY | unix.O_NONBLOCK // a FIFO must not keep us waiting
		}
		next, err := openStep(at, name, so, flags)
		_ = unix.Close(at)
		if err != nil {
			return nil, err
		}
		at = next
	}
	f := os.NewFile(uintptr(at), path)
	if err := runnable(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// openStep opens name in the folder at, and checks who else has a say in it.
func openStep(at int, name, path string, flags int) (int, error) {
	fd, err := unix.Openat(at, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, sdk.Denied(openError(path, err))
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("inspect %s: %w", path, err)
	}
	if err := guarded(path, &st); err != nil {
		_ = unix.Close(fd)
		return -1, sdk.Denied(err)
	}
	return fd, nil
}

// openError explains why a step of a path cannot be opened. Linux answers ELOOP for
// a symbolic link, or ENOTDIR where a folder was asked for.
func openError(path string, err error) error {
	if fi, statErr := os.Lstat(path); statErr == nil && fi.Mode()&fs.ModeSymlink != 0 {
		real, evalErr := filepath.EvalSymlinks(path)
		if evalErr != nil {
			return fmt.Errorf("%s is a symbolic link that leads nowhere", path)
		}
		return fmt.Errorf("%s is a symbolic link, which could be turned to another program: write the real path, %s", path, real)
	}
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("there is no program %s", path)
	}
	return fmt.Errorf("open program: %w", &fs.PathError{Op: "open", Path: path, Err: err})
}

// guarded says why a file or folder is not safe from others than root and the agent's
// user. Others may write to a folder with the sticky bit, such as /tmp: they cannot
// replace what is not theirs in it.
func guarded(path string, st *unix.Stat_t) error {
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, who could change the program: chown root %s", path, st.Uid, path)
	}
	sticky := st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Mode&unix.S_ISVTX != 0
	if st.Mode&0o022 != 0 && !sticky {
		return fmt.Errorf("%s may be written to by others (mode %04o), who could change the program: chmod go-w %s", path, st.Mode&0o7777, path)
	}
	return nil
}

// runnable says why an open file is not a program.
func runnable(f *os.File) error {
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("inspect program: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return sdk.Denied(fmt.Errorf("%s is not a file", f.Name()))
	}
	if fi.Mode()&0o111 == 0 {
		return sdk.Denied(fmt.Errorf("%s is not executable: chmod +x %s", f.Name(), f.Name()))
	}
	return nil
}
