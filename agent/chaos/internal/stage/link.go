package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// A Direction is one of a link's two.
type Direction string

// The directions.
const (
	Upstream   Direction = "upstream"   // from the agent to the server
	Downstream Direction = "downstream" // from the server to the agent
)

// A Link is a toxiproxy between the agent and one server. Its methods may be called
// concurrently, but for Down and Up.
type Link struct {
	Addr string // where the agent connects to

	proxy *toxiproxy.Proxy
	names atomic.Int64
}

func newLink(name, upstream string) (*Link, error) {
	registerWatch()
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxiproxy also logs past the logger that it is given
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)
	if err := p.Start(); err != nil {
		return nil, fmt.Errorf("start proxy for %s: %w", name, err)
	}
	return &Link{Addr: p.Listen, proxy: p}, nil
}

// Toxic adds a toxic of toxiproxy to connections that are open and to new ones, and
// returns what takes it away again.
func (l *Link) Toxic(kind string, d Direction, attributes map[string]any) (remove func(), err error) {
	name := fmt.Sprintf("%s-%d", kind, l.names.Add(1))
	text, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": d, "attributes": attributes})
	if err != nil {
		return nil, err
	}
	if _, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("add toxic %s: %w", kind, err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = l.proxy.Toxics.RemoveToxic(ctx, name) // it may have gone with Clear
	}, nil
}

// Clear takes all toxics away.
func (l *Link) Clear() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	l.proxy.Toxics.ResetToxics(ctx)
}

// Down closes all connections and refuses new ones; Up takes them again.
func (l *Link) Down() { l.proxy.Stop() }

// Up is the end of Down.
func (l *Link) Up() error {
	if err := l.proxy.Start(); err != nil && err != toxiproxy.ErrProxyAlreadyStarted { //nolint:errorlint // toxiproxy returns it bare
		return fmt.Errorf("start proxy %s: %w", l.proxy.Name, err)
	}
	return nil
}

// Redirect lets the link lead to another server, as an address of a service does after a
// failover.
func (l *Link) Redirect(upstream string) error {
	l.Down()
	l.proxy.Upstream = upstream
	return l.Up()
}

// Sever closes all connections; new ones are taken at once.
func (l *Link) Sever() error {
	l.Down()
	return l.Up()
}

// An Action is what a watcher does with the bytes that it has seen.
type Action int

// The actions.
const (
	Pass Action = iota // let them through
	Cut                // drop them and close the connection
)

// A Watcher sees what goes over a link, piece by piece. It may be called concurrently.
type Watcher func(data []byte) Action

// Watch has a watcher look at one direction.
func (l *Link) Watch(d Direction, w Watcher) (remove func(), err error) {
	id := watchers.next.Add(1)
	watchers.byID.Store(id, w)
	take, err := l.Toxic(watchType, d, map[string]any{"watcher": id})
	if err != nil {
		return nil, err
	}
	return func() { take(); watchers.byID.Delete(id) }, nil
}

const watchType = "chaos_watch"

// watchers are those in use, by the number that a toxic carries: toxiproxy makes its
// toxics from JSON.
var watchers struct {
	once sync.Once
	next atomic.Int64
	byID sync.Map
}

func registerWatch() {
	watchers.once.Do(func() { toxics.Register(watchType, new(watchToxic)) })
}

type watchToxic struct {
	Watcher int64 `json:"watcher"`
}

// Pipe is toxiproxy's interface.
func (t *watchToxic) Pipe(stub *toxics.ToxicStub) {
	for {
		var c *stream.StreamChunk
		select {
		case <-stub.Interrupt:
			return
		case c = <-stub.Input:
		}
		if c == nil {
			stub.Close()
			return
		}
		if w, ok := watchers.byID.Load(t.Watcher); ok && w.(Watcher)(c.Data) == Cut {
			stub.Close()
			return
		}
		stub.Output <- c
	}
}

// What PostgreSQL's protocol looks like on the wire ("Message Formats" in its manual): a
// simple query "commit", and the answer that it is durable.
var (
	commitSent     = []byte("Q\x00\x00\x00\x0bcommit\x00")
	commitAnswered = []byte("C\x00\x00\x00\x0bCOMMIT\x00")
)

// SendsCommit reports whether the agent's bytes ask for a COMMIT.
func SendsCommit(data []byte) bool { return bytes.Contains(data, commitSent) }

// AnswersCommit reports whether the server's bytes say that a COMMIT is durable.
func AnswersCommit(data []byte) bool { return bytes.Contains(data, commitAnswered) }
