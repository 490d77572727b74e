package plugin

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"

	"github.com/s-developer-team-inu/inu-logsmith/sdk/internal/sealed"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/internal/wire"
)

// lifelineGrace is how long a plugin may go on after the agent has vanished.
const lifelineGrace = 5 * time.Second

// Serve serves d to the agent that started this process, and never returns. Run by
// hand it says what the program is and exits.
//
// The process logs with log/slog: each line arrives in the agent's log under the
// plugin's name. What it prints to standard output arrives there too.
func (d Definition) Serve() {
	if os.Getenv(wire.Handshake.MagicCookieKey) != wire.Handshake.MagicCookieValue {
		fmt.Printf("%s %s is a %s plugin of INU-Logsmith. The agent starts it for each block\n\n\t%s %q { ... }\n\nof its agent.hcl.\n",
			d.description.Type, d.description.Version, d.description.Kind, d.description.Kind, d.description.Type)
		os.Exit(0)
	}
	if err := keepStdoutClean(); err != nil {
		fmt.Fprintln(os.Stderr, "prepare standard output:", err)
		os.Exit(1)
	}
	sealErr := sealed.Process()
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if sealErr != nil {
		slog.Warn("the plugin's memory is open to other processes of its user", "err", sealErr)
	}
	ignoreSignals()
	followLifeline()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: wire.Handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{
			wire.ProtocolVersion: {wire.PluginName: &wire.Plugin{Definition: served{d}}},
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard}),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, wire.ServerOptions()...)...)
		},
	})
	os.Exit(0)
}

// keepStdoutClean leaves the handshake's channel to go-plugin alone: everything
// else that writes to descriptor 1, in Go, C or a child process, writes to the log.
func keepStdoutClean() error {
	fd, err := unix.FcntlInt(uintptr(syscall.Stdout), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	os.Stdout = os.NewFile(uintptr(fd), "handshake")
	return unix.Dup3(syscall.Stderr, syscall.Stdout, 0)
}

// ignoreSignals leaves the end to the agent. systemd and a terminal send their
// signals to the whole group, which would cut off writes that are about to finish.
func ignoreSignals() {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
}

// followLifeline ends the process soon after the agent, however the agent ended: the
// kernel closes its end of the pipe.
func followLifeline() {
	fd, err := strconv.Atoi(os.Getenv(wire.LifelineVariable))
	if err != nil {
		return
	}
	unix.CloseOnExec(fd)
	pipe := os.NewFile(uintptr(fd), "lifeline")
	go func() {
		_, _ = io.Copy(io.Discard, pipe)
		time.AfterFunc(lifelineGrace, func() { os.Exit(1) })
	}()
}
