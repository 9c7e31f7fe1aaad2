package pades

import (
	"slices"
	"unicode"
)

// HanForms is the region whose print the forms of Han characters follow. Unicode has one code for
// what regions write differently, so the code does not say it.
type HanForms string

// The regions, as BCP 47 tags of their languages.
const (
	HanSimplified  HanForms = "zh-Hans" // mainland China and Singapore
	HanTraditional HanForms = "zh-Hant" // Taiwan and Hong Kong
	HanJapanese    HanForms = "ja"
	HanKorean      HanForms = "ko"
)

// hanRegion is a region and the face with the characters that it draws otherwise than mainland
// China, whose face has all of them.
type hanRegion struct {
	forms HanForms
	file  string
}

// hanRegions are the regions in the order of the character sets in fonts/regions.bin.
var hanRegions = []hanRegion{
	{HanSimplified, ""},
	{HanTraditional, "NotoSansTC-Bold.ttf.gz"},
	{HanJapanese, "NotoSansJP-Bold.ttf.gz"},
	{HanKorean, "NotoSansKRHan-Bold.ttf.gz"},
}

// Each character set of fonts/regions.bin is a bit for each code point from uroFirst to uroLast,
// the lowest bit first: GB 2312, Big5, Windows-932 and EUC-KR.
const (
	uroFirst, uroLast = 0x4E00, 0x9FFF
	uroBytes          = (uroLast - uroFirst + 1) / 8
)

// hanRegionOf returns the region for a name. Kana, Hangul and Bopomofo name it. Otherwise it is the
// preferred one if its character set has all Han characters of the name, or else the first one
// whose set has them. If there is none, it is the preferred one; an unknown one counts as
// HanSimplified.
func hanRegionOf(name string, preferred HanForms) (hanRegion, error) {
	sets, err := faceFiles.ReadFile("fonts/regions.bin")
	if err != nil {
		return hanRegion{}, err
	}
	has := func(region int, r rune) bool {
		i := int(r) - uroFirst
		return sets[region*uroBytes+i/8]>>(i%8)&1 == 1
	}
	region := func(forms HanForms) int {
		return max(
			0, slices.IndexFunc(hanRegions, func(h hanRegion) bool { return h.forms == forms }),
		)
	}
	var han []rune
	for _, r := range name {
		switch {
		case unicode.In(r, unicode.Hiragana, unicode.Katakana):
			return hanRegions[region(HanJapanese)], nil
		case unicode.Is(unicode.Hangul, r):
			return hanRegions[region(HanKorean)], nil
		case unicode.Is(unicode.Bopomofo, r):
			return hanRegions[region(HanTraditional)], nil
		case r >= uroFirst && r <= uroLast:
			han = append(han, r)
		}
	}
	first := region(preferred)
	for _, i := range append([]int{first}, 0, 1, 2, 3) {
		if !slices.ContainsFunc(han, func(r rune) bool { return !has(i, r) }) {
			return hanRegions[i], nil
		}
	}
	return hanRegions[first], nil
}
