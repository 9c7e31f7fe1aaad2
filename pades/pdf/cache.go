package pdf

// cache keeps recently used values up to a total cost. It has two halves: when the young one is
// full it becomes the old one, and the previous old one is dropped with the values that were not
// used again.
type cache[V any] struct {
	limit      int // cost of each half
	cost       int
	young, old map[int]cached[V]
}

type cached[V any] struct {
	value V
	cost  int
}

func (c *cache[V]) get(key int) (V, bool) {
	if e, ok := c.young[key]; ok {
		return e.value, true
	}
	e, ok := c.old[key]
	if ok {
		delete(c.old, key)
		c.put(key, e.value, e.cost)
	}
	return e.value, ok
}

func (c *cache[V]) put(key int, value V, cost int) {
	if cost > c.limit {
		return // it would displace everything else
	}
	if c.young == nil || c.cost+cost > c.limit {
		c.old, c.young, c.cost = c.young, make(map[int]cached[V]), 0
	}
	c.young[key] = cached[V]{value, cost}
	c.cost += cost
}
