package cli

import (
	"log/slog"
	"strings"
)

const pluginText = `agent plugin manages external plugins: programs that serve a source or a sink,
and are no part of the agent.

  agent plugin list                  the plugins, and whether they can be used
  agent plugin lock                  write checksums into the configuration
  agent plugin describe PATH|TYPE    a plugin's settings
  agent plugin new sink|source NAME  a plugin to start from, in Go or Python
  agent plugin test PATH             check that a program keeps the contract

agent plugin COMMAND -h shows a command's flags.
`

// pluginCommands are the words after `agent plugin`.
func pluginCommands() []command {
	return []command{
		{"list", "the plugins there are", (*Program).pluginList},
		{"lock", "write checksums into the configuration", (*Program).pluginLock},
		{"describe", "a plugin's settings", (*Program).pluginDescribe},
		{"new", "a plugin to start from", (*Program).pluginNew},
		{"test", "check that a program keeps the contract", (*Program).pluginTest},
		{"source", "serve a built-in to the agent that started this process", (*Program).pluginSource},
		{"sink", "serve a built-in to the agent that started this process", (*Program).pluginSink},
	}
}

func (p *Program) plugin(args []string) int {
	if len(args) == 0 || args[0] == "help" || strings.HasPrefix(args[0], "-") {
		_, _ = p.Stdout.Write([]byte(pluginText))
		return exitOK
	}
	for _, c := range pluginCommands() {
		if c.name == args[0] {
			return c.run(p, args[1:])
		}
	}
	p.failf("unknown command plugin %q; agent plugin -h shows what there is", args[0])
	return exitUsage
}

func (p *Program) pluginSource(args []string) int { return p.serve("source", args) }

func (p *Program) pluginSink(args []string) int { return p.serve("sink", args) }

// serve serves a built-in; the agent starts this by itself for each block.
func (p *Program) serve(kind string, args []string) int {
	if len(args) != 1 {
		p.failf("usage: agent plugin %s TYPE; the agent starts this by itself for each block of agent.hcl", kind)
		return exitUsage
	}
	if err := p.catalog(slog.New(slog.DiscardHandler)).Serve(kind, args[0]); err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	return exitOK
}
