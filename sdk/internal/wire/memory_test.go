package wire_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/internal/wire"
)

// grabbing is a sink that looks at batches after Write has returned, as a connection may
// on which a write failed.
type grabbing struct {
	discarding
	raw  [][]byte
	fail bool
}

func (g *grabbing) Open(context.Context, []byte) (any, error) { return g, nil }

func (g *grabbing) Write(_ context.Context, b sdk.Batch) (sdk.Result, error) {
	g.raw = append(g.raw, b.Events[0].Raw)
	if g.fail {
		return sdk.Result{}, errors.New("the connection is gone")
	}
	return sdk.Result{}, nil
}

func TestTheMemoryOfAFailedWriteIsNotUsedAgain(t *testing.T) {
	sink := new(grabbing)
	write := serve(t, sink)
	sink.fail = true
	if err := write("a"); err == nil {
		t.Fatal("the write that had to fail did not")
	}
	sink.fail = false
	for range 20 {
		if err := write("b"); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(sink.raw[0]); got != strings.Repeat("a", 1000) {
		t.Errorf("the failed write's record reads %.20s...", got)
	}
}

// serve returns a function that writes one event to sink over a socket.
func serve(t *testing.T, sink wire.Definition) func(record string) error {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(wire.ServerOptions()...)
	wire.Register(s, sink)
	go func() { _ = s.Serve(l) }() // until Stop
	t.Cleanup(s.Stop)
	conn, err := grpc.NewClient("unix:"+socket, append(wire.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := wire.NewControl(conn).Open(t.Context(), []byte("{}"), nil); err != nil {
		t.Fatal(err)
	}
	client := wire.NewSink(conn)
	return func(record string) error {
		_, err := client.Write(t.Context(), sdk.Batch{
			Pipeline: "p", Events: []sdk.Event{{ID: "1", Raw: []byte(strings.Repeat(record, 1000))}}, Spans: []sdk.Span{{Source: "s3", Split: "x", Len: 1}},
		})
		return err
	}
}
