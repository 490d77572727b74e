package catalog

import "time"

// Hasten makes the catalog lose patience soon. Plugins that are merely slow are
// restarted then, too.
func (c *Catalog) Hasten(answer time.Duration) {
	c.timing.health = 300 * time.Millisecond
	c.timing.answer = answer
}
