package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// months is how many monthly partitions the growth is measured over.
const months = 5

// growth measures whether an event costs more the more are stored: it loads a month of
// events after the other into one database.
func (b *bench) growth(ctx context.Context) error {
	return b.inFresh(ctx, func(db *pgtest.Database) error {
		for month := range months {
			objects, err := startBucket(ctx, b.events, 200, "", month)
			if err != nil {
				return err
			}
			config, err := b.config([]string{objects.source(), b.sink(db)})
			if err != nil {
				return err
			}
			if err := b.oneRun(ctx, db, config, fmt.Sprintf("growth/%d-before", month*b.events), objects.Records, (month+1)*b.events); err != nil {
				return err
			}
			if err := objects.close(); err != nil {
				return err
			}
		}
		return nil
	})
}

// pipelines measures one pipeline over all streams of the bucket against four with one each.
func (b *bench) pipelines(ctx context.Context) error {
	t := trail(b.events, 200, 0)
	for _, n := range []int{1, len(t.Accounts) * len(t.Regions)} {
		err := b.inFresh(ctx, func(db *pgtest.Database) error {
			var all [][]string
			for _, account := range t.Accounts {
				for _, region := range t.Regions {
					prefix := fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/", account, region)
					all = append(all, []string{b.objects.source(fmt.Sprintf("prefix = %q", prefix)), b.sink(db)})
				}
			}
			if n == 1 {
				all = [][]string{{b.objects.source(), b.sink(db)}}
			}
			config, err := b.config(all...)
			if err != nil {
				return err
			}
			return b.oneRun(ctx, db, config, fmt.Sprintf("pipelines/%d", n), b.events, b.events)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// latency measures the agent with a database that is some way off: each way takes half of
// the time.
func (b *bench) latency(ctx context.Context) error {
	for _, away := range []time.Duration{0, 2 * time.Millisecond, 20 * time.Millisecond} {
		p, err := startDelay(ctx, b.pg.Host, b.pg.Port, away/2)
		if err != nil {
			return err
		}
		err = b.inFresh(ctx, func(db *pgtest.Database) error {
			sink := strings.Replace(b.sink(db), fmt.Sprintf("port     = %d", b.pg.Port), fmt.Sprintf("port     = %d", p.port()), 1)
			config, err := b.config([]string{b.objects.source(), sink})
			if err != nil {
				return err
			}
			return b.oneRun(ctx, db, config, fmt.Sprintf("latency/%s", away), b.events, b.events)
		})
		p.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// oneRun measures the agent over n events, after which the tables have total rows.
func (b *bench) oneRun(ctx context.Context, db *pgtest.Database, config, name string, n, total int) error {
	var c carried
	u, err := b.pg.measure(func() (err error) {
		c, err = b.carry(ctx, b.agent, config, db.Writer.Password)
		return err
	})
	if err != nil {
		return err
	}
	b.report.add(name, n, c.wall, append(c.metrics(n), metric{"pg-cpu-s/M", perMillion(u.cpu, n)})...)
	if err := b.sameRows(ctx, db, total); err != nil {
		return err
	}
	// Nothing of this run is to fall into the next one's time.
	return b.pg.superuser(ctx, db.Name, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "checkpoint")
		return err
	})
}

// A delay passes connections on, and holds every byte back for some time. That is all a
// database elsewhere does here; the harness of attacks has toxiproxy, which the module of the
// agent is not to depend on.
type delay struct {
	listener net.Listener
	running  sync.WaitGroup
}

func startDelay(ctx context.Context, host string, port int, by time.Duration) (*delay, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", "0"))
	if err != nil {
		return nil, err
	}
	d := &delay{listener: l}
	d.running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, fmt.Sprint(port)))
			if err != nil {
				_ = in.Close()
				continue
			}
			d.running.Go(func() { pass(out, in, by) })
			d.running.Go(func() { pass(in, out, by) })
		}
	})
	return d, nil
}

func (d *delay) port() int { return d.listener.Addr().(*net.TCPAddr).Port }

// close ends the proxy when its connections have ended.
func (d *delay) close() {
	_ = d.listener.Close()
	d.running.Wait()
}

// pass copies until one side ends, and closes both.
func pass(to, from net.Conn, after time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 1024)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 64<<10)
			n, err := from.Read(b)
			if n > 0 {
				pieces <- piece{time.Now().Add(after), b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		<-time.After(time.Until(p.due))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	_, _ = to.Close(), from.Close()
	for range pieces { // so that the reader does not wait for room
	}
}
