package config

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// DefaultStateDir is state_dir where none is written.
const DefaultStateDir = "/var/lib/inu-detector"

// agentSettings is the agent block.
type agentSettings struct {
	StateDir    string        `agent:"state_dir" desc:"Folder for what the agent keeps between runs: its ledger for sinks that keep none." default:"/var/lib/inu-detector"`
	PluginDir   string        `agent:"plugin_dir" desc:"Folder of external plugins; it need not be there." default:"/usr/lib/inu-detector/plugins"`
	MemoryLimit int64         `agent:"memory_limit" desc:"Bytes of events waiting between sources and sinks, for all pipelines together. Those that run share it equally." default:"32MiB" format:"size" min:"4MiB"`
	Log         logSettings   `agent:"log,block" desc:"What is logged, and how." optional:"true"`
	HTTP        *httpSettings `agent:"http,block" desc:"Status page and metrics; without it nothing listens." optional:"true"`
}

type logSettings struct {
	Level  string `agent:"level" desc:"Least severity that is logged: debug, info, warn or error, in any case; Python's WARNING and CRITICAL too." default:"info"`
	Format string `agent:"format" desc:"Form of a log line." default:"text" enum:"text,json"`
}

// agent decodes the agent block; nil stands for an empty one.
func (d *decoder) agent(block *hcl.Block) Agent {
	var own agentSettings
	s := newSection(hcl.Range{Filename: d.name}, false)
	if block != nil {
		s = d.section(block.Body, block.DefRange, describe(own), false)
	}
	s.own(&own)
	level, ok := parseLevel(own.Log.Level)
	if !ok {
		at, _ := s.locate("log.level")
		d.fault(at, "Value not allowed", `"level" must be one of "debug", "info", "warn", "error".`)
	}
	return Agent{
		StateDir:    own.StateDir,
		PluginDir:   own.PluginDir,
		MemoryLimit: own.MemoryLimit,
		LogLevel:    level,
		LogFormat:   own.Log.Format,
		HTTPListen:  d.http(s, own.HTTP),
	}
}

// parseLevel reads a level in any case, and under the names that Python gives the same
// levels, which files of INU-Detector hold.
func parseLevel(s string) (slog.Level, bool) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, true
	case "info", "":
		return slog.LevelInfo, true
	case "warn", "warning":
		return slog.LevelWarn, true
	case "error", "critical":
		return slog.LevelError, true
	}
	return 0, false
}

// pluginSettings is a plugin block. Env is sensitive because that is where an external
// plugin gets its credentials.
type pluginSettings struct {
	Path          string            `agent:"path" desc:"The program. Without it, it is looked for in plugin_dir." optional:"true"`
	SHA256        string            `agent:"sha256" desc:"Checksum of the program, in hexadecimal." optional:"true" pattern:"^[0-9a-fA-F]{64}$"`
	Args          []string          `agent:"args" desc:"Arguments of the program." optional:"true"`
	Env           map[string]string `agent:"env" desc:"Its environment; nothing of the agent's is passed on." optional:"true" sensitive:"true"`
	Memory        int64             `agent:"memory" desc:"Bytes of memory it may use." optional:"true" format:"size" min:"16MiB"`
	AllowUnpinned bool              `agent:"allow_unpinned" desc:"Start it without a checksum." optional:"true"`
}

// plugins decodes the plugin blocks. One with faults is returned as far as it could be
// read, so that its type is known.
func (d *decoder) plugins(blocks hcl.Blocks) []Plugin {
	d.unique("plugin", blocks)
	var plugins []Plugin
	for _, b := range blocks {
		d.checkName("plugin type", b.Labels[0], b.LabelRanges[0], typeName())
		var own pluginSettings
		s := d.section(b.Body, b.DefRange, describe(own), false)
		s.own(&own)
		if own.SHA256 == "" && !own.AllowUnpinned && !s.isUncertain("sha256") && !s.isUncertain("allow_unpinned") && !d.unpinned {
			d.fault(b.DefRange, "Plugin without a checksum", fmt.Sprintf(
				"Run agent plugin lock, which writes the sha256 of the program of %q here, or write allow_unpinned = true to start whatever is there.",
				b.Labels[0]))
		}
		plugins = append(plugins, Plugin{
			Type:          b.Labels[0],
			Path:          own.Path,
			SHA256:        strings.ToLower(own.SHA256),
			Args:          own.Args,
			Env:           own.Env,
			Memory:        own.Memory,
			AllowUnpinned: own.AllowUnpinned,
			Pos:           posOf(b.DefRange),
		})
	}
	return plugins
}
