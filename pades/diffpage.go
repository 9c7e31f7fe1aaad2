package pades

import (
	"slices"

	"github.com/signet-sign/signet/pades/pdf"
)

// pages compares the pages. It judges annotations that were added, except the widgets that form has
// judged.
func (c *differ) pages() error {
	if c.old.NumPages() != c.now.NumPages() {
		c.other(0, "pages were added or removed")
		return nil
	}
	placed := make(map[pdf.Ref]int)
	for number := 1; number <= c.now.NumPages(); number++ {
		old, err := c.old.Page(number)
		if err != nil {
			return err
		}
		now, err := c.now.Page(number)
		if err != nil {
			return err
		}
		if old.Ref != now.Ref {
			c.add(
				Change{
					Kind: ChangeOther, Page: number, Object: now.Ref.Num,
					Text: "the page was replaced by another",
				},
			)
			continue
		}
		if err := c.page(number, now.Ref, placed); err != nil {
			return err
		}
	}
	for ref, n := range placed {
		if n > 1 {
			c.other(ref.Num, "a widget is on %d pages", n)
		}
	}
	return nil
}

func (c *differ) page(number int, ref pdf.Ref, placed map[pdf.Ref]int) error {
	old, now, err := c.loadBoth(ref)
	if err != nil {
		return err
	}
	if c.changed[ref.Num] {
		for _, key := range keysOf(old, now) {
			if key == "Annots" || key == "LastModified" && now.Get(key).Kind() == pdf.String {
				continue
			}
			same, err := c.equal(key, old.Get(key), now.Get(key))
			if err != nil {
				return err
			}
			if !same {
				c.add(
					Change{
						Kind: ChangeOther, Page: number, Object: ref.Num,
						Text: "/" + key + " of the page was changed",
					},
				)
			}
		}
		c.explained[ref.Num] = true
	}
	return c.annotations(number, ref, old.Get("Annots"), now.Get("Annots"), placed)
}

// annotations judges the annotations of a page that are not widgets of the form.
func (c *differ) annotations(
	number int, page pdf.Ref, a, b pdf.Object, placed map[pdf.Ref]int,
) error {
	added, kept, err := c.added(a, b, page.Num)
	if err != nil {
		return err
	}
	annotation := func(object int, text string) {
		c.add(Change{Kind: ChangeAnnotation, Page: number, Object: object, Text: text})
	}
	visible := func(ref pdf.Ref, text string, o pdf.Object) error {
		hidden, err := c.hides(number, ref, o)
		if err == nil {
			c.add(Change{
				Kind: ChangeAnnotation, Page: number, Object: ref.Num, Text: hiding(text, hidden),
				Hides: hidden,
			})
		}
		return err
	}
	other := func(object int, text string) {
		c.add(Change{Kind: ChangeOther, Page: number, Object: object, Text: text})
	}
	if !kept {
		annotation(0, "annotations were removed or put in another order")
	}
	for _, o := range added {
		ref, _ := o.Ref()
		if c.widgets[ref] {
			placed[ref]++
			continue
		}
		target, err := c.now.Resolve(o)
		if err != nil {
			return err
		}
		active, err := c.active(target)
		switch {
		case err != nil:
			return err
		case ref.Num != 0 && !c.isNew(ref) || target.Get("Subtype").Name() == "Widget":
			other(ref.Num, "an object was added to the page")
		case active:
			other(ref.Num, "an annotation with an action was added")
		default:
			err = visible(ref, "an annotation was added", target)
		}
		if err != nil {
			return err
		}
		if err := c.explainNew(o); err != nil {
			return err
		}
	}
	before, err := list(c.old, a)
	if err != nil {
		return ignore(err, errNotArray)
	}
	array, _ := a.Ref()
	for _, o := range before {
		ref, ok := o.Ref()
		if !ok || !c.changed[ref.Num] || c.explained[ref.Num] ||
			c.now.Lookup(ref.Num).Kind == pdf.Free {
			continue
		}
		alone := !slices.ContainsFunc(
			c.referrers[ref.Num],
			func(from int) bool { return from != page.Num && from != array.Num },
		)
		now, err := c.now.Load(ref)
		if err != nil {
			return err
		}
		if !alone || now.Get("Subtype").Name() == "Widget" {
			continue // rest adds it as a change of kind other
		}
		was, err := c.old.Load(ref)
		if err != nil {
			return err
		}
		action := !pdf.Equal(was.Get("A"), now.Get("A")) || !pdf.Equal(was.Get("AA"), now.Get("AA"))
		if active, err := c.active(now); err != nil {
			return err
		} else if active && action {
			other(ref.Num, "an annotation was given another action")
		} else if err := visible(ref, "an annotation was changed", now); err != nil {
			return err
		}
		c.explained[ref.Num] = true
		if err := c.explainNew(now); err != nil {
			return err
		}
	}
	return nil
}

// active reports whether an annotation acts in another way than by following a link.
func (c *differ) active(annotation pdf.Object) (bool, error) {
	action, err := c.now.Get(annotation, "A")
	if err != nil {
		return false, err
	}
	kind, err := c.now.Get(action, "S")
	if err != nil {
		return false, err
	}
	link := kind.Name() == "URI" || kind.Name() == "GoTo"
	return !annotation.Get("AA").IsNull() || !action.IsNull() && !link ||
		!action.Get("Next").IsNull(), nil
}
