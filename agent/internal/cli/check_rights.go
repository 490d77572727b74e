package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// printRights prints what the enabled blocks have to be granted.
func (p *Program) printRights(cfg *config.Config, iam, grants bool) int {
	rights, err := p.rights(cfg)
	if err != nil {
		p.failf("%v", err)
		return exitUsage
	}
	if iam {
		p.printPolicy(rights)
	}
	if grants {
		p.printGrants(rights)
	}
	return exitOK
}

// rights gathers those of all enabled blocks, each once.
func (p *Program) rights(cfg *config.Config) ([]sdk.Right, error) {
	cat := p.catalog(slog.New(slog.DiscardHandler))
	cat.Configure(cfg.Agent, cfg.Plugins)
	var all []sdk.Right
	ask := func(kind, typ string, settings json.RawMessage, pos config.Pos) error {
		if settings == nil {
			return fmt.Errorf("%s:%d: a variable or credential of this %s is not set, so its rights are not known; agent validate shows which", pos.File, pos.Line, kind)
		}
		rights, err := cat.Rights(kind, typ, settings)
		for _, r := range rights {
			if !slices.ContainsFunc(all, func(a sdk.Right) bool { return a.System == r.System && a.Statement == r.Statement }) {
				all = append(all, r)
			}
		}
		return err
	}
	for _, pl := range cfg.Pipelines {
		if !pl.Enabled {
			continue
		}
		for _, s := range pl.Sources {
			if s.Enabled {
				if err := ask("source", s.Type, s.Settings, s.Pos); err != nil {
					return nil, err
				}
			}
		}
		for _, s := range pl.Sinks {
			if s.Enabled {
				if err := ask("sink", s.Type, s.Settings, s.Pos); err != nil {
					return nil, err
				}
			}
		}
	}
	return all, nil
}

// printPolicy prints one policy document. JSON has no comments, so they become the
// statements' Sids, which may hold letters and digits only (IAM user guide, "Sid").
func (p *Program) printPolicy(rights []sdk.Right) {
	statements := []json.RawMessage{}
	for _, r := range rights {
		if r.System != "iam" {
			continue
		}
		var statement map[string]json.RawMessage
		if err := json.Unmarshal([]byte(r.Statement), &statement); err != nil {
			p.failf("a plugin told of a statement that is not JSON, it is left out: %v", err)
			continue
		}
		if sid := sid(r.Comment, len(statements)); statement["Sid"] == nil {
			statement["Sid"], _ = json.Marshal(sid)
		}
		text, err := json.Marshal(statement)
		if err == nil {
			statements = append(statements, text)
		}
	}
	encoder := json.NewEncoder(p.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(struct {
		Version   string
		Statement []json.RawMessage
	}{"2012-10-17", statements})
}

// sid makes a comment's first clause a name, unlike those before by its number.
func sid(comment string, n int) string {
	clause, _, _ := strings.Cut(comment, ";")
	var b strings.Builder
	for word := range strings.FieldsSeq(clause) {
		kept := strings.Map(func(r rune) rune {
			if r < 128 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
				return r
			}
			return -1
		}, word)
		if kept != "" {
			b.WriteString(strings.ToUpper(kept[:1]) + kept[1:])
		}
	}
	if n > 0 {
		fmt.Fprint(&b, n+1)
	}
	return b.String()
}

func (p *Program) printGrants(rights []sdk.Right) {
	fmt.Fprintln(p.Stdout, "-- What agent migrate grants the sinks' users, and all that they need.")
	for _, r := range rights {
		if r.System != "postgresql" {
			continue
		}
		line := r.Statement + ";"
		if r.Comment != "" {
			line += " -- " + printable(r.Comment)
		}
		fmt.Fprintln(p.Stdout, line)
	}
}
