#!/usr/bin/env python3
"""Makes the faces of this folder from the packages that README.md names.

    /usr/bin/python3 subset.py NOTO HANA SC.ttf KR.ttf EMOJI.ttf JP.ttf TC.ttf

NOTO and HANA are the folders with the fonts of Debian's fonts-noto-core and fonts-hanazono; the
others are the Bold faces of @expo-google-fonts. It needs Debian's python3-fonttools.
"""
import bz2, gzip, io, os, sys
from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.scaleUpem import scale_upem

BLOCK = 0x400  # characters in a file that hardly a name needs
LAYOUT = ["GSUB", "GPOS", "GDEF"]
UNUSED = ["BASE", "vhea", "vmtx", "VORG", "gasp", "STAT", "DSIG", "FFTM", "VDMX", "hdmx", "LTSH", "kern", "PCLT", "MATH"]

# Scripts in use of UAX 31 (tables 5 and 7) that fonts-noto-core has.
SCRIPTS = """Arabic Armenian Bengali Devanagari Ethiopic Georgian Gujarati Gurmukhi Hebrew Kannada Khmer Lao Malayalam
Myanmar Oriya Sinhala Tamil Telugu Thaana Thai Adlam Balinese Bamum Batak CanadianAboriginal Chakma Cham Cherokee
HanifiRohingya Javanese KayahLi Lepcha Limbu Lisu Mandaic MeeteiMayek Miao Mongolian NKo Newa NewTaiLue OlChiki Osage
Saurashtra Sundanese SylotiNagri Syriac TaiLe TaiTham TaiViet Tifinagh Vai Wancho Yi""".split()


def make(path, name, em, pack, unicodes=None, shapes=False):
    o = subset.Options()
    o.hinting, o.glyph_names, o.notdef_outline, o.recalc_timestamp = False, False, True, False
    o.layout_features = ["*"] if shapes else []
    o.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    o.drop_tables += UNUSED + ([] if shapes else LAYOUT)
    font = subset.load_font(path, o)
    s = subset.Subsetter(o)
    s.populate(unicodes=unicodes if unicodes is not None else font.getBestCmap())
    s.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 3, 4, 6) and name.startswith("SignetHan"):
            record.string = name  # the name of the original is reserved
    if font["head"].unitsPerEm != em:
        scale_upem(font, em)
        for glyph in font.getGlyphOrder():
            font["glyf"][glyph].recalcBounds(font["glyf"])
    raw = io.BytesIO()
    font.save(raw)
    data = raw.getvalue()
    if pack == "gz":
        data = gzip.compress(data, 9, mtime=0)
    else:
        data = bz2.compress(data, 9)
    with open(name + ".ttf." + pack, "wb") as f:
        f.write(data)
    print(name, len(data))


# The national character sets whose characters have forms of their own, by the codec.
REGIONS = {"zh-Hans": "gb2312", "zh-Hant": "big5", "ja": "cp932", "ko": "euc_kr"}
URO = range(0x4E00, 0xA000)


def national(codec):
    def has(code):
        try:
            return len(chr(code).encode(codec)) == 2
        except UnicodeError:
            return False
    return {code for code in URO if has(code)}


def different(path, sc, codes):
    """The characters that the face of a region draws otherwise than that of mainland China."""
    def outline(font, code):
        name = font.getBestCmap().get(code)
        return name and [list(part) for part in font["glyf"][name].getCoordinates(font["glyf"])[:2]]
    ours, base = TTFont(path), TTFont(sc)
    return {c for c in codes if outline(ours, c) and outline(ours, c) != outline(base, c)}


def regions(sc, kr, jp, tc):
    """Writes the forms of the regions, and their character sets: a bit for each of URO."""
    sets = {region: national(codec) for region, codec in REGIONS.items()}
    with open("regions.bin", "wb") as f:
        for codes in sets.values():
            f.write(bytes(sum(1 << bit for bit in range(8) if first + bit in codes) for first in URO[::8]))
    for path, name, region in (jp, "NotoSansJP", "ja"), (tc, "NotoSansTC", "zh-Hant"), (kr, "NotoSansKRHan", "ko"):
        make(path, name + "-Bold", 256, "gz", different(path, sc, sets[region]))


def main(noto, hana, sc, kr, emoji, jp, tc):
    make(noto + "/NotoSans-Bold.ttf", "NotoSans-Bold", 1000, "gz", shapes=True)
    for script in SCRIPTS:
        for style in ("Bold", "Regular"):
            path = f"{noto}/NotoSans{script}-{style}.ttf"
            if os.path.exists(path):
                make(path, f"NotoSans{script}-{style}", 1000, "gz", shapes=True)
                break
    make(noto + "/NotoSerifTibetan-Bold.ttf", "NotoSerifTibetan-Bold", 1000, "gz", shapes=True)
    make(emoji, "NotoEmoji-Bold", 512, "gz", shapes=True)
    make(kr, "NotoSansKR-Bold", 256, "gz", list(range(0x1100, 0x1200)) + list(range(0x3130, 0x3190)) + list(range(0xAC00, 0xD7A4)))
    with open("han.txt", encoding="utf-8") as f:
        common = {ord(c) for c in f.read()} - {10}
    make(sc, "NotoSansSC-Bold", 256, "gz", common)
    rest = set(range(0x2E80, 0x3000)) | set(range(0x3000, 0x3130)) | set(range(0x31A0, 0xA000)) | set(range(0xF900, 0xFB00))
    for first in range(0, 0x10000, BLOCK):
        if block := (rest - common) & set(range(first, first + BLOCK)):
            make(sc, f"NotoSansSC{first:04X}-Bold", 256, "bz2", block)
    for first in range(0x20000, 0x2EC00, BLOCK):
        make(hana + "/HanaMinB.ttf", f"SignetHan{first:X}", 128, "bz2", range(first, first + BLOCK))
    regions(sc, kr, jp, tc)


main(*sys.argv[1:])
