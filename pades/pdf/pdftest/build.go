package pdftest

import (
	"fmt"
	"strings"
)

// Numbers of the objects that New makes. Tests that change one by Object or
// Update use these names.
const (
	CatalogNum = 1
	PagesNum   = 2
	FontNum    = 3
	AnnotsNum  = 4
	LinkNum    = 5
	FormNum    = 6
	FieldsNum  = 7
	InfoNum    = 8
	NodeNum    = 20000 // first inner node of the page tree
)

// PageNum returns the object number of a page.
func PageNum(page int) int { return 10 + 2*page }

// ContentNum returns the object number of a page's content stream.
func ContentNum(page int) int { return 11 + 2*page }

// FieldNum returns the object number of the i-th root field, from 0.
func FieldNum(i int) int { return 3000 + 2*i }

// ValueNum returns the object number of the value of the i-th root field.
func ValueNum(i int) int { return 3001 + 2*i }

func nodeNum(i int) int { return NodeNum + i }

func ref(c *config, num int) string { return fmt.Sprintf("%d %d R", num, c.generations[num]) }

// build makes the bodies of all objects by number.
func (c *config) build() map[int]string {
	b := make(map[int]string)
	attrs := c.pageAttrs + " /Resources << /Font << /F1 " + ref(c, FontNum) + " >> >>"
	if c.mediaBox != "" {
		attrs = " /MediaBox " + c.mediaBox + attrs
	}
	b[FontNum] = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
	b[InfoNum] = "<< /Producer (pdftest) >>"
	link := "<< /Type /Annot /Subtype /Link /Rect [50 50 100 60] /Border [0 0 0] /A << /S /URI /URI (https://example.test/) >> >>"

	widgets := make(map[int]string)
	for i, f := range c.fields {
		widgets[f.Page] += " " + ref(c, FieldNum(i))
	}
	kids := make([]int, 0, c.pages)
	for n := 1; n <= c.pages; n++ {
		num := PageNum(n)
		kids = append(kids, num)
		page := "<< /Type /Page /Parent @ /Contents " + ref(c, ContentNum(n)) + c.pageKeys[n]
		if !c.inherit {
			page += attrs
		}
		switch {
		case c.annots == annotsShared:
			page += " /Annots " + ref(c, AnnotsNum)
		case c.annots == annotsInline:
			page += " /Annots [ " + link + widgets[n] + " ]"
		case widgets[n] != "":
			page += " /Annots [" + widgets[n] + " ]"
		}
		b[num] = page + " >>"
		b[ContentNum(n)] = Stream(
			"", fmt.Sprintf("BT /F1 24 Tf 72 720 Td (Page %d of %d) Tj ET", n, c.pages),
		)
	}
	if c.annots == annotsShared {
		b[LinkNum] = link
		b[AnnotsNum] = "[ " + ref(c, LinkNum) + widgets[1] + " ]"
	}
	rootAttrs := ""
	if c.inherit {
		rootAttrs = attrs
	}
	c.buildTree(b, kids, rootAttrs)
	b[CatalogNum] = "<< /Type /Catalog /Pages " + ref(c, PagesNum) + c.catalog + c.buildForm(b) +
		" >>"
	for num, body := range c.objects {
		b[num] = body
	}
	return b
}

// buildTree joins the pages to a tree. The @ in a node stands for its parent.
func (c *config) buildTree(b map[int]string, level []int, rootAttrs string) {
	count := make(map[int]int)
	for _, k := range level {
		count[k] = 1
	}
	node := func(num int, kids []int, entries string) {
		list := make([]string, len(kids))
		for i, k := range kids {
			list[i] = ref(c, k)
			b[k] = strings.Replace(b[k], "@", ref(c, num), 1)
			count[num] += count[k]
		}
		b[num] = fmt.Sprintf(
			"<< /Type /Pages%s /Count %d /Kids [ %s ] >>", entries, count[num],
			strings.Join(list, " "),
		)
	}
	for next := 0; c.fanout > 1 && len(level) > c.fanout; {
		var up []int
		for len(level) > 0 {
			n := min(c.fanout, len(level))
			node(nodeNum(next), level[:n], " /Parent @")
			up = append(up, nodeNum(next))
			level = level[n:]
			next++
		}
		level = up
	}
	node(PagesNum, level, rootAttrs)
}

// buildForm makes the fields and returns the catalog's entry for the form.
func (c *config) buildForm(b map[int]string) string {
	if c.form == formNone {
		return ""
	}
	list := make([]string, len(c.fields))
	for i, f := range c.fields {
		list[i] = ref(c, FieldNum(i))
		kind := f.Type
		if kind == "" {
			kind = "Sig"
		}
		body := fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /F 4 /FT /%s /T (%s) %s", kind, f.Name, f.Entries,
		)
		if f.Rect != "" {
			body += " /Rect " + f.Rect
		}
		if f.Page > 0 {
			body += " /P " + ref(c, PageNum(f.Page))
		}
		if f.Value != "" {
			b[ValueNum(i)] = f.Value
			body += " /V " + ref(c, ValueNum(i))
		}
		b[FieldNum(i)] = body + " >>"
	}
	fields := "[ " + strings.Join(list, " ") + " ]"
	if c.form == formFieldsIndirect {
		b[FieldsNum] = fields
		fields = ref(c, FieldsNum)
	}
	form := "<< /Fields " + fields + " /DA (/Helv 0 Tf 0 g)" + c.formKeys + " >>"
	if c.form == formDirect {
		return " /AcroForm " + form
	}
	b[FormNum] = form
	return " /AcroForm " + ref(c, FormNum)
}
