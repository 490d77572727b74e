package rdsdirect

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Values in the binary form of PostgreSQL, as parameters and COPY take them.

// nullElement is the length of a value that is NULL.
const nullElement = 0xffffffff

func appendLength(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) }

func appendBool(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

// postgresEpoch is what PostgreSQL counts the microseconds of a timestamp from.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()-postgresEpoch))
}

// appendAddress appends an inet, and nothing for the zero address: see network_recv() in
// PostgreSQL's src/backend/utils/adt/network.c.
func appendAddress(b []byte, address netip.Addr) []byte {
	if !address.IsValid() {
		return b
	}
	family := byte(2) // PGSQL_AF_INET of src/include/utils/inet.h
	if address.Is6() {
		family = 3 // PGSQL_AF_INET6
	}
	bytes := address.AsSlice()
	b = append(b, family, byte(address.BitLen()), 0, byte(len(bytes)))
	return append(b, bytes...)
}
