package pdf

// Limits bounds the cost of one document. The zero value of a field means its default. The service
// uses Limits{}.
type Limits struct {
	// Inflated is the number of bytes that all decoded streams together may
	// have. Default 100 MiB.
	Inflated int64

	// Stream is the number of bytes of one decoded stream, which is held in memory. Streams with
	// structure are small. Default 16 MiB.
	Stream int64

	// Values is the number of values, at any depth, of one object. A value takes up to 56 bytes of
	// memory for two bytes of a file. Default 200,000.
	Values int

	// Pages is the number of pages. Default 2,000.
	Pages int

	// Objects is the number of cross-reference entries. Default 500,000.
	Objects int

	// Nesting is the depth of arrays and dictionaries within one object, and
	// of the page tree and the field tree. Default 64.
	Nesting int

	// Revisions is the number of cross-reference sections. Default 1,000.
	Revisions int

	// ObjectSize is the number of bytes of one object, without the data of a
	// stream. Only objects that are read count. Default 2 MiB.
	ObjectSize int64

	// Work is the number of bytes that may be read, scanned or inflated over the life of the
	// Document. Unlike a time limit it gives the same result on every machine. The default, 512
	// MiB, is less than 5 s of CPU time on a slow core.
	Work int64
}

// maxObjectNumber is the largest object number that readers must support
// (ISO 32000-1, Annex C).
const maxObjectNumber = 8_388_607

func (l Limits) withDefaults() Limits {
	set := func(v *int64, def int64) {
		if *v <= 0 {
			*v = def
		}
	}
	setInt := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.Inflated, 100<<20)
	set(&l.Stream, 16<<20)
	setInt(&l.Values, 200_000)
	setInt(&l.Pages, 2_000)
	setInt(&l.Objects, 500_000)
	setInt(&l.Nesting, 64)
	setInt(&l.Revisions, 1_000)
	set(&l.ObjectSize, 2<<20)
	set(&l.Work, 512<<20)
	return l
}
