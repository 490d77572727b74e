package cli

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
)

const pluginLockText = `
agent plugin lock writes the checksum of each external plugin that the
configuration uses into its plugin block, and adds the block for a program of
the plugin folder that has none. From then on only these very programs are run.
A block that says allow_unpinned = true is left as it is. Nothing else of the
file changes. No program is started.
`

func (p *Program) pluginLock(args []string) int {
	var c configFlags
	f := p.flags("plugin lock", pluginLockText)
	c.define(f)
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() > 0 {
		p.failf("unexpected argument %q: name the file with -config", f.Arg(0))
		return exitUsage
	}
	cat, programs, code := p.programs(c, true)
	if cat == nil {
		return code
	}
	sums, ok := p.checksums(cat, programs)
	if !ok {
		return exitFailed
	}
	changed, err := pinFile(c.file, sums)
	if err != nil {
		p.failf("%v", err)
		return exitFailed
	}
	for _, typ := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(p.Stdout, "plugin %q: sha256 %s\n", typ, sums[typ])
	}
	free := 0
	for _, program := range cat.Programs() {
		if program.Block != nil && !wanted(program, nil) {
			free++
			fmt.Fprintf(p.Stdout, "plugin %q: not pinned, because its block says allow_unpinned = true; to pin it, remove that line and run this again\n", program.Type)
		}
	}
	switch {
	case len(sums)+free == 0:
		fmt.Fprintf(p.Stdout, "%s uses no external plugins.\n", c.file)
	case changed:
		fmt.Fprintf(p.Stdout, "%s is changed.\n", c.file)
	default:
		fmt.Fprintf(p.Stdout, "%s is as it was.\n", c.file)
	}
	return exitOK
}

// checksums hashes the programs that are to be pinned, by type. ok is false if one of
// them must not be.
func (p *Program) checksums(cat *catalog.Catalog, programs config.Programs) (_ map[string]string, ok bool) {
	sums := map[string]string{}
	ok = true
	for _, program := range cat.Programs() {
		if !wanted(program, programs.Used) {
			continue
		}
		sum, err := "", program.Fault
		if err == nil {
			sum, err = catalog.Checksum(program.Path)
		}
		if err == nil && sums[program.Type] != "" {
			err = fmt.Errorf("there are two programs of this type: write the path of the one that is meant into a plugin block")
		}
		if err != nil {
			p.failf("plugin %q is not pinned: %v", program.Type, err)
			ok = false
			continue
		}
		sums[program.Type] = sum
	}
	return sums, ok
}

// wanted reports whether a program is to be pinned: its block asks for it, or it has
// none and is used all the same.
func wanted(program catalog.Program, used []config.Use) bool {
	if b := program.Block; b != nil {
		return b.SHA256 != "" || !b.AllowUnpinned
	}
	return slices.ContainsFunc(used, func(u config.Use) bool {
		return u.Type == program.Type && u.Kind == program.Kind
	})
}

// pinFile writes checksums into a file, and reports whether that changed it.
func pinFile(name string, sums map[string]string) (changed bool, err error) {
	if len(sums) == 0 {
		return false, nil
	}
	// A link stays one: what it leads to is replaced.
	path, err := filepath.EvalSymlinks(name)
	if err != nil {
		return false, fmt.Errorf("find configuration: %w", err)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return false, fmt.Errorf("read configuration: %w", err)
	}
	text, err := config.Pin(name, old, sums)
	if err != nil || bytes.Equal(old, text) {
		return false, err
	}
	if err := replaceFile(path, text); err != nil {
		return false, fmt.Errorf("write configuration: %w", err)
	}
	return true, nil
}

// replaceFile puts new contents in a file's place, at once and durably, with the
// file's mode and owner.
func replaceFile(path string, content []byte) (err error) {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && (int(st.Uid) != os.Geteuid() || int(st.Gid) != os.Getegid()) {
		if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
	}
	if err := f.Chmod(fi.Mode().Perm()); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
