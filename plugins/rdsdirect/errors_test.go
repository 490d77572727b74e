package rdsdirect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func TestErrorClasses(t *testing.T) {
	const retry, denied, invalid = "retry", "denied", "invalid"
	server := func(code string) error { return &pgconn.PgError{Severity: "ERROR", Code: code, Message: "m"} }
	tests := []struct {
		name      string
		err       error
		statement string // the class where a statement stores events
		other     string // the class anywhere else
	}{
		{name: "connection", err: server("08006"), statement: retry, other: retry},
		{name: "protocol violation", err: server("08P01"), statement: retry, other: retry},
		{name: "numeric value out of range", err: server("22003"), statement: invalid, other: retry},
		{name: "untranslatable character", err: server("22P05"), statement: invalid, other: retry},
		{name: "not null", err: server("23502"), statement: denied, other: denied},
		{name: "check", err: &pgconn.PgError{Code: "23514", ConstraintName: "poison"}, statement: invalid, other: retry},
		{name: "no partition", err: server("23514"), statement: denied, other: denied},
		{name: "unique", err: server("23505"), statement: retry, other: retry},
		{name: "foreign key", err: server("23503"), statement: invalid, other: retry},
		{name: "unknown group", err: &pgconn.PgError{Code: "23503", ConstraintName: "events_group_id_fkey"}, statement: denied, other: denied},
		{name: "invalid transaction state", err: server("25P02"), statement: retry, other: retry},
		{name: "read only", err: server("25006"), statement: retry, other: retry},
		{name: "wrong password", err: server("28P01"), statement: denied, other: denied},
		{name: "no entry in pg_hba.conf", err: server("28000"), statement: denied, other: denied},
		{name: "no database", err: server("3D000"), statement: denied, other: denied},
		{name: "no schema", err: server("3F000"), statement: denied, other: denied},
		{name: "deadlock", err: server("40P01"), statement: retry, other: retry},
		{name: "serialization", err: server("40001"), statement: retry, other: retry},
		{name: "no privilege", err: server("42501"), statement: denied, other: denied},
		{name: "no table", err: server("42P01"), statement: denied, other: denied},
		{name: "no function", err: server("42883"), statement: denied, other: denied},
		{name: "no column", err: server("42703"), statement: denied, other: denied},
		{name: "disk full", err: server("53100"), statement: retry, other: retry},
		{name: "too many connections", err: server("53300"), statement: retry, other: retry},
		{name: "too complex", err: server("54001"), statement: invalid, other: retry},
		{name: "lock not available", err: server("55P03"), statement: retry, other: retry},
		{name: "cancelled", err: server("57014"), statement: retry, other: retry},
		{name: "shut down", err: server("57P01"), statement: retry, other: retry},
		{name: "disk error", err: server("58030"), statement: retry, other: retry},
		{name: "internal error", err: server("XX000"), statement: retry, other: retry},
		{name: "raised by a function", err: server("P0001"), statement: retry, other: retry},
		{name: "connection closed", err: io.ErrUnexpectedEOF, statement: retry, other: retry},
		{name: "given up", err: context.Canceled, statement: retry, other: retry},
	}
	sink := openSink(t, unreachable())
	classOf := func(err error) string {
		switch {
		case sdk.IsInvalid(err):
			return invalid
		case sdk.IsDenied(err):
			return denied
		}
		return retry
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := sink.explain(dataError("insert into events", tc.err))
			if classOf(got) != tc.statement || !errors.Is(got, tc.err) {
				t.Errorf("storing events: %s (%v), want %s", classOf(got), got, tc.statement)
			}
			if got = sink.explain(fmt.Errorf("ask the ledger: %w", tc.err)); classOf(got) != tc.other || !errors.Is(got, tc.err) {
				t.Errorf("elsewhere: %s (%v), want %s", classOf(got), got, tc.other)
			}
			if classOf(got) == denied && strings.Contains(got.Error(), "canary-password") {
				t.Errorf("error %q has the password", got)
			}
		})
	}
}

func TestAServerThatTakesNoWritesIsLeft(t *testing.T) {
	for code, want := range map[string]bool{"25006": true, "57P01": true, "57P02": true, "57P03": true, "57014": false, "40P01": false, "23505": false} {
		if got := mustReconnect(fmt.Errorf("x: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("mustReconnect(%s) = %v, want %v", code, got, want)
		}
	}
	if mustReconnect(io.EOF) {
		t.Error("mustReconnect(EOF) = true: the pool drops that connection alone")
	}
}
