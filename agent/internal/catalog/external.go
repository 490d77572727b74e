package catalog

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/host"
)

const (
	kindSource = "source"
	kindSink   = "sink"
)

// An external is a program that is not part of the agent: one that a plugin block
// names, or that lies in the plugin folder under the name agent-KIND-TYPE.
type external struct {
	block  config.Plugin // only Type is set if there is no block for it
	named  bool          // there is
	path   string
	kind   string // empty if neither the name nor the folder tells
	folder bool   // found in the plugin folder
	fault  error  // why there is no program to run
}

// findExternals pairs the plugin blocks with programs. A block without a path stands
// for the program of its type in dir; what else lies there has no block.
func findExternals(dir string, blocks []config.Plugin) []external {
	inDir := programsIn(dir)
	var found []external
	taken := map[string]bool{}
	for _, b := range blocks {
		e := locate(b, dir, inDir)
		taken[e.path] = true
		if b.Path != "" {
			// The block stands for its type whatever lies in the folder.
			for _, p := range inDir {
				if p.block.Type == b.Type && (e.kind == "" || p.kind == e.kind) {
					taken[p.path] = true
				}
			}
		}
		found = append(found, e)
	}
	for _, p := range inDir {
		if !taken[p.path] {
			found = append(found, p)
		}
	}
	return found
}

func locate(b config.Plugin, dir string, inDir []external) external {
	e := external{block: b, named: true}
	if b.Path != "" {
		e.path = b.Path
		if !filepath.IsAbs(e.path) {
			// As with file(), a relative path starts from the folder of the configuration.
			e.path = filepath.Join(filepath.Dir(b.Pos.File), e.path)
		}
		e.path = absolute(e.path)
		e.kind, _, _ = programName(filepath.Base(e.path))
		return e
	}
	for _, p := range inDir {
		if p.block.Type != b.Type {
			continue
		}
		if e.path != "" {
			e.fault = fmt.Errorf("there are both a source and a sink %q in %s: write the path of the one that is meant into the plugin block", b.Type, dir)
			e.kind = ""
			return e
		}
		e.path, e.kind, e.folder = p.path, p.kind, true
	}
	if e.path == "" {
		e.fault = fmt.Errorf("there is neither agent-sink-%s nor agent-source-%s in %s: write a path into the plugin block, or plugin_dir into the agent block", b.Type, b.Type, dir)
	}
	return e
}

// programsIn lists the programs of the plugin folder by their names. The folder need
// not be there.
func programsIn(dir string) []external {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var found []external
	for _, entry := range entries {
		kind, typ, ok := programName(entry.Name())
		if ok && !entry.IsDir() {
			path := absolute(filepath.Join(dir, entry.Name()))
			found = append(found, external{block: config.Plugin{Type: typ}, path: path, kind: kind, folder: true})
		}
	}
	return found
}

// programName takes apart a name such as agent-sink-webhook.
func programName(name string) (kind, typ string, ok bool) {
	for _, kind := range []string{kindSource, kindSink} {
		if typ, ok := strings.CutPrefix(name, "agent-"+kind+"-"); ok && typ != "" {
			return kind, typ, true
		}
	}
	return "", "", false
}

// absolute leaves a path alone where the working directory is gone; opening it fails
// with a better error.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// A Program is the file of an external plugin.
type Program struct {
	Kind string // empty if only the program itself can tell
	Type string
	Path string
	// Block is the plugin block for it; nil if the configuration has none.
	Block *config.Plugin
	// Fault is why it will never be run, whatever its checksum.
	Fault error
}

// Programs lists the external plugins without starting any.
func (c *Catalog) Programs() []Program {
	var programs []Program
	externals := c.programs()
	for i := range externals {
		e := &externals[i]
		p := Program{Kind: e.kind, Type: e.block.Type, Path: e.path, Fault: e.fault}
		if e.named {
			p.Block = &e.block
		}
		if e.fault == nil && c.builtin(e.kind, e.block.Type) != nil {
			p.Fault = shadowed(e.kind, *e)
		}
		programs = append(programs, p)
	}
	return programs
}

// identity tells apart what the agent was asked to start, whatever the file holds.
func (e external) identity() string {
	b := e.block
	b.Pos = config.Pos{} // a block may move in its file
	return fmt.Sprintf("%q %+v", e.path, b)
}

// serves reports whether e may be of the kind.
func (e external) serves(kind string) bool { return e.kind == "" || e.kind == kind }

// errUnpinned is why a program without a checksum is not run.
var errUnpinned = errors.New("agent.hcl has no checksum for it: run agent plugin lock, or write allow_unpinned = true into its plugin block")

// prepare is the preparation of an external plugin: it hashes the program anew at each
// start, and that very copy is what will be executed.
func (e external) prepare(dir string, log *slog.Logger) (command, error) {
	if e.fault != nil {
		return command{}, sdk.Denied(e.fault)
	}
	if e.block.SHA256 == "" && !e.block.AllowUnpinned {
		return command{}, sdk.Denied(fmt.Errorf("program %s is not run: %w", e.path, errUnpinned))
	}
	program, sum, err := sealProgram(e.path)
	if err != nil {
		return command{}, err
	}
	c := command{sum: sum, Command: host.Command{
		Path: e.path, Program: program,
		Args: append([]string{e.path}, e.block.Args...),
		Env:  externalEnvironment(e.block.Env, e.block.Memory),
		// That is where an external plugin gets its credentials.
		Secrets: slices.Collect(maps.Values(e.block.Env)),
		Dir:     dir,
	}}
	switch {
	case e.block.SHA256 == "":
		log.Warn("starting a program that is not pinned by a checksum", "program", e.path, "sha256", sum)
	case e.block.SHA256 != sum:
		c.discard()
		return command{}, sdk.Denied(fmt.Errorf(
			"program %s is not the one that agent.hcl names: its sha256 is %s, not %s; if the new one is meant, run agent plugin lock", e.path, sum, e.block.SHA256))
	}
	return c, nil
}
