package rdsdirect

import (
	"context"
	"errors"
	"net"
)

// errNoTLS is the server's answer that it does not speak TLS.
var errNoTLS = errors.New(`the server does not offer TLS (turn it on there, or write sslmode = "disable" if the way to it is safe)`)

// dialFunc is [net.Dialer.DialContext].
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// noticePlaintext lets the refusal of TLS be told from other errors: pgx has none of
// its own for it. It is only for connections that ask for TLS.
func noticePlaintext(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &firstAnswer{Conn: conn}, nil
	}
}

// firstAnswer looks at the first byte that the server sends: to a request for TLS it
// answers 'S' or 'N' (PostgreSQL documentation, "Message Flow", SSL Session Encryption).
type firstAnswer struct {
	net.Conn
	seen bool
}

func (c *firstAnswer) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if !c.seen && n > 0 {
		c.seen = true
		if b[0] == 'N' {
			return 0, errNoTLS
		}
	}
	return n, err
}
