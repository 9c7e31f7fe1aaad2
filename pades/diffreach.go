package pades

import (
	"maps"
	"slices"

	"github.com/signet-sign/signet/pades/pdf"
)

// refer finds the objects of the signed revision that refer to changed ones, once for each
// reference. Objects that nothing uses do not count, and nor does the trailer.
func (c *differ) refer() error {
	if len(c.changed) == 0 {
		return nil
	}
	queue := []pdf.Ref{}
	seen := make(map[int]bool)
	visit := func(r pdf.Ref) bool {
		if !seen[r.Num] {
			seen[r.Num] = true
			queue = append(queue, r)
		}
		return false
	}
	if err := walk(c.old, c.old.Trailer(), make(map[int]bool), visit); err != nil {
		return err
	}
	for len(queue) > 0 {
		ref := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		err := c.old.References(ref, func(r pdf.Ref) {
			if c.changed[r.Num] {
				c.referrers[r.Num] = append(c.referrers[r.Num], ref.Num)
			}
			visit(r)
		})
		if _, err := unreadable(err); err != nil {
			return err
		}
	}
	return nil
}

// gaps finds references in the signed revision to objects that it does not have. They were null
// when it was signed. An object that is added later with such a number would appear in the signed
// pages (shadow attack by a dangling reference).
func (c *differ) gaps() error {
	for _, num := range slices.Sorted(maps.Keys(c.referrers)) {
		if !c.isNew(pdf.Ref{Num: num}) {
			continue
		}
		for _, from := range slices.Compact(c.referrers[num]) {
			c.other(num, "an object was added to which object %d had referred before", from)
		}
		c.explained[num] = true
	}
	return nil
}

// onlyFrom reports whether nothing else in the signed revision refers to a changed object.
func (c *differ) onlyFrom(num, referrer int) bool {
	return !slices.ContainsFunc(c.referrers[num], func(from int) bool { return from != referrer })
}

// usedOnce reports whether the signed revision has one reference to a changed object, from the
// referrer. An object that is updated in place must have no use beside the one that allows it.
func (c *differ) usedOnce(num, referrer int) bool {
	return slices.Equal(c.referrers[num], []int{referrer})
}

// explainNew explains the new objects that a value reaches through new objects only.
func (c *differ) explainNew(values ...pdf.Object) error {
	reached := make(map[int]bool)
	for _, v := range values {
		if err := walk(c.now, v, reached, c.isNew); err != nil {
			return err
		}
	}
	maps.Copy(c.explained, reached)
	return nil
}

// containers explains the new streams that only contain other objects, each of which is judged by
// itself.
func (c *differ) containers() error {
	for num := range c.changed {
		if c.explained[num] || !c.isNew(pdf.Ref{Num: num}) {
			continue
		}
		o, err := c.now.Load(c.now.Lookup(num).Ref)
		if skip, err := unreadable(err); err != nil {
			return err
		} else if skip || o.Kind() != pdf.Stream {
			continue
		}
		if kind := o.Get("Type").Name(); kind == "XRef" || kind == "ObjStm" {
			c.explained[num] = true
		}
	}
	return nil
}

// ambiguous finds keys that stand twice in an object that a rule explains. Readers disagree about
// which of the values counts.
func (c *differ) ambiguous() error {
	for _, num := range slices.Sorted(maps.Keys(c.explained)) {
		if !c.changed[num] {
			continue
		}
		o, err := c.now.Load(c.now.Lookup(num).Ref)
		if err != nil {
			return err
		}
		if key, twice := o.AmbiguousKey(); twice {
			c.other(num, "/%s stands twice in an object", key)
		}
	}
	return nil
}

// shown finds changed objects that a page, or an annotation that did not change, draws. No rule
// explains these: what is part of the form, say, must not be part of a page's resources as well.
func (c *differ) shown() error {
	pages := make(map[int]bool)
	for n := 1; n <= c.now.NumPages(); n++ {
		page, err := c.now.Page(n)
		if err != nil {
			return err
		}
		pages[page.Ref.Num] = true
	}
	reached := make(map[int]bool)
	for n := 1; n <= c.now.NumPages(); n++ {
		page, err := c.now.Page(n)
		if err != nil {
			return err
		}
		o, err := c.now.Load(page.Ref)
		if err != nil {
			return err
		}
		drawn := []pdf.Object{o.Get("Contents"), o.Get("Group"), page.Resources}
		looks, err := c.latest.looksOn(page)
		if err != nil {
			return err
		}
		for _, l := range looks {
			if !c.changed[l.annotation] {
				drawn = append(drawn, l.value)
			}
		}
		for _, o := range drawn {
			if err := c.reach(o, reached, func(r pdf.Ref) bool {
				switch {
				case pages[r.Num], c.unused[r.Num] && c.isNew(r):
					return false
				case c.explained[r.Num] && c.changed[r.Num] && !reached[r.Num] && !c.unused[r.Num]:
					c.add(Change{
						Kind: ChangeOther, Page: n, Object: r.Num,
						Text: "an object that the page shows was changed",
					})
				}
				return true
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// rest adds a change for every object that no rule explains and that a reader can reach, with the
// page that shows it.
func (c *differ) rest() error {
	var left []int
	for _, num := range slices.Sorted(maps.Keys(c.changed)) {
		if !c.explained[num] {
			left = append(left, num)
		}
	}
	if len(left) == 0 {
		return nil
	}
	on := make(map[int]int) // object: the first page that reaches it
	reached := make(map[int]bool)
	pages := make(map[int]bool)
	for n := 1; n <= c.now.NumPages(); n++ {
		page, err := c.now.Page(n)
		if err != nil {
			return err
		}
		pages[page.Ref.Num] = true
	}
	for n := 1; n <= c.now.NumPages(); n++ {
		page, err := c.now.Page(n)
		if err != nil {
			return err
		}
		on[page.Ref.Num] = n
		o, err := c.now.Load(page.Ref)
		if err != nil {
			return err
		}
		if err := c.reach(o, reached, func(r pdf.Ref) bool {
			if pages[r.Num] || r == parentOf(o) {
				return false
			}
			if on[r.Num] == 0 {
				on[r.Num] = n
			}
			return true
		}); err != nil {
			return err
		}
	}
	reached = make(map[int]bool)
	if err := c.reach(c.now.Trailer(), reached, nil); err != nil {
		return err
	}
	for _, num := range left {
		if !reached[num] {
			continue
		}
		ch := Change{Kind: ChangeOther, Object: num, Page: on[num], Text: "an object was changed"}
		switch {
		case c.isNew(pdf.Ref{Num: num}):
			ch.Text = "an object was added"
		case c.now.Lookup(num).Kind == pdf.Free:
			ch.Text = "an object was removed"
		}
		c.add(ch)
	}
	return nil
}

func parentOf(page pdf.Object) pdf.Ref {
	ref, _ := page.Get("Parent").Ref()
	return ref
}

// reach is walk for a file in which some objects may be unreadable.
func (c *differ) reach(o pdf.Object, seen map[int]bool, into func(pdf.Ref) bool) error {
	var stack []pdf.Ref
	push := func(r pdf.Ref) bool {
		stack = append(stack, r)
		return false
	}
	if err := walk(c.now, o, nil, push); err != nil {
		return err
	}
	for len(stack) > 0 {
		ref := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[ref.Num] || into != nil && !into(ref) {
			continue
		}
		seen[ref.Num] = true
		err := c.now.References(ref, func(r pdf.Ref) { push(r) })
		if _, err := unreadable(err); err != nil {
			return err
		}
	}
	return nil
}

// walk finds the objects that o refers to, directly or through others for which into is nil or
// returns true. It uses an explicit stack, because a hostile file can chain half a million objects.
func walk(d *pdf.Document, o pdf.Object, seen map[int]bool, into func(pdf.Ref) bool) error {
	stack := []pdf.Object{o}
	for len(stack) > 0 {
		o := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		switch o.Kind() {
		case pdf.Reference:
			ref, _ := o.Ref()
			if seen[ref.Num] || into != nil && !into(ref) {
				continue
			}
			seen[ref.Num] = true
			target, err := d.Load(ref)
			if err != nil {
				return err
			}
			stack = append(stack, target)
		case pdf.Array:
			stack = append(stack, o.Elements()...)
		case pdf.Dictionary, pdf.Stream:
			for _, e := range o.Entries() {
				stack = append(stack, e)
			}
		}
	}
	return nil
}
