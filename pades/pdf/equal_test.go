package pdf

import "testing"

func TestEqual(t *testing.T) {
	parse := func(s string) Object {
		t.Helper()
		o, _, err := parseValue(s)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		return o
	}
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"[0 0 595 842]", "[ 0  0 595 842 ]", true},
		{"595.0", "+595.", true},
		{"595", "+595", true},
		{"595", "595.0", false},
		{"<< /Rect [0 0 595 842] /C [0] >>", "<< /Rect [0 0.0 595. 842] /C [0.0] >>", true},
		{"<< /UserUnit 2 >>", "<< /UserUnit 2.0 >>", true},
		{"<< /Rotate 90 >>", "<< /Rotate 90.0 >>", false},
		{"<< /K << /Rect [/Indexed /DeviceRGB 1] >> >>", "<< /K << /Rect [/Indexed /DeviceRGB 1.0] >> >>", false},
		{"<< /Rotate null >>", "<< >>", false},
		{"595", "595.01", false},
		{"9007199254740993", "9007199254740992", false},
		{"/Name", "/N#61me", true},
		{"/Name", "/name", false},
		{"(abc)", "<616263>", true},
		{"(abc)", "<6162>", false},
		{"(a\\142c)", "(abc)", true},
		{"<< /A 1 /B 2 >>", "<</B 2/A 1>>", true},
		{"<< /A 1 /B null >>", "<< /A 1 >>", true},
		{"<< /A 1 >>", "<< /A 1 /B 2 >>", false},
		{"<< /A 1 /B 2 >>", "<< /A 1 >>", false},
		{"<< /A 1 /A 2 >>", "<< /A 1 >>", false},
		{"<< /A 1 >>", "<< /A 1 /A 2 >>", false},
		{"<< /A 1 /A 2 >>", "<< /A 1 /A 2 >>", true},
		{"5 0 R", "5 0 R", true},
		{"5 0 R", "5  0  R", true},
		{"5 0 R", "6 0 R", false},
		{"true", "false", false},
		{"true", "1", false},
		{"null", "null", true},
		{"[1 [2 << /K (x) >>]]", "[1[2<</K<78>>>]]", true},
		{"[1 2]", "[1 2 null]", false},
	} {
		a, b := parse(tc.a), parse(tc.b)
		if got := Equal(a, b); got != tc.want {
			t.Errorf("Equal(%s, %s) = %v", tc.a, tc.b, got)
		}
		if got := Equal(b, a); got != tc.want {
			t.Errorf("Equal(%s, %s) = %v", tc.b, tc.a, got)
		}
	}
}
