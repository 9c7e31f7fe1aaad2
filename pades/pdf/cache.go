package pdf

// cache keeps recently used values up to a total cost. It has two halves: when the young one is
// full it becomes the old one, and the previous old one is dropped with the values that were not
// used again.
type cache[V any] struct {
	limit      int // cost of each half
	cost       int
	young, old map[place]cached[V]
}

type cached[V any] struct {
	value V
	cost  int
}

func (c *cache[V]) get(key place) (V, bool) {
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

func (c *cache[V]) put(key place, value V, cost int) {
	if cost > c.limit {
		return // it would displace everything else
	}
	if c.young == nil || c.cost+cost > c.limit {
		c.old, c.young, c.cost = c.young, make(map[place]cached[V]), 0
	}
	c.young[key] = cached[V]{value, cost}
	c.cost += cost
}

// shared is what a document and its revisions have in common.
type shared struct {
	work    int64 // bytes of work that are still allowed
	objects cache[loaded]
	streams cache[*objectStream]
	linked  cache[linked]
}

func newShared(work int64) *shared {
	return &shared{
		work: work, objects: cache[loaded]{limit: 24 << 20},
		streams: cache[*objectStream]{limit: 16 << 20}, linked: cache[linked]{limit: 16 << 20},
	}
}

// place is where an object is: at off in the file or, if inside, in the object stream at off. It is
// the same object in all revisions that have it there, unless that stream needs other objects to be
// read. Then of is the one revision in which it was read.
type place struct {
	of     *Document
	off    int64
	inside bool
	index  int
}

const placeBytes = 100 // of memory that a cached value takes beside its own

// origin is what an object was read from.
type origin struct {
	ref Ref
	of  *Document // as in place
	end int64     // of what was looked at: a revision that ends before it does not have the object
}

// loaded is an object that was read.
type loaded struct {
	origin
	object Object
}

// linked has the references in an object.
type linked struct {
	origin
	links []link
}

// link is a Ref in eight bytes.
type link struct {
	num int32
	gen uint32
}

// find returns what a cache has for an object of d.
func find[V interface{ from() origin }](d *Document, c *cache[V], e Entry) (V, bool) {
	at := d.placeOf(e)
	v, ok := c.get(at)
	if !ok && e.Kind == Compressed {
		at.of = d
		v, ok = c.get(at)
	}
	return v, ok && v.from().ref == e.Ref && v.from().end <= d.src.size
}

func (o origin) from() origin { return o }

// keep puts a value into a cache for an object of d.
func keep[V interface{ from() origin }](d *Document, c *cache[V], e Entry, v V, cost int) {
	at := d.placeOf(e)
	at.of = v.from().of
	c.put(at, v, cost)
}

// placeOf returns the place of an object that is not free.
func (d *Document) placeOf(e Entry) place {
	if e.Kind == InFile {
		return place{off: e.Offset}
	}
	return place{off: d.Lookup(e.Container).Offset, inside: true, index: e.Index}
}
