package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
)

// A Block is a [*Source] or a [*Sink].
type Block interface {
	self() *instance
}

func (i *instance) self() *instance { return i }

// Same reports whether a block's plugin would be started just as it was: the same program,
// with the same settings, environment and limits. The block's name does not count.
func (c *Catalog) Same(b Block, kind, typ string, settings json.RawMessage) bool {
	l, err := c.launch("", kind, typ, settings)
	if err != nil {
		return false
	}
	old := b.self().launch
	return old.kind == l.kind && old.typ == l.typ && old.memory == l.memory && old.program == l.program &&
		bytes.Equal(old.settings, l.settings) && maps.Equal(old.environment, l.environment)
}

// Rename gives a block another name for [Catalog.States].
func (i *instance) Rename(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.launch.block = name
}

// Answered waits until the block's plugin has been opened, or has failed to. It returns why
// it failed, or ctx's cause.
func (i *instance) Answered(ctx context.Context) error {
	_, err := i.use(ctx)
	return err
}

// Stop drains and stops the plugins of some blocks, side by side, after their last use. ctx
// bounds the draining.
func (c *Catalog) Stop(ctx context.Context, blocks ...Block) {
	c.mu.Lock()
	c.instances = slices.DeleteFunc(slices.Clone(c.instances), func(i *instance) bool {
		return slices.ContainsFunc(blocks, func(b Block) bool { return b.self() == i })
	})
	c.mu.Unlock()
	var stopping sync.WaitGroup
	for _, b := range blocks {
		stopping.Go(func() { b.self().stop(ctx) })
	}
	stopping.Wait()
}
