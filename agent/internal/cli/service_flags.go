package cli

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/control"
)

// serviceFlags are the flags of every command that asks the running service.
type serviceFlags struct {
	config, socket string
	faults         string // of the configuration, where they hide its state_dir
}

func (s *serviceFlags) define(f *flag.FlagSet) {
	f.StringVar(&s.config, "config", "", "only the service with this configuration `file`")
	f.StringVar(&s.socket, "socket", "", "the `socket` of the service, if it lies neither in its state_dir nor in /run/inu-detector")
}

// client finds the service. Its state folder is read from the configuration as far as that
// can be read: a file with faults must not hide the service that still runs with the one
// before.
func (s *serviceFlags) client(given bool) (control.Client, error) {
	c := control.Client{Socket: s.socket, StateDir: config.DefaultStateDir}
	file := defaultConfig()
	if given {
		file = s.config
		abs, err := filepath.Abs(file)
		if err != nil {
			return c, fmt.Errorf("-config: %w", err)
		}
		c.Config = abs
	}
	if src, err := os.ReadFile(file); err == nil {
		p, diags := config.ReadPrograms(file, src, config.Options{})
		if diags.HasErrors() {
			var text strings.Builder
			diags.Print(&text, false)
			s.faults = text.String()
		} else if p.Agent.StateDir != "" {
			c.StateDir = p.Agent.StateDir
		}
	} else if given && c.Socket == "" && os.IsNotExist(err) {
		return c, fmt.Errorf("there is no file %s", file)
	}
	return c, nil
}
