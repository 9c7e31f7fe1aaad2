package pades

import "encoding/binary"

// iccProfile returns a minimal ICC version 2 display profile: the primaries of
// sRGB, adapted to D50, with a gamma of 2.2.
//
// PDF/A allows device colours only where the document's output intent matches
// them, and a document may have any output intent. Colour through a profile of
// our own is right in every document. CalRGB would serve too, but some viewers
// tint it.
func iccProfile() []byte {
	xyz := func(x, y, z uint32) []byte { // s15Fixed16Number
		b := append([]byte("XYZ "), 0, 0, 0, 0)
		for _, v := range []uint32{x, y, z} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return b
	}
	text := func(s string) []byte { return []byte("text\x00\x00\x00\x00" + s + "\x00") }
	desc := func(s string) []byte {
		b := append([]byte("desc"), 0, 0, 0, 0)
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)+1))
		b = append(b, s...)
		// terminator, no Unicode name, no Macintosh name
		return append(b, make([]byte, 1+4+4+2+1+67)...)
	}
	curve := append([]byte("curv"), 0, 0, 0, 0, 0, 0, 0, 1, 0x02, 0x33) // u8Fixed8: 2.2
	type tag struct {
		name string
		data []byte
	}
	tags := []tag{
		{"desc", desc("Signet RGB")},
		{"cprt", text("No copyright")},
		{"wtpt", xyz(0xf6d6, 0x10000, 0xd32d)},
		{"rXYZ", xyz(0x6fa2, 0x38f5, 0x0390)},
		{"gXYZ", xyz(0x6299, 0xb785, 0x18da)},
		{"bXYZ", xyz(0x24a0, 0x0f84, 0xb6cf)},
		{"rTRC", curve},
		{"gTRC", nil}, // shares the curve before it
		{"bTRC", nil},
	}
	const headerSize = 128
	table := binary.BigEndian.AppendUint32(nil, uint32(len(tags)))
	var data []byte
	base := headerSize + 4 + 12*len(tags)
	var off, size int
	for _, t := range tags {
		if t.data != nil {
			for len(data)%4 != 0 {
				data = append(data, 0)
			}
			off, size = base+len(data), len(t.data)
			data = append(data, t.data...)
		}
		table = append(table, t.name...)
		table = binary.BigEndian.AppendUint32(table, uint32(off))
		table = binary.BigEndian.AppendUint32(table, uint32(size))
	}
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	h := make([]byte, headerSize)
	binary.BigEndian.PutUint32(h[0:], uint32(base+len(data)))
	binary.BigEndian.PutUint32(h[8:], 0x02100000) // version 2.1
	copy(h[12:], "mntrRGB XYZ ")
	binary.BigEndian.PutUint16(h[24:], 2025) // date: 2025-01-01
	binary.BigEndian.PutUint16(h[26:], 1)
	binary.BigEndian.PutUint16(h[28:], 1)
	copy(h[36:], "acsp")
	copy(h[68:], xyz(0xf6d6, 0x10000, 0xd32d)[8:]) // D50
	return append(append(h, table...), data...)
}
