package config

import (
	"fmt"
	"net"
	"strconv"
)

// httpSettings is the http block.
type httpSettings struct {
	Listen string `agent:"listen" desc:"Address and port of the status page and the metrics." default:"127.0.0.1:9611"`
}

// http checks the http block and returns the address to listen on; nil stands for no block.
func (d *decoder) http(s *section, own *httpSettings) string {
	if own == nil {
		return ""
	}
	at, _ := s.locate("http.listen")
	host, port, err := net.SplitHostPort(own.Listen)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
		d.fault(at, "Not an address", fmt.Sprintf(
			`"listen" must be an address and a port, such as "127.0.0.1:9611" or "[::1]:9611", not %q.`, own.Listen))
		return ""
	}
	if !IsLoopback(host) {
		d.warn(at, "Page and metrics are open to the network", fmt.Sprintf(
			"Whoever reaches %s can read account IDs, Regions, names and errors, without a password and unencrypted. "+
				"Listen on 127.0.0.1 and use an SSH tunnel or a proxy, or let a security group admit only the monitoring.", own.Listen))
	}
	return own.Listen
}

// IsLoopback reports whether a host, as in "host:port", can only be reached from this one.
func IsLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
