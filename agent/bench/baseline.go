package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/s-developer-team-inu/inu-logsmith/sql/pgtest"
)

// copyRows copies the prepared rows on one connection, or on two that have half of the
// events each.
func (p *prepared) copyRows(ctx context.Context, dsn string, connections int) error {
	halves := make([][][2]string, connections)
	for half, files := range p.files {
		halves[half%connections] = append(halves[half%connections], files)
	}
	failed := make(chan error, connections)
	for _, h := range halves {
		go func() { failed <- p.copyHalves(ctx, dsn, h) }()
	}
	var errs []error
	for range halves {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

// copyHalves is one transaction: a COPY for each table.
func (p *prepared) copyHalves(ctx context.Context, dsn string, halves [][2]string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for r, rel := range p.relations {
			var files []string
			for _, h := range halves {
				files = append(files, h[r])
			}
			rows, err := joinBinary(files)
			if err != nil {
				return err
			}
			statement := fmt.Sprintf(`copy %s (%s) from stdin (format binary)`, rel.name, strings.Join(rel.columns, ", "))
			_, err = tx.Conn().PgConn().CopyFrom(ctx, rows, statement)
			if err := errors.Join(err, rows.Close()); err != nil {
				return fmt.Errorf("copy into %s: %w", rel.name, err)
			}
		}
		return nil
	})
}

// The header of COPY's binary form is 19 bytes where there are no flags and no
// extension, its end is a field count of -1.
const (
	binaryHeader  = 19
	binaryTrailer = 2
)

// joinBinary is several files in COPY's binary form as one.
func joinBinary(files []string) (io.ReadCloser, error) {
	var all joined
	for i, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all.files = append(all.files, f)
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		from, to := int64(binaryHeader), info.Size()-binaryTrailer
		if i == 0 {
			from = 0
		}
		if i == len(files)-1 {
			to = info.Size()
		}
		all.readers = append(all.readers, io.NewSectionReader(f, from, to-from))
	}
	all.Reader = io.MultiReader(all.readers...)
	return &all, nil
}

type joined struct {
	io.Reader
	readers []io.Reader
	files   []*os.File
}

func (j *joined) Close() error {
	var errs []error
	for _, f := range j.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// insertRows stores the sample row by row, each row of each table with a commit of its
// own, as the predecessor did.
func (p *prepared) insertRows(ctx context.Context, conn *pgx.Conn) error {
	var statements [2]string
	for r, rel := range p.relations {
		var places []string
		for i := range rel.columns {
			places = append(places, fmt.Sprintf("$%d", i+1))
		}
		statements[r] = fmt.Sprintf(`insert into %s (%s) values (%s) on conflict do nothing`,
			rel.name, strings.Join(rel.columns, ", "), strings.Join(places, ", "))
	}
	for i := range p.sample[0] {
		for r, statement := range statements {
			if _, err := conn.Exec(ctx, statement, p.sample[r][i]...); err != nil {
				return fmt.Errorf("insert into %s: %w", p.relations[r].name, err)
			}
		}
	}
	return nil
}

// baselines measures one round of everything but the agent.
func (b *bench) baselines(ctx context.Context) error {
	if b.runs("copy") {
		for _, connections := range []int{1, 2} {
			if err := b.copy(ctx, connections); err != nil {
				return err
			}
		}
	}
	if b.runs("insert") {
		if err := b.insert(ctx); err != nil {
			return err
		}
	}
	if b.runs("zcat") {
		return b.zcat(ctx)
	}
	return nil
}

func (b *bench) copy(ctx context.Context, connections int) error {
	n := b.objects.Records
	return b.inFresh(ctx, func(db *pgtest.Database) error {
		u, err := b.pg.measure(func() error { return b.rows.copyRows(ctx, db.DSN(db.Owner), connections) })
		if err != nil {
			return err
		}
		b.report.add(fmt.Sprintf("copy-%d", connections), n, u.wall, metric{"pg-cpu-s/M", perMillion(u.cpu, n)})
		return b.sameRows(ctx, db, n)
	})
}

func (b *bench) insert(ctx context.Context) error {
	return b.inFresh(ctx, func(db *pgtest.Database) error {
		conn, err := pgx.Connect(ctx, db.DSN(db.Owner))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		n := len(b.rows.sample[0])
		u, err := b.pg.measure(func() error { return b.rows.insertRows(ctx, conn) })
		if err != nil {
			return err
		}
		b.report.add("insert", n, u.wall, metric{"pg-cpu-s/M", perMillion(u.cpu, n)})
		return b.sameRows(ctx, db, n)
	})
}

// zcat is gunzip of the objects as files, and nothing else.
func (b *bench) zcat(ctx context.Context) error {
	names, err := filepath.Glob(filepath.Join(b.dir, "objects", "*"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "xargs", "zcat")
	cmd.Stdin = strings.NewReader(strings.Join(names, "\n"))
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("zcat: %w", err)
	}
	wall := time.Since(start)
	var spent time.Duration
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		spent = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	b.report.add("zcat", b.objects.Records, wall, metric{"cpu-s/M", perMillion(spent, b.objects.Records)})
	return nil
}
