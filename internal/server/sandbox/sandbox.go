// Package sandbox is what only `signet sandbox` has: people who do not exist, the identity provider
// that knows them, their software phones, a demo relying party, and the control listener that tests
// drive.
//
// Start at the part that you need: provider.go (OpenID Connect), softphone.go, control.go, demo.go.
// Nothing here is mounted by `signet serve`.
package sandbox

import (
	"github.com/signet-sign/signet/internal/signer"
)

// Personas are the people of the sandbox. Their NRICs and FINs have valid check letters and belong
// to nobody we know; the first two are the ones that the ecosystem's other test tools use.
var personas = []struct {
	signer.Person
	note string
}{
	{signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}, "the usual signer"},
	{signer.Person{UIN: "S8116474F", Name: "LIM CHENG HAO"}, "another person"},
	{signer.Person{UIN: "T0066846F", Name: "NUR AISYAH BINTE RAHMAN"}, "a T-series NRIC"},
	{signer.Person{UIN: "F1612345P", Name: "RAJESH S/O KUMARASAMY"}, "an F-series FIN"},
	{
		signer.Person{UIN: "G1612345K", Name: "ANNE-MARIE D'SOUZA-ØSTERGÅRD"},
		"a G-series FIN, and a name with accents",
	},
	{
		signer.Person{
			UIN: "M1612345L", Name: "PRIYADARSHINI VENKATARAMANAN SUBRAMANIAM CHANDRASEKARAN",
		},
		"an M-series FIN, and a long name",
	},
}

// Persona finds a person of the sandbox by NRIC or FIN.
func Persona(uin string) (signer.Person, bool) {
	uin = signer.Normalize(uin)
	for _, p := range personas {
		if p.UIN == uin {
			return p.Person, true
		}
	}
	return signer.Person{}, false
}
