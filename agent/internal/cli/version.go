package cli

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
)

const versionText = `
agent version prints the version, the commit and the Go release that the agent
was built from, and the modules in it, each with its version. go version -m
agent tells the same, and make sbom writes it as a CycloneDX document.
`

// build is what a binary was built from, as agent version -json prints it.
type build struct {
	Version  string   `json:"version"`
	Commit   string   `json:"commit"`   // "unknown" if it was not built from a checkout
	Modified bool     `json:"modified"` // the checkout had changes that were not committed
	Time     string   `json:"time,omitempty"`
	Go       string   `json:"go"`
	Platform string   `json:"platform"`
	Modules  []module `json:"modules"`
}

// module is one of Go's modules in the binary.
type module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum,omitempty"` // as in go.sum
}

func buildOf(info *debug.BuildInfo) build {
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b := build{
		Version: info.Main.Version, Commit: settings["vcs.revision"], Modified: settings["vcs.modified"] == "true", Time: settings["vcs.time"],
		Go: info.GoVersion, Platform: settings["GOOS"] + "/" + settings["GOARCH"], Modules: []module{},
	}
	if b.Commit == "" {
		b.Commit = "unknown"
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Modules = append(b.Modules, module{m.Path, m.Version, m.Sum})
	}
	return b
}

// version prints what the binary was built from.
func (p *Program) version(args []string) int {
	f := p.flags("version", versionText)
	asJSON := f.Bool("json", false, "print it as JSON")
	if code, ok := p.parse(f, args); !ok {
		return code
	}
	if f.NArg() > 0 {
		p.failf("unexpected argument %q; agent version -h shows the flags", f.Arg(0))
		return exitUsage
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		p.failf("this binary holds no build information")
		return exitFailed
	}
	b := buildOf(info)
	if *asJSON {
		out, err := json.MarshalIndent(b, "", "  ")
		if err != nil {
			p.failf("print the version: %v", err)
			return exitFailed
		}
		fmt.Fprintf(p.Stdout, "%s\n", out)
		return exitOK
	}
	modified := ""
	if b.Modified {
		modified = " with changes"
	}
	fmt.Fprintf(p.Stdout, "agent %s, commit %s%s, %s\n", b.Version, b.Commit, modified, b.Go)
	for _, m := range b.Modules {
		fmt.Fprintf(p.Stdout, "  %s %s\n", m.Path, m.Version)
	}
	return exitOK
}
