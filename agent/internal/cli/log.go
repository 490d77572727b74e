package cli

import (
	"io"
	"log/slog"
	"os"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/logging"
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/plain"
)

// warnings is the log of a command: what it has to say goes to standard output.
func (p *Program) warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(plain.TextWriter(p.Stderr), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// newLog makes the agent's log, as the agent block says; level may be changed later.
func newLog(w io.Writer, a config.Agent, level *slog.LevelVar) *slog.Logger {
	level.Set(a.LogLevel)
	form := logging.FormOf(w, os.Getenv)
	colour := form == logging.Terminal && os.Getenv("NO_COLOR") == ""
	return logging.New(w, form, a.LogFormat == "json", level, colour)
}
