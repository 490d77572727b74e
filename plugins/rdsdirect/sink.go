// Package rdsdirect is the sink "rds_direct": each event becomes one row in
// PostgreSQL, whatever crashes.
//
// The rows of a batch, its quarantined records and the ledger entries of the splits
// it completes are one transaction. A repeat is recognised by the row's id, which is
// made of the event (see rowID), so that the agent may write anything again, any
// number of times and from several hosts.
//
// The schema is that of package sql. The role that the sink connects as needs only
// what agent migrate grants it: INSERT, SELECT on events.id and the use of five
// functions.
package rdsdirect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

// Sink writes to one database for one group. Its methods may be called concurrently.
type Sink struct {
	settings Settings
	group    uuid.UUID
	pool     *pgxpool.Pool
	login    login
	known    knownSchema
	writers  *writers
	history  history
}

var (
	_ sdk.Sink     = (*Sink)(nil)
	_ sdk.Ledger   = (*Sink)(nil)
	_ sdk.Parallel = (*Sink)(nil)
)

// Open makes a [*Sink]. It connects to nothing: a server that is down shows in the
// errors of Done and Write, which the agent retries.
func Open(ctx context.Context, s Settings) (sdk.Sink, error) {
	group, err := s.group()
	if err != nil {
		return nil, fmt.Errorf("group_id: %w", err)
	}
	config, err := poolConfig(s)
	if err != nil {
		// Such as a file of sslrootcert that is not there.
		return nil, sdk.Denied(err)
	}
	login := newLogin(s)
	config.BeforeConnect = func(ctx context.Context, conn *pgx.ConnConfig) (err error) {
		conn.Password, err = login.password(ctx)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("make connection pool: %w", err)
	}
	return &Sink{settings: s, group: group, pool: pool, login: login, writers: newWriters(s.Writers)}, nil
}

// Write stores the batch in one transaction. If the outcome of the COMMIT is unknown,
// because the connection died in it, that is an error like any other: the agent
// writes the batch again, and rows that were committed count as duplicates.
//
// The result rejects events whose record is not a JSON object; they are in the
// quarantine. An error is [sdk.Invalid] if the server refused the data of an event.
func (s *Sink) Write(ctx context.Context, b sdk.Batch) (result sdk.Result, err error) {
	w, err := newWrite(s.group, b)
	if err != nil {
		return sdk.Result{}, err
	}
	turn, err := s.writers.acquire(ctx)
	if err != nil {
		return sdk.Result{}, err
	}
	defer turn.end(0)
	if err := s.prepareSchema(ctx, w.first); err != nil {
		return sdk.Result{}, err
	}
	store := func(allNew bool) error {
		return s.inTx(ctx, func(tx pgx.Tx) error {
			err := s.store(ctx, tx, w, allNew)
			if err == nil {
				turn.end(len(b.Events)) // COMMIT waits for the disk, and needs no processor
			}
			return err
		})
	}
	err = store(s.history.expectsNew())
	if errors.Is(err, errPresent) {
		s.history.wasWrong()
		err = store(false)
	}
	if err != nil {
		return sdk.Result{}, err
	}
	s.history.saw(w.first)
	w.close()
	w.result.Variants = int(w.variants)
	return w.result, nil
}

// Done answers from the table ledger. Entries of other groups do not count: two
// groups each store a split's events.
func (s *Sink) Done(ctx context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	if err := s.prepareSchema(ctx, nil); err != nil {
		return nil, err
	}
	var states []sdk.SplitState
	err := s.inTx(ctx, func(tx pgx.Tx) (err error) {
		states, err = s.askLedger(ctx, tx, q)
		return err
	})
	return states, err
}

// Parallel is how many batches the sink takes at once.
func (s *Sink) Parallel() int { return s.writers.atOnce() }

// Close waits for calls under way and closes the connections.
func (s *Sink) Close() error {
	s.pool.Close()
	return nil
}

// begin starts a transaction with limits on what it may wait for, as settings of the
// transaction: start-up parameters and session settings do not survive a pooler.
// synchronous_commit may be stronger than "on", but with "off" a COMMIT that was
// acknowledged can be lost.
const begin = `begin;
set local statement_timeout = '60s';
set local lock_timeout = '10s';
set local idle_in_transaction_session_timeout = '30s';
select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off'`

// txTimeout ends a transaction whose server has stopped answering altogether. It is
// longer than the server's own limits need to end it in an orderly way.
const txTimeout = 5 * time.Minute

// inTx runs f in a transaction of its own. Its errors have their class, and say what
// to do where somebody has to act.
func (s *Sink) inTx(ctx context.Context, f func(pgx.Tx) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, txTimeout, errors.New("the server does not answer"))
	defer cancel()
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, f)
	if err == nil || errors.Is(err, errPresent) {
		return err
	}
	s.known.forget()
	if mustReconnect(err) {
		s.pool.Reset()
	}
	if isLoginRefused(err) {
		s.login.refused()
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return s.explain(err)
}
